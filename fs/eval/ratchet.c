/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/ratchet.h"
#include "fs/eval/view.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdlib.h>

static int is_released(struct store *s, const struct spec *spec, const struct version *v)
{
    struct digest d;
    for (size_t i = 0; i < spec->nrelease_tags; i++)
        if (tag_get(s, spec->release_tags[i], &d) == 0 && hash_equal(&d, &v->digest))
            return 1;
    return 0;
}

/* Rows are proposed once: those that an event names already. */
static int see_event(void *ctx, const struct event *x)
{
    json_t *seen = ctx, *o;
    if (strcmp(x->kind, "ratchet") != 0)
        return 0;
    o = json_loadb(x->json, x->n, 0, NULL);
    int bad = json_array_extend(seen, json_object_get(o, "rows"));
    json_decref(o);
    return bad ? fail(-ENOMEM, "out of memory") : 0;
}

static int was_seen(const json_t *seen, uint64_t row)
{
    size_t i;
    json_t *x;
    json_array_foreach(seen, i, x) if ((uint64_t)json_integer_value(x) == row) return 1;
    return 0;
}

static int line_of(const struct row *r, struct out *o)
{
    json_t *line = json_pack("{s:o s:o s:[s]}", "input", json_deep_copy(r->input), "label",
                             json_deep_copy(r->label), "tags", "must-pass");
    canon_format(line, o);
    out_char(o, '\n');
    int bad = !line || out_error(o);
    json_decref(line);
    return bad ? fail(-ENOMEM, "out of memory") : 0;
}

static int tell(struct eval *e, const struct eval_writer *w, const struct version *v, int on, json_t *rows)
{
    json_t *o = json_pack("{s:O s:o s:b s:I}", "rows", rows, "version", json_sprintf("v%u", v->number),
                          "must_pass", on, "uid", (json_int_t)w->uid);
    if (o && w->name)
        json_object_set_new(o, "by", json_string(w->name));
    char *event = o ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    int err = event ? rows_write(e->store, NULL, 0, "ratchet", event) : fail(-ENOMEM, "out of memory");
    json_decref(o);
    free(event);
    return err;
}

/* on: the lines that tag them in `lines`. */
static int choose(const struct eval_result *r, const json_t *seen, int on, json_t *rows, struct out *lines)
{
    int err = 0;
    for (size_t i = 0; !err && i < r->set->nrows; i++) {
        const struct row *row = r->set->rows[i];
        uint64_t seq = view_stamp(r->set, i)->row;
        if (row->cohort != ROW_FAILURES || r->cells[i].right != 1 || (!on && was_seen(seen, seq)))
            continue;
        if (json_array_append_new(rows, json_integer((json_int_t)seq)))
            err = fail(-ENOMEM, "out of memory");
        if (!err && on)
            err = line_of(row, lines);
    }
    return err;
}

int ratchet_turn(struct eval *e, const struct eval_writer *w, const struct version *v, uint64_t *ret_rows)
{
    const struct eval_set *set;
    struct eval_result *r = NULL;
    struct out lines = {0};
    struct eval_added added;
    json_t *rows = json_array(), *seen = json_array();
    *ret_rows = 0;
    int err = view_of(e->set, &set);
    if (err)
        goto out;
    const int on = set->spec->ratchet;
    if (is_released(e->store, set->spec, v)) {
        err = on ? 0 : events_each(e->store, 1, see_event, seen);
        if (!err)
            err = results_version(e->results, v, EVAL_KNOWN, set, NULL, NULL, &r);
        if (!err)
            err = choose(r, seen, on, rows, &lines);
        if (!err && json_array_size(rows))
            err = tell(e, w, v, on, rows);
        if (!err && lines.n)
            err = eval_append(e, w, lines.p, lines.n, &added);
        *ret_rows = json_array_size(rows);
    }
    results_free(r);
    view_unref(set);
out:
    json_decref(rows);
    json_decref(seen);
    out_fini(&lines);
    return err;
}
