/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/compare.h"
#include "fs/eval/even.h"
#include "fs/eval/flips.h"
#include "fs/eval/price.h"
#include "fs/eval/sample.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define ALPHA           0.05
#define HEADLINE_MARGIN 0.005 /* of shares as it is, of other units relative to A's score */
#define SLICE_MARGIN    0.05

static int no_memory(void)
{
    return fail(-ENOMEM, "out of memory");
}

struct work {
    const struct eval_result *a, *b;
    struct arena *arena;
    struct eval_change *list;
    size_t n;
};

/* One test: the rows of a sample that both versions answered in the way the metric needs. */
struct pair {
    struct metric_rows a, b;
    uint32_t *group; /* (a.n) or NULL: every row by itself */
    size_t ngroups;
};

static int usable(const struct work *w, const struct metric *m, const struct sample *s, uint32_t row)
{
    const struct eval_cell *a = &w->a->cells[row], *b = &w->b->cells[row];
    const struct eval_set *set = w->a->set;
    if (metric_is_cost(m))
        return !isnan(a->cost) && !isnan(b->cost) &&
               (s->name[0] || !set->traffic || price_stratum(set, row) >= 0);
    if (m->needs_prob)
        return a->p && b->p;
    if (w->a->task == SPEC_REGRESSION || set->spec->errors_excluded)
        return a->state == 1 && b->state == 1;
    return a->state && b->state;
}

static int pair_make(const struct work *w, const struct metric *m, const struct sample *all, struct pair *ret)
{
    uint32_t *at = arena_array(w->arena, all->n + 1, sizeof *at);
    struct sample s = {.name = all->name, .at = at};
    if (!at)
        return no_memory();
    for (size_t i = 0; i < all->n; i++)
        if (usable(w, m, all, all->at[i]))
            at[s.n++] = all->at[i];
    *ret = (struct pair){.group = NULL};
    int err = sample_rows(w->a, &s, w->arena, &ret->a);
    if (!err)
        err = sample_rows(w->b, &s, w->arena, &ret->b);
    return err ? err : sample_groups(w->a->set, &s, w->arena, &ret->group, &ret->ngroups);
}

/* The same pair of models, set, metric and slice give the same numbers, anywhere. */
static uint64_t seed(const struct work *w, const struct eval_change *c)
{
    struct digest d;
    uint64_t ret = 0;
    struct hash *h = hash_new();
    if (!h)
        return 1;
    const char *const parts[] = {w->a->set->revision, c->metric, c->slice, c->cohort};
    hash_update(h, w->a->model.b, sizeof(struct digest));
    hash_update(h, w->b->model.b, sizeof(struct digest));
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        hash_update(h, parts[i], strlen(parts[i]) + 1);
    hash_final(h, &d);
    hash_free(h);
    for (int i = 0; i < 8; i++)
        ret = ret << 8 | d.b[i];
    return ret;
}

static void take(struct eval_change *c, int got, const struct stats_boot_result *r)
{
    c->test = c->ci_method = "bootstrap";
    if (!got) {
        c->note = "too few rows for an interval";
        return;
    }
    c->lo = r->ci.lo;
    c->hi = r->ci.hi;
    c->p = r->p;
}

/* Per-row numbers of both versions; a row where either has none is no pair. Right or wrong without weights
 * and groups goes to McNemar, all else to the bootstrap. mb: the metric as B numbers its labels. */
static int test_rows(const struct work *w, const struct metric *m, const struct metric *mb,
                     const struct pair *p, struct eval_change *c)
{
    size_t n = 0;
    double *d = arena_array(w->arena, p->a.n + 1, sizeof *d),
           *weight = arena_array(w->arena, p->a.n + 1, sizeof *d);
    uint32_t *group = arena_array(w->arena, p->a.n + 1, sizeof *group);
    if (!d || !weight || !group)
        return no_memory();
    double sa = 0, sb = 0, total = 0;
    for (size_t i = 0; i < p->a.n; i++) {
        double x = metric_row(m, &p->a, i), y = metric_row(mb, &p->b, i);
        if (isnan(x) || isnan(y))
            continue;
        weight[n] = p->a.weight ? p->a.weight[i] : 1;
        group[n] = p->group ? p->group[i] : 0;
        sa += weight[n] * x;
        sb += weight[n] * y;
        total += weight[n];
        c->broken += m->kind == METRIC_RIGHT && x > y;
        c->fixed += m->kind == METRIC_RIGHT && x < y;
        d[n++] = y - x;
    }
    c->pairs = n;
    if (!(total > 0))
        return 0;
    c->a = sa / total;
    c->b = sb / total;
    c->delta = (sb - sa) / total;
    if (m->kind == METRIC_RIGHT)
        c->smallest_detectable = stats_smallest_detectable((double)n, (double)(c->broken + c->fixed));
    if (m->kind == METRIC_RIGHT && !p->group && !p->a.weight) {
        struct stats_interval ci = stats_flips((double)n, (double)c->broken, (double)c->fixed, 0.95);
        c->lo = ci.lo;
        c->hi = ci.hi;
        c->p = stats_mcnemar(c->broken, c->fixed);
        c->test = "mcnemar";
        c->ci_method = "exact";
        return 0;
    }
    struct stats_boot boot = {
        .n = n, .group = p->group ? group : NULL, .n_groups = p->ngroups, .seed = seed(w, c), .level = 0.95};
    struct stats_boot_result r;
    int got = stats_bootstrap_mean(&boot, d, p->a.weight ? weight : NULL, &r);
    if (got >= 0)
        take(c, got, &r);
    return got < 0 ? got : 0;
}

struct both {
    struct metric_work *a, *b;
};
static double difference(void *ctx, const double *times)
{
    const struct both *x = ctx;
    return metric_value(x->b, times) - metric_value(x->a, times);
}

static int test_set(const struct work *w, const struct metric *m, const struct metric *mb,
                    const struct pair *p, struct eval_change *c)
{
    struct both x = {metric_work_new(m, &p->a), metric_work_new(mb, &p->b)};
    int got = x.a && x.b ? 0 : no_memory();
    if (!got) {
        c->pairs = p->a.n;
        c->a = metric_value(x.a, NULL);
        c->b = metric_value(x.b, NULL);
        c->delta = c->b - c->a;
    }
    struct stats_boot boot = {
        .n = p->a.n, .group = p->group, .n_groups = p->ngroups, .seed = seed(w, c), .level = 0.95};
    struct stats_boot_result r;
    if (!got && (got = stats_bootstrap(&boot, difference, &x, &r)) >= 0)
        take(c, got, &r);
    metric_work_free(x.a);
    metric_work_free(x.b);
    return got < 0 ? got : 0;
}

/* The word, once p_adj is known. */
static void decide(struct eval_change *c, double alpha)
{
    const char *note;
    struct word_case x = {.point = c->direction * c->delta,
                          .ci = c->direction > 0 ? (struct stats_interval){c->lo, c->hi}
                                                 : (struct stats_interval){-c->hi, -c->lo},
                          .has_ci = !isnan(c->lo),
                          .margin = c->margin,
                          .p_adj = c->family ? c->p_adj : -1,
                          .alpha = alpha};
    c->word = word_decide(&x, &note);
    if (x.has_ci)
        c->note = note ? note : "";
}

static int one(struct work *w, const char *name, enum row_cohort cohort, const struct sample *s,
               double margin)
{
    struct eval_change *c = &w->list[w->n];
    struct metric m, other;
    struct pair p;
    *c = (struct eval_change){.slice = s->name,
                              .cohort = row_cohort_name(cohort),
                              .a = NAN,
                              .b = NAN,
                              .delta = NAN,
                              .lo = NAN,
                              .hi = NAN,
                              .p = NAN,
                              .p_adj = NAN,
                              .smallest_detectable = NAN,
                              .test = "",
                              .ci_method = "",
                              .note = "",
                              .gate = "",
                              .rows = s->n};
    if (metric_find(name, w->a->labels, w->a->nlabels, &m) ||
        metric_find(name, w->b->labels, w->b->nlabels, &other))
        return 0; /* of a label that one of them does not have */
    if (!(c->metric = arena_strdup(w->arena, m.name)))
        return no_memory();
    c->unit = metric_is_cost(&m) && w->a->set->cost ? w->a->set->cost->unit : m.unit;
    c->direction = m.direction;
    for (size_t i = 0; i < s->n; i++) {
        c->errors_a += w->a->cells[s->at[i]].state == 2;
        c->errors_b += w->b->cells[s->at[i]].state == 2;
    }
    int err = pair_make(w, &m, s, &p);
    if (err)
        return err;
    err = m.kind == METRIC_SET ? test_set(w, &m, &other, &p, c) : test_rows(w, &m, &other, &p, c);
    if (err)
        return err;
    c->margin = metric_is_cost(&m) ? 0 : !strcmp(m.unit, "share") ? margin : margin * fabs(c->a);
    decide(c, ALPHA);
    w->n++;
    return 0;
}

/* Money a month at the declared volume: the change of cost_per_k on core, scaled. */
static void by_month(struct work *w)
{
    double scale = w->a->set->spec->volume_per_month / 1000;
    if (!w->n || strcmp(w->list[w->n - 1].metric, "cost_per_k") != 0 || isnan(scale))
        return;
    struct eval_change *c = &w->list[w->n++];
    *c = c[-1];
    c->metric = "cost_per_month";
    c->a *= scale;
    c->b *= scale;
    c->delta *= scale;
    c->lo *= scale;
    c->hi *= scale;
}

static int cmp_slices(const void *a, const void *b)
{
    static const int rank[] = {
        [WORD_REGRESSED] = 0, [WORD_UNDECIDED] = 1, [WORD_OK] = 2, [WORD_IMPROVED] = 3};
    const struct eval_change *x = a, *y = b;
    double u = x->direction * x->delta, v = y->direction * y->delta;
    if (rank[x->word] != rank[y->word])
        return rank[x->word] - rank[y->word];
    if (u != v && !isnan(u) && !isnan(v))
        return u < v ? -1 : 1;
    return strcmp(x->slice, y->slice);
}

/* The headline on every slice: one family under Holm. */
static int slices_of(struct work *w, const char *headline, const struct sample *slices, size_t n)
{
    size_t from = w->n, k = 0;
    int err = 0;
    for (size_t i = 0; !err && i < n; i++)
        err = one(w, headline, ROW_CORE, &slices[i], SLICE_MARGIN);
    double *p = arena_array(w->arena, n + 1, sizeof *p);
    if (!p)
        return no_memory();
    for (size_t i = from; i < w->n; i++)
        if (!isnan(w->list[i].p))
            p[k++] = w->list[i].p;
    if (!err)
        err = stats_holm(p, k, p);
    for (size_t i = from, j = 0; !err && i < w->n; i++)
        if (!isnan(w->list[i].p)) {
            w->list[i].p_adj = p[j++];
            w->list[i].family = k;
            decide(&w->list[i], ALPHA);
        }
    qsort(w->list + from, w->n - from, sizeof *w->list, cmp_slices);
    return err;
}

/* Of regression: the first that is no cost, which only core has. */
static const char *number_metric(const char *const *metrics)
{
    return strcmp(metrics[0], "cost_per_k") || !metrics[1] ? metrics[0] : metrics[1];
}

static int changes(struct work *w, struct eval_compare *ret)
{
    const char *const *metrics;
    struct sample core, failures, must, *slices;
    size_t n = 0, nmetrics = 0;
    int err = sample_metrics(w->a->set, w->a->task, w->arena, &metrics);
    if (err || (err = sample_cohort(w->a->set, ROW_CORE, w->arena, &core)) ||
        (err = sample_cohort(w->a->set, ROW_FAILURES, w->arena, &failures)) ||
        (err = sample_cohort(w->a->set, ROW_MUST_PASS, w->arena, &must)) ||
        (err = sample_slices(w->a->set, &core, w->arena, &slices, &n)))
        return err;
    while (metrics[nmetrics])
        nmetrics++;
    if (!(w->list = arena_array(w->arena, nmetrics * (n + 1) + 4, sizeof *w->list)))
        return no_memory();
    const char *right = w->a->task == SPEC_REGRESSION ? number_metric(metrics) : "accuracy";
    for (size_t k = 0; !err && core.n && k < nmetrics; k++)
        if ((err = one(w, metrics[k], ROW_CORE, &core, HEADLINE_MARGIN)) == 0)
            by_month(w);
    ret->headline = 0;
    if (!err && core.n)
        err = slices_of(w, metrics[0], slices, n);
    for (size_t k = 1; !err && k < nmetrics; k++)
        for (size_t i = 0; !err && i < n; i++)
            err = one(w, metrics[k], ROW_CORE, &slices[i], SLICE_MARGIN);
    if (!err && failures.n)
        err = one(w, right, ROW_FAILURES, &failures, SLICE_MARGIN);
    if (!err && must.n)
        err = one(w, right, ROW_MUST_PASS, &must, 0);
    ret->changes = w->list;
    ret->nchanges = w->n;
    return err;
}

static const char *first_error(const struct eval_result *r)
{
    for (size_t i = 0; i < r->set->nrows; i++)
        if (r->cells[i].state == 2)
            return r->cells[i].error;
    return "";
}

/* NULL, or why the two say nothing about each other. */
static const char *incomparable(const struct eval_result *a, const struct eval_result *b, struct arena *arena)
{
    const struct eval_result *both[] = {a, b};
    for (int i = 0; i < 2; i++) {
        const struct eval_result *r = both[i];
        if (r->problem)
            return arena_printf(arena, "v%u cannot be evaluated: %s", r->version->number, r->problem);
        if (r->set->nrows && r->errors == r->set->nrows)
            return arena_printf(arena, "v%u answers no row: %s", r->version->number, first_error(r));
    }
    int numbers_a = a->task == SPEC_REGRESSION, numbers_b = b->task == SPEC_REGRESSION;
    if (a->task != SPEC_TASK_INFER && b->task != SPEC_TASK_INFER && numbers_a != numbers_b)
        return arena_printf(arena, "v%u is %s, v%u is %s", a->version->number, spec_task_name(a->task),
                            b->version->number, spec_task_name(b->task));
    return NULL;
}

int compare_results(const struct eval_result *ra, const struct eval_result *rb, struct arena *a,
                    struct eval_compare *ret)
{
    struct work w = {.a = ra, .b = rb, .arena = a};
    *ret = (struct eval_compare){.a = ra, .b = rb};
    if ((ret->why = incomparable(ra, rb, a)))
        return 0;
    ret->comparable = 1;
    if (ra->task == SPEC_TASK_INFER || rb->task == SPEC_TASK_INFER)
        return 0;
    int err = changes(&w, ret);
    for (size_t i = 0; !err && i < ret->nchanges && !ret->changes[i].slice[0]; i++)
        if (!strcmp(ret->changes[i].metric, "cost_per_k"))
            err = even_find(ra, rb, &ret->changes[i], a, &ret->even);
    return err ? err : flips_find(ra, rb, a, ret);
}

void compare_settle(struct eval_compare *c, double alpha)
{
    size_t from = 0, n = 0;
    for (size_t i = 0; i < c->nchanges; i++)
        decide(&c->changes[i], alpha);
    while (from < c->nchanges && !c->changes[from].slice[0])
        from++;
    while (from + n < c->nchanges && c->changes[from + n].slice[0] &&
           !strcmp(c->changes[from + n].metric, c->changes[c->headline].metric))
        n++;
    if (n)
        qsort(c->changes + from, n, sizeof *c->changes, cmp_slices);
}

enum word compare_word(const struct eval_change *c, double margin, double alpha)
{
    struct eval_change x = *c;
    x.margin = margin;
    decide(&x, alpha);
    return x.word;
}
