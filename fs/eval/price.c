/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/price.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>

double price_cell(const struct cost *cost, const struct eval_result *r, size_t i, const char *truth)
{
    const struct eval_cell *c = &r->cells[i];
    const json_t *value = r->set->rows[i]->value;
    int numbers = r->task == SPEC_REGRESSION;
    if (!c->state || (c->state == 2 && (numbers || r->set->spec->errors_excluded)))
        return NAN;
    if (c->state == 2)
        return cost_of_failure(cost, truth, value);
    return numbers ? cost_of_number(cost, c->truth, c->value, value)
                   : cost_of_label(cost, truth, c->pred >= 0 ? r->labels[c->pred] : "", value);
}

int price_cells(struct eval_result *r)
{
    struct out truth = {0};
    int err = 0;
    for (size_t i = 0; i < r->set->nrows; i++) {
        r->cells[i].cost = NAN;
        if (!r->set->cost || !r->cells[i].state)
            continue;
        out_reset(&truth);
        row_label_text(r->set->rows[i]->label, &truth);
        r->cells[i].cost = price_cell(r->set->cost, r, i, out_cstr(&truth));
        err = err ? err : out_error(&truth);
    }
    out_fini(&truth);
    return err ? fail(err, "out of memory") : 0;
}

int price_stratum(const struct eval_set *set, size_t i)
{
    const struct row *row = set->rows[i];
    for (size_t k = 0; set->traffic && k < set->traffic->n; k++) {
        const struct cost_share *s = &set->traffic->shares[k];
        if (row_in_slice(row, s->slice) || (s->where.n && where_holds(&s->where, row->input)))
            return (int)k;
    }
    return -1;
}
