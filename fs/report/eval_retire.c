/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/report.h"
#include "store/base/fail.h"
#include <errno.h>
#include <jansson.h>
#include <string.h>

static int line(void *ctx, const struct stored_row *r)
{
    struct out *o = ctx;
    if (r->state != ROW_RETIRED)
        return 0;
    json_t *row = json_loadb(r->json, r->n, 0, NULL);
    const char *id = json_string_value(json_object_get(row, "id"));
    if (id) {
        out_text(o, id, strlen(id), 0);
        out_char(o, ' ');
        out_text(o, r->reason, strlen(r->reason), 0);
        out_char(o, '\n');
    }
    json_decref(row);
    return id ? 0 : fail(-EBADMSG, "evaluation row %llu does not parse", (unsigned long long)r->seq);
}

static int render(const struct subject *s, struct out *o)
{
    return rows_each(s->store, 1, line, o);
}

const struct report report_eval_retire = {
    .name = "retire",
    .version = 1,
    .inputs = INPUT_SET,
    .doc = "rows that left the set; append \"ID REASON\" to retire one",
    .render = render,
};
