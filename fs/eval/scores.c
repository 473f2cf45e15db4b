/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/scores.h"
#include "fs/eval/intervals.h"
#include "fs/eval/price.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>

static int no_memory(void)
{
    return fail(-ENOMEM, "out of memory");
}

struct work {
    const struct eval_result *r;
    struct arena *a;
    struct eval_score *list;
    size_t n;
    const struct sample *of; /* the sample that these four are of; its metrics come one after the other */
    struct sample rows;
    struct metric_rows data;
    uint64_t errors;
    int partial;
};

/* How many rows the score is of, and how many of them are right. */
static void count(const struct metric *m, const struct metric_rows *rows, struct eval_score *s)
{
    uint64_t n = 0, hits = 0;
    if (m->kind == METRIC_SET && !metric_is_cost(m))
        return;
    for (size_t i = 0; i < rows->n; i++) {
        double x = metric_is_cost(m) ? rows->cost[i] : metric_row(m, rows, i);
        n += !isnan(x) && !(metric_is_cost(m) && rows->stratum && rows->stratum[i] < 0);
        hits += x > 0;
    }
    if (m->kind == METRIC_RIGHT)
        s->hits = hits;
    if (m->kind == METRIC_RIGHT || metric_is_cost(m))
        s->scored = n;
}

static const char *cost_note(const struct eval_set *set, const struct eval_score *s, struct arena *a)
{
    if (s->slice[0] || !set->traffic)
        return s->slice[0] ? "" : "on this eval set, not on traffic";
    if (!isnan(s->value))
        return "weighed by eval/traffic.csv";
    for (size_t k = 0; k < set->traffic->n; k++) {
        size_t n = 0;
        for (size_t i = 0; i < set->nrows; i++)
            n += set->rows[i]->cohort == ROW_CORE && price_stratum(set, i) == (int)k;
        if (!n)
            return arena_printf(a, "no core row is in traffic slice %s", set->traffic->shares[k].slice);
    }
    return "";
}

/* Rows that count: known, and not failed where the spec leaves failed ones out. */
static int counted(struct work *w, const struct sample *all)
{
    uint32_t *at = arena_array(w->a, all->n + 1, sizeof *at);
    if (!at)
        return no_memory();
    w->of = NULL;
    w->errors = 0;
    w->partial = 0;
    w->rows = (struct sample){all->name, at, 0};
    for (size_t i = 0; i < all->n; i++) {
        const struct eval_cell *c = &w->r->cells[all->at[i]];
        w->errors += c->state == 2;
        w->partial |= c->state == 0;
        if (c->state == 1 || (c->state == 2 && !w->r->set->spec->errors_excluded))
            at[w->rows.n++] = all->at[i];
    }
    int err = sample_rows(w->r, &w->rows, w->a, &w->data);
    if (!err)
        w->of = all;
    return err;
}

static int one(struct work *w, const char *name, const char *cohort, const struct sample *all)
{
    struct eval_score *s = &w->list[w->n];
    struct metric m;
    *s = (struct eval_score){.slice = all->name,
                             .cohort = cohort,
                             .value = NAN,
                             .lo = NAN,
                             .hi = NAN,
                             .ci_method = "",
                             .note = "",
                             .n = all->n};
    int err = w->of == all ? 0 : counted(w, all);
    if (err)
        return err;
    s->errors = w->errors;
    s->partial = w->partial;
    if (metric_find(name, w->r->labels, w->r->nlabels, &m)) { /* of a label this version does not have */
        s->metric = name;
        s->unit = "";
        w->n++;
        return 0;
    }
    s->metric = arena_strdup(w->a, m.name);
    s->unit = metric_is_cost(&m) && w->r->set->cost ? w->r->set->cost->unit : m.unit;
    s->direction = m.direction;
    s->scored = w->rows.n;
    if (w->r->task == SPEC_REGRESSION)
        s->scored -= w->r->set->spec->errors_excluded ? 0 : s->errors;
    if (s->partial) /* a score of some rows would be taken for that of all */
        return w->n++, s->metric ? 0 : no_memory();
    struct metric_work *mw = metric_work_new(&m, &w->data);
    if (!mw || !s->metric) {
        metric_work_free(mw);
        return no_memory();
    }
    s->value = metric_value(mw, NULL);
    metric_work_free(mw);
    count(&m, &w->data, s);
    if (metric_is_cost(&m)) {
        s->errors = s->n - s->scored;
        s->note = cost_note(w->r->set, s, w->a);
    }
    uint32_t *group;
    size_t ngroups;
    struct stats_interval ci = {NAN, NAN};
    err = isnan(s->value) ? 0 : sample_groups(w->r->set, &w->rows, w->a, &group, &ngroups);
    if (!err && !isnan(s->value))
        err = intervals_of(w->r->intervals, &m, &w->data, group, ngroups, &ci, &s->ci_method);
    s->lo = ci.lo;
    s->hi = ci.hi;
    w->n++;
    return err;
}

/* Money a month, from the declared number of decisions: the cost of all of core, scaled. */
static void by_month(struct work *w)
{
    const struct eval_score *cost = &w->list[w->n - 1];
    double scale = w->r->set->spec->volume_per_month / 1000;
    if (isnan(scale) || !cost->metric || strcmp(cost->metric, "cost_per_k") != 0)
        return;
    struct eval_score *s = &w->list[w->n++];
    *s = *cost;
    s->metric = "cost_per_month";
    s->value *= scale;
    s->lo *= scale;
    s->hi *= scale;
}

int scores_of(const struct eval_result *r, struct arena *a, struct eval_score **ret, size_t *ret_n)
{
    static const enum row_cohort cohorts[] = {ROW_CORE, ROW_FAILURES, ROW_MUST_PASS};
    const char *const *metrics;
    struct sample cohort[3], *slices;
    size_t nslices = 0, nmetrics = 0;
    struct work w = {.r = r, .a = a};
    int err = sample_metrics(r->set, r->task, a, &metrics);
    for (size_t c = 0; !err && c < 3; c++)
        err = sample_cohort(r->set, cohorts[c], a, &cohort[c]);
    if (!err)
        err = sample_slices(r->set, &cohort[0], a, &slices, &nslices);
    if (err)
        return err;
    while (metrics[nmetrics])
        nmetrics++;
    w.list = arena_array(a, nmetrics * (nslices + 3) + 2, sizeof *w.list);
    if (!w.list)
        return no_memory();
    for (size_t c = 0; !err && c < 3 && r->task != SPEC_TASK_INFER; c++)
        for (size_t k = 0; !err && cohort[c].n && k < nmetrics; k++) {
            int money = strcmp(metrics[k], "cost_per_k") == 0;
            if (cohorts[c] == ROW_CORE || !money) /* the others are no sample of anything */
                err = one(&w, metrics[k], row_cohort_name(cohorts[c]), &cohort[c]);
            if (!err && cohorts[c] == ROW_CORE && money)
                by_month(&w);
        }
    for (size_t i = 0; !err && i < nslices && r->task != SPEC_TASK_INFER; i++)
        for (size_t k = 0; !err && k < nmetrics; k++)
            err = one(&w, metrics[k], row_cohort_name(ROW_CORE), &slices[i]);
    *ret = w.list;
    *ret_n = w.n;
    return err;
}
