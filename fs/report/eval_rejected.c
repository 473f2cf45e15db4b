/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/lines.h"
#include "fs/report/report.h"
#include <string.h>

/* The stored reason is "code: what is wrong". */
static int line(void *ctx, const struct stored_row *r)
{
    struct out *o = ctx;
    if (r->state != ROW_REJECTED)
        return 0;
    const char *colon = strstr(r->reason, ": ");
    size_t code = colon ? (size_t)(colon - r->reason) : strlen(r->reason);
    const char *why = colon ? colon + 2 : "";
    lines_put(o,
              json_pack("{s:I s:o s:o s:I s:o s:o}", "row", (json_int_t)r->seq, "reason",
                        lines_text(r->reason, code), "why", lines_text(why, strlen(why)), "uid",
                        (json_int_t)r->uid, "at", lines_time(r->time_ns), "raw", lines_text(r->json, r->n)));
    return 0;
}

static int render(const struct subject *s, struct out *o)
{
    return rows_each(s->store, 1, line, o);
}

const struct report report_eval_rejected = {
    .name = "rejected.jsonl",
    .version = 1,
    .inputs = INPUT_SET,
    .doc = "lines that were refused, and why",
    .render = render,
};
