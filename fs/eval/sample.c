/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/sample.h"
#include "fs/eval/price.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define COST "cost_per_k"

static int no_memory(void)
{
    return fail(-ENOMEM, "out of memory");
}

int sample_cohort(const struct eval_set *set, enum row_cohort c, struct arena *a, struct sample *ret)
{
    uint32_t *at = arena_array(a, set->nrows + 1, sizeof *at);
    size_t n = 0;
    if (!at)
        return no_memory();
    for (size_t i = 0; i < set->nrows; i++)
        if (set->rows[i]->cohort == c)
            at[n++] = (uint32_t)i;
    *ret = (struct sample){"", at, n};
    return 0;
}

struct member {
    const char *slice;
    uint32_t row;
};

static int cmp_members(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int d = strcmp(x->slice, y->slice);
    return d ? d : (x->row > y->row) - (x->row < y->row);
}

static size_t members_of(const struct eval_set *set, uint32_t at, struct member *m)
{
    const struct row *row = set->rows[at];
    size_t n = 0, i;
    json_t *v;
    json_array_foreach(row->slices, i, v) m[n++] = (struct member){json_string_value(v), at};
    for (i = 0; i < set->spec->nslices; i++)
        if (where_holds(&set->spec->slices[i], row->input))
            m[n++] = (struct member){set->spec->slices[i].name, at};
    return n;
}

int sample_slices(const struct eval_set *set, const struct sample *of, struct arena *a, struct sample **ret,
                  size_t *ret_n)
{
    size_t total = 0, n = 0, k = 0, rows = 0;
    for (size_t i = 0; i < of->n; i++)
        total += json_array_size(set->rows[of->at[i]]->slices) + set->spec->nslices;
    struct member *m = arena_array(a, total + 1, sizeof *m);
    uint32_t *at = arena_array(a, total + 1, sizeof *at);
    struct sample *slices = arena_array(a, total + 1, sizeof *slices);
    if (!m || !at || !slices)
        return no_memory();
    for (size_t i = 0; i < of->n; i++)
        n += members_of(set, of->at[i], m + n);
    qsort(m, n, sizeof *m, cmp_members);
    for (size_t i = 0; i < n; i++) {
        int same = i && strcmp(m[i].slice, m[i - 1].slice) == 0;
        if (same && m[i].row == m[i - 1].row) /* named twice in one row */
            continue;
        if (!same)
            slices[k++] = (struct sample){.name = m[i].slice, .at = at + rows};
        at[rows++] = m[i].row;
        slices[k - 1].n++;
    }
    *ret = slices;
    *ret_n = k;
    return 0;
}

static int add_probabilities(const struct eval_result *r, const struct sample *s, struct arena *a,
                             struct metric_rows *ret)
{
    size_t cells, any = 0;
    for (size_t i = 0; i < s->n; i++)
        any += r->cells[s->at[i]].p != NULL;
    if (!any)
        return 0;
    if (__builtin_mul_overflow(s->n, r->nlabels, &cells))
        return no_memory();
    double *prob = arena_array(a, cells, sizeof *prob);
    if (!prob)
        return no_memory();
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < r->nlabels; k++)
            prob[i * r->nlabels + k] = r->cells[s->at[i]].p ? r->cells[s->at[i]].p[k] : NAN;
    ret->prob = prob;
    return 0;
}

static int add_strata(const struct eval_set *set, const struct sample *s, struct arena *a,
                      struct metric_rows *ret)
{
    int32_t *stratum = arena_array(a, s->n + 1, sizeof *stratum);
    double *share = arena_array(a, set->traffic->n, sizeof *share);
    if (!stratum || !share)
        return no_memory();
    for (size_t i = 0; i < s->n; i++)
        stratum[i] = price_stratum(set, s->at[i]);
    for (size_t k = 0; k < set->traffic->n; k++)
        share[k] = set->traffic->shares[k].share;
    ret->stratum = stratum;
    ret->share = share;
    ret->nshares = set->traffic->n;
    return 0;
}

static int add_cost(const struct eval_result *r, const struct sample *s, struct arena *a,
                    struct metric_rows *ret)
{
    double *cost = arena_array(a, s->n + 1, sizeof *cost);
    if (!cost)
        return no_memory();
    for (size_t i = 0; i < s->n; i++)
        cost[i] = r->cells[s->at[i]].cost;
    ret->cost = cost;
    return r->set->traffic && !s->name[0] ? add_strata(r->set, s, a, ret) : 0;
}

int sample_rows(const struct eval_result *r, const struct sample *s, struct arena *a, struct metric_rows *ret)
{
    int32_t *truth = arena_array(a, s->n + 1, sizeof *truth), *pred = arena_array(a, s->n + 1, sizeof *pred);
    double *y = arena_array(a, s->n + 1, sizeof *y), *yhat = arena_array(a, s->n + 1, sizeof *yhat);
    double *weight = arena_array(a, s->n + 1, sizeof *weight);
    int weighted = 0;
    if (!truth || !pred || !y || !yhat || !weight)
        return no_memory();
    for (size_t i = 0; i < s->n; i++) {
        const struct eval_cell *c = &r->cells[s->at[i]];
        truth[i] = c->label;
        pred[i] = c->state == 1 ? c->pred : -1;
        y[i] = c->truth;
        yhat[i] = c->state == 1 ? c->value : NAN;
        weight[i] = r->set->rows[s->at[i]]->weight;
        weighted |= weight[i] != 1;
    }
    *ret = (struct metric_rows){.task = r->task,
                                .n = s->n,
                                .nlabels = r->nlabels,
                                .truth = truth,
                                .pred = pred,
                                .y = y,
                                .yhat = yhat,
                                .weight = weighted ? weight : NULL};
    int err = r->set->cost ? add_cost(r, s, a, ret) : 0;
    return err || r->task == SPEC_REGRESSION ? err : add_probabilities(r, s, a, ret);
}

struct grouped {
    const char *name;
    size_t i;
};

static int cmp_groups(const void *a, const void *b)
{
    const struct grouped *x = a, *y = b;
    int d = x->name && y->name ? strcmp(x->name, y->name) : !x->name - !y->name;
    return d ? d : (x->i > y->i) - (x->i < y->i);
}

int sample_groups(const struct eval_set *set, const struct sample *s, struct arena *a, uint32_t **ret,
                  size_t *ret_n)
{
    size_t any = 0, n = 0;
    *ret = NULL;
    *ret_n = 0;
    for (size_t i = 0; i < s->n; i++)
        any += set->rows[s->at[i]]->group != NULL;
    if (!any)
        return 0;
    struct grouped *g = arena_array(a, s->n + 1, sizeof *g);
    uint32_t *group = arena_array(a, s->n + 1, sizeof *group);
    if (!g || !group)
        return no_memory();
    for (size_t i = 0; i < s->n; i++)
        g[i] = (struct grouped){set->rows[s->at[i]]->group, i};
    qsort(g, s->n, sizeof *g, cmp_groups);
    for (size_t i = 0; i < s->n; i++) {
        int same = i && g[i].name && g[i - 1].name && !strcmp(g[i].name, g[i - 1].name);
        n += !same;
        group[g[i].i] = (uint32_t)(n - 1);
    }
    *ret = group;
    *ret_n = n;
    return 0;
}

static int for_numbers(const char *metric)
{
    static const char *const numbers[] = {"mae", "mse", "rmse", "r2", "mape"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!strcmp(metric, numbers[i]))
            return 1;
    return 0;
}

int sample_metrics(const struct eval_set *set, enum spec_task t, struct arena *a, const char *const **ret)
{
    const struct spec *s = set->spec;
    const char *const *defaults = metric_defaults(t);
    size_t n = 0, cap = s->nmetrics + 9;
    const char **names = arena_array(a, cap, sizeof *names);
    int cost = set->cost && s->headline && !strcmp(s->headline, COST);
    if (!names)
        return no_memory();
    if (s->headline &&
        (cost || (strcmp(s->headline, COST) != 0 && for_numbers(s->headline) == (t == SPEC_REGRESSION))))
        names[n++] = s->headline;
    for (size_t i = 0; s->nmetrics ? i < s->nmetrics : defaults[i] != NULL; i++) {
        const char *name = s->nmetrics ? s->metrics[i] : defaults[i];
        if (for_numbers(name) == (t == SPEC_REGRESSION) && strcmp(name, COST) != 0 &&
            !(n && !strcmp(name, names[0])))
            names[n++] = name;
    }
    for (size_t i = 0; n == 0 && defaults[i]; i++)
        names[n++] = defaults[i];
    if (set->cost && !cost)
        names[n++] = COST;
    *ret = names;
    return 0;
}
