/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/control.h"
#include "fs/eval/flips.h"
#include <math.h>

size_t control_rows(const struct version *v)
{
    if (v->bytes <= CONTROL_BYTES)
        return CONTROL_ROWS;
    uint64_t n = (uint64_t)CONTROL_ROWS * CONTROL_BYTES / v->bytes;
    return n < 2 ? 2 : (size_t)n;
}

static double moved(const struct eval_result *r, const struct eval_cell *a, const struct eval_cell *b)
{
    double most = 0;
    if (r->task == SPEC_REGRESSION)
        return fabs(a->value - b->value);
    for (size_t k = 0; a->p && b->p && k < r->nlabels; k++)
        most = fmax(most, fabs(a->p[k] - b->p[k]));
    return most;
}

void control_compare(const struct eval_result *once, const struct eval_result *again,
                     struct eval_control *ret)
{
    *ret = (struct eval_control){.rows = 0};
    for (size_t i = 0; i < once->set->nrows; i++) {
        const struct eval_cell *a = &once->cells[i], *b = &again->cells[i];
        if (!a->state || !b->state)
            continue;
        ret->rows++;
        int same = once->task == SPEC_REGRESSION || flips_label(once, a->pred, again) == b->pred;
        ret->flips += a->state != b->state || !same;
        if (a->state == 1 && b->state == 1 && once->nlabels == again->nlabels)
            ret->most = fmax(ret->most, moved(once, a, b));
    }
}
