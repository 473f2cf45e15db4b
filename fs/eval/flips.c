/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/flips.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

int32_t flips_label(const struct eval_result *from, int32_t i, const struct eval_result *to)
{
    if (i < 0)
        return -1;
    const char *text = from->labels[i];
    if ((size_t)i < to->nlabels && !strcmp(to->labels[i], text))
        return i;
    for (size_t k = 0; k < to->nlabels; k++)
        if (!strcmp(to->labels[k], text))
            return (int32_t)k;
    return -1;
}

/* How much worse B is on the row: cost first, then fall of the true label's probability, or rise of the loss.
 */
struct flip {
    uint32_t row;
    int kind;      /* 0 broken, 1 fixed, 2 other */
    double dearer; /* by how much B's answer costs more; 0 where that is not known */
    double worse;
    const char *id;
};

static int cmp(const void *a, const void *b)
{
    const struct flip *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind - y->kind;
    if (x->dearer != y->dearer)
        return (x->dearer > y->dearer) == (x->kind != 1) ? -1 : 1;
    double u = x->kind == 1 ? -x->worse : x->worse, v = y->kind == 1 ? -y->worse : y->worse;
    if (isnan(u) != isnan(v))
        return isnan(u) - isnan(v);
    if (u != v && !isnan(u))
        return u > v ? -1 : 1;
    return strcmp(x->id, y->id);
}

static int same_answer(const struct eval_result *ra, const struct eval_result *rb, const struct eval_cell *a,
                       const struct eval_cell *b)
{
    if (a->state != b->state)
        return 0;
    if (a->state == 2)
        return 1;
    if (ra->task == SPEC_REGRESSION)
        return a->value == b->value;
    return a->pred < 0 ? b->pred < 0 : flips_label(ra, a->pred, rb) == b->pred;
}

int flips_find(const struct eval_result *ra, const struct eval_result *rb, struct arena *a,
               struct eval_compare *ret)
{
    const struct eval_set *set = ra->set;
    struct flip *list = arena_array(a, set->nrows + 1, sizeof *list);
    uint32_t *rows = arena_array(a, set->nrows + 1, sizeof *rows);
    size_t n = 0;
    if (!list || !rows)
        return fail(-ENOMEM, "out of memory");
    for (size_t i = 0; i < set->nrows; i++) {
        const struct eval_cell *x = &ra->cells[i], *y = &rb->cells[i];
        if (!x->state || !y->state)
            continue;
        int core = set->rows[i]->cohort == ROW_CORE, numbers = ra->task == SPEC_REGRESSION;
        int differs = !same_answer(ra, rb, x, y);
        int kind = numbers || x->right == y->right ? 2 : x->right ? 0 : 1;
        ret->churn += (uint64_t)differs;
        ret->core_pairs += (uint64_t)core;
        ret->core_right_a += (uint64_t)(core && x->right == 1);
        ret->core_right_b += (uint64_t)(core && y->right == 1);
        ret->core_broken += (uint64_t)(core && kind == 0);
        ret->core_fixed += (uint64_t)(core && kind == 1);
        if (kind == 2 && !differs)
            continue;
        ret->nbroken += kind == 0;
        ret->nfixed += kind == 1;
        ret->nother += kind == 2;
        double dearer = y->cost - x->cost;
        list[n++] = (struct flip){(uint32_t)i, kind, isnan(dearer) ? 0 : dearer,
                                  numbers ? y->loss - x->loss : x->p_label - y->p_label, set->rows[i]->id};
    }
    qsort(list, n, sizeof *list, cmp);
    for (size_t i = 0; i < n; i++)
        rows[i] = list[i].row;
    ret->flips = rows;
    return 0;
}
