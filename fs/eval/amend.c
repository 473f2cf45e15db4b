/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/amend.h"
#include "store/base/fail.h"
#include "store/base/utf8.h"
#include <errno.h>
#include <stdio.h>

static int refuse(struct grow_item *it, enum row_reason reason, const char *why)
{
    it->reason = reason;
    snprintf(it->why, sizeof it->why, "%s", why);
    return 0;
}

/* "tx-88121 left the product" */
static json_t *parse_words(const char *p, size_t n)
{
    size_t id = 0, from;
    while (id < n && p[id] != ' ' && p[id] != '\t')
        id++;
    for (from = id; from < n && (p[from] == ' ' || p[from] == '\t');)
        from++;
    return json_pack("{s:s%, s:s%}", "id", p, id, "reason", p + from, n - from);
}

/* Ids may come as numbers, as they may in rows. */
static int id_as_text(json_t *o)
{
    char text[32];
    const json_t *id = json_object_get(o, "id");
    if (!json_is_integer(id))
        return 0;
    snprintf(text, sizeof text, "%lld", (long long)json_integer_value(id));
    return json_object_set_new(o, "id", json_string(text));
}

int amend_parse(enum eval_lines what, struct grow_item *it)
{
    json_t *o = NULL;
    if (!utf8_valid(it->line, it->n) || memchr(it->line, 0, it->n))
        return refuse(it, ROW_NOT_UTF8, "not UTF-8");
    if (what == EVAL_RETIRE && it->line[0] != '{') {
        if (!(o = parse_words(it->line, it->n)))
            return fail(-ENOMEM, "out of memory");
    } else if (canon_parse("line", it->line, it->n, 2, &o)) {
        return refuse(it, it->torn ? ROW_TRUNCATED : ROW_BAD_JSON, fail_text());
    }
    if (id_as_text(o)) {
        json_decref(o);
        return fail(-ENOMEM, "out of memory");
    }
    const struct grow_order order = {.json = o,
                                     .id = json_string_value(json_object_get(o, "id")),
                                     .reason = json_string_value(json_object_get(o, "reason")),
                                     .label = json_object_get(o, "label")};
    int err = 0;
    if (!order.id || !*order.id)
        err = refuse(it, ROW_BAD_FIELD, "no \"id\"");
    else if (!order.reason || !*order.reason)
        err = refuse(it, ROW_BAD_FIELD, "no \"reason\"");
    else if (what == EVAL_RELABEL && (!order.label || json_is_null(order.label) ||
                                      json_is_array(order.label) || json_is_object(order.label)))
        err = refuse(it, ROW_BAD_LABEL, "label: must be text, a number or true/false");
    if (it->reason)
        json_decref(o);
    else
        it->order = order;
    return err;
}
