/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/eval.h"
#include "fs/report/lines.h"
#include "fs/report/report.h"

/* The label that a past entry's row had next: that of the next entry that knows one, or today's. */
static const json_t *next_label(const struct row *r, size_t i)
{
    for (size_t k = i + 1; k < json_array_size(r->was); k++) {
        const json_t *label = json_object_get(json_array_get(r->was, k), "label");
        if (label)
            return label;
    }
    return r->label;
}

static int render(const struct subject *s, struct out *o)
{
    const struct eval_set *v;
    int err = eval_view(s->eval, &v);
    if (err)
        return err;
    for (size_t i = 0; i < v->nrows; i++)
        for (size_t k = 0; k < json_array_size(v->rows[i]->was); k++) {
            const json_t *x = json_array_get(v->rows[i]->was, k);
            const char *why = json_string_value(json_object_get(x, "why"));
            if (json_object_get(x, "label"))
                lines_put(o, json_pack("{s:s s:o s:o s:s}", "id", v->rows[i]->id, "was",
                                       json_deep_copy(json_object_get(x, "label")), "label",
                                       json_deep_copy(next_label(v->rows[i], k)), "reason", why ? why : ""));
        }
    eval_view_unref(v);
    return 0;
}

const struct report report_eval_relabel = {
    .name = "relabel",
    .version = 1,
    .inputs = INPUT_SET,
    .doc = "labels that were changed; append {\"id\":…,\"label\":…,\"reason\":…} to change one",
    .render = render,
};
