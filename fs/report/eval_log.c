/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/lines.h"
#include "fs/report/report.h"
#include <string.h>

static int line(void *ctx, const struct event *e)
{
    static const char *const kinds[] = {"rows",    "retire", "relabel", "erase",
                                        "ratchet", "reject", "config",  "import"};
    struct out *o = ctx;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(e->kind, kinds[i]) != 0)
            continue;
        json_t *about = json_loadb(e->json, e->n, 0, NULL); /* NULL: erased since */
        json_t *l = json_pack("{s:I s:s s:o}", "event", (json_int_t)e->seq, "kind", e->kind, "at",
                              lines_time(e->time_ns));
        if (l && json_is_object(about))
            json_object_update_missing(l, about);
        json_decref(about);
        lines_put(o, l);
    }
    return 0;
}

static int render(const struct subject *s, struct out *o)
{
    return events_each(s->store, 1, line, o);
}

const struct report report_eval_log = {
    .name = "log.jsonl",
    .version = 1,
    .inputs = INPUT_HISTORY | INPUT_SET,
    .doc = "what happened to the evaluation set and its configuration",
    .render = render,
};
