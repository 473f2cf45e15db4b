/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/answer.h"

void answer_csv(struct out *o, const struct eval_result *r, const struct eval_cell *c)
{
    if (c->state == 2)
        out_csv(o, "error");
    else if (r->task == SPEC_REGRESSION)
        out_csv_num(o, c->value);
    else
        out_csv(o, c->pred >= 0 && (size_t)c->pred < r->nlabels ? r->labels[c->pred] : "");
}

void answer_right_csv(struct out *o, const struct eval_cell *c)
{
    if (c->right < 0)
        out_csv_empty(o);
    else
        out_csv_u64(o, (uint64_t)c->right);
}

void answer_slices_csv(struct out *o, const struct eval_set *set, const struct row *r)
{
    struct out text = {0};
    size_t i;
    json_t *v;
    json_array_foreach(r->slices, i, v) out_printf(&text, "%s%s", text.n ? ";" : "", json_string_value(v));
    for (i = 0; i < set->spec->nslices; i++) {
        const struct where *w = &set->spec->slices[i];
        if (where_holds(w, r->input) && !row_in_slice(r, w->name))
            out_printf(&text, "%s%s", text.n ? ";" : "", w->name);
    }
    out_csv(o, out_cstr(&text));
    out_fini(&text);
}
