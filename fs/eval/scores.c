/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/scores.h"
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
};

/* Wilson for shares of rows; the mean's standard error for means over 20 rows and more; none for what is only
 * defined of a set, and none with weights. */
static void interval(const struct metric *m, const struct metric_rows *rows, struct eval_score *s)
{
    double sum = 0, sum2 = 0, n = 0;
    for (size_t i = 0; m->kind != METRIC_SET && i < rows->n; i++) {
        double x = metric_row(m, rows, i);
        if (isnan(x))
            continue;
        n++;
        sum += x;
        sum2 += x * x;
    }
    if (m->kind == METRIC_RIGHT) {
        s->scored = (uint64_t)n;
        s->hits = (uint64_t)sum;
    }
    if (rows->weight || m->kind == METRIC_SET || !(n > 0))
        return;
    if (m->kind == METRIC_RIGHT) {
        struct stats_interval ci = stats_wilson(sum, n, 0.95);
        s->lo = ci.lo;
        s->hi = ci.hi;
        s->ci_method = "wilson";
    } else if (n >= STATS_MIN_ROWS) {
        double mean = sum / n, sd = sqrt(fmax(0, (sum2 - n * mean * mean) / (n - 1)));
        s->lo = mean - 1.959963984540054 * sd / sqrt(n);
        s->hi = mean + 1.959963984540054 * sd / sqrt(n);
        s->ci_method = "normal";
    }
}

/* Rows that count: known, and not failed where the spec leaves failed ones out. */
static int counted(struct work *w, const struct sample *all, struct eval_score *s, struct sample *ret)
{
    uint32_t *at = arena_array(w->a, all->n + 1, sizeof *at);
    if (!at)
        return no_memory();
    ret->name = all->name;
    ret->at = at;
    ret->n = 0;
    for (size_t i = 0; i < all->n; i++) {
        const struct eval_cell *c = &w->r->cells[all->at[i]];
        s->errors += c->state == 2;
        s->partial |= c->state == 0;
        if (c->state == 1 || (c->state == 2 && !w->r->set->spec->errors_excluded))
            at[ret->n++] = all->at[i];
    }
    return 0;
}

static int one(struct work *w, const char *name, const char *cohort, const struct sample *all)
{
    struct eval_score *s = &w->list[w->n];
    struct sample rows;
    struct metric_rows data;
    struct metric m;
    *s = (struct eval_score){.slice = all->name,
                             .cohort = cohort,
                             .value = NAN,
                             .lo = NAN,
                             .hi = NAN,
                             .ci_method = "",
                             .n = all->n};
    int err = counted(w, all, s, &rows);
    if (err)
        return err;
    if (metric_find(name, w->r->labels, w->r->nlabels, &m)) { /* of a label this version does not have */
        s->metric = name;
        s->unit = "";
        w->n++;
        return 0;
    }
    if ((err = sample_rows(w->r, &rows, w->a, &data)))
        return err;
    s->metric = arena_strdup(w->a, m.name);
    s->unit = m.unit;
    s->direction = m.direction;
    s->scored = rows.n;
    if (w->r->task == SPEC_REGRESSION)
        s->scored -= w->r->set->spec->errors_excluded ? 0 : s->errors;
    if (s->partial) /* a score of some rows would be taken for that of all */
        return w->n++, s->metric ? 0 : no_memory();
    struct metric_work *mw = metric_work_new(&m, &data);
    if (!mw || !s->metric) {
        metric_work_free(mw);
        return no_memory();
    }
    s->value = metric_value(mw, NULL);
    metric_work_free(mw);
    interval(&m, &data, s);
    w->n++;
    return 0;
}

int scores_of(const struct eval_result *r, struct arena *a, struct eval_score **ret, size_t *ret_n)
{
    static const enum row_cohort cohorts[] = {ROW_CORE, ROW_FAILURES, ROW_MUST_PASS};
    const char *const *metrics;
    struct sample cohort[3], *slices;
    size_t nslices = 0, nmetrics = 0;
    struct work w = {.r = r, .a = a};
    int err = sample_metrics(r->set->spec, r->task, a, &metrics);
    for (size_t c = 0; !err && c < 3; c++)
        err = sample_cohort(r->set, cohorts[c], a, &cohort[c]);
    if (!err)
        err = sample_slices(r->set, &cohort[0], a, &slices, &nslices);
    if (err)
        return err;
    while (metrics[nmetrics])
        nmetrics++;
    w.list = arena_array(a, nmetrics * (nslices + 3) + 1, sizeof *w.list);
    if (!w.list)
        return no_memory();
    for (size_t c = 0; !err && c < 3 && r->task != SPEC_TASK_INFER; c++)
        for (size_t k = 0; !err && cohort[c].n && k < nmetrics; k++)
            err = one(&w, metrics[k], row_cohort_name(cohorts[c]), &cohort[c]);
    for (size_t i = 0; !err && i < nslices && r->task != SPEC_TASK_INFER; i++)
        for (size_t k = 0; !err && k < nmetrics; k++)
            err = one(&w, metrics[k], row_cohort_name(ROW_CORE), &slices[i]);
    *ret = w.list;
    *ret_n = w.n;
    return err;
}
