/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/intervals.h"
#include "store/base/fail.h"
#include "store/base/hash.h"
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#define Z     1.959963984540054
#define SLOTS (1u << 14) /* a newer interval takes the place of an older one */
#define FEWER 200        /* replicates where only their spread is used */

struct slot {
    uint64_t key; /* 0: free */
    struct stats_interval ci;
    const char *method;
};
struct intervals {
    pthread_mutex_t lock;
    struct slot slots[SLOTS]; /* (m) */
};

struct intervals *intervals_new(void)
{
    struct intervals *v = calloc(1, sizeof *v);
    if (v)
        pthread_mutex_init(&v->lock, NULL);
    return v;
}

void intervals_free(struct intervals *v)
{
    if (!v)
        return;
    pthread_mutex_destroy(&v->lock);
    free(v);
}

/* Of all that decides the interval; the bootstrap's seed too, so that equal data have equal intervals. */
static uint64_t key_of(const struct metric *m, const struct metric_rows *r, const uint32_t *group)
{
    const struct {
        const void *p;
        size_t each;
    } parts[] = {{r->truth, sizeof *r->truth},
                 {r->pred, sizeof *r->pred},
                 {r->y, sizeof *r->y},
                 {r->yhat, sizeof *r->yhat},
                 {r->weight, sizeof *r->weight},
                 {r->cost, sizeof *r->cost},
                 {r->stratum, sizeof *r->stratum},
                 {group, sizeof *group},
                 {m->needs_prob ? r->prob : NULL, r->nlabels * sizeof *r->prob}};
    uint64_t h[16] = {hash_xxh3(m->name, strlen(m->name)), (uint64_t)r->task, r->n, r->nlabels};
    size_t k = 4;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        h[k++] = parts[i].p ? hash_xxh3(parts[i].p, r->n * parts[i].each) : 0;
    if (r->stratum)
        h[k++] = hash_xxh3(r->share, r->nshares * sizeof *r->share);
    uint64_t key = hash_xxh3(h, sizeof h);
    return key ? key : 1;
}

static int known(struct intervals *v, uint64_t key, struct slot *ret)
{
    pthread_mutex_lock(&v->lock);
    *ret = v->slots[key % SLOTS];
    pthread_mutex_unlock(&v->lock);
    return ret->key == key;
}

static double value(void *ctx, const double *times)
{
    return metric_value(ctx, times);
}

/* The mean of per-row numbers of many rows, none weighted. */
static int normal(const struct metric *m, const struct metric_rows *r, struct slot *s)
{
    double n = 0, mean = 0, sq = 0;
    for (size_t i = 0; i < r->n; i++) {
        double x = metric_row(m, r, i);
        if (isnan(x))
            continue;
        n++;
        double d = x - mean;
        mean += d / n;
        sq += d * (x - mean);
    }
    if (n < STATS_MIN_ROWS)
        return 0;
    double half = Z * sqrt(sq / (n - 1) / n);
    s->ci = (struct stats_interval){mean - half, mean + half};
    s->method = "normal";
    return 0;
}

static int bootstrap(const struct metric *m, const struct metric_rows *r, const uint32_t *group,
                     size_t n_groups, struct slot *s)
{
    int many = r->n > INTERVALS_DRAWN;
    struct metric_work *w = metric_work_new(m, r);
    if (!w)
        return fail(-ENOMEM, "out of memory");
    struct stats_boot b = {.n = r->n,
                           .group = group,
                           .n_groups = n_groups,
                           .seed = s->key,
                           .level = 0.95,
                           .replicates = many ? FEWER : 0};
    struct stats_boot_result got;
    int err = stats_bootstrap(&b, value, w, &got);
    double at = metric_value(w, NULL);
    if (err > 0 && many) {
        s->ci = (struct stats_interval){at - Z * got.se, at + Z * got.se};
        s->method = "bootstrap_se";
    } else if (err > 0) {
        s->ci = got.ci;
        s->method = "bootstrap";
    }
    metric_work_free(w);
    return err < 0 ? err : 0;
}

/* What a metric that only counts labels sees of the rows: how many there are of each label and prediction. */
struct counts {
    struct metric_rows rows; /* one a pair of label and prediction that occurs */
    int32_t *truth, *pred;
    double *n, *times;
};

static int counts_make(const struct metric_rows *r, struct counts *c)
{
    size_t k = r->nlabels + 1, cells; /* 0: none of the labels */
    if (__builtin_mul_overflow(k, k, &cells))
        return -ENOMEM;
    c->truth = calloc(cells, sizeof *c->truth);
    c->pred = calloc(cells, sizeof *c->pred);
    c->n = calloc(cells, sizeof *c->n);
    c->times = calloc(cells, sizeof *c->times);
    if (!c->truth || !c->pred || !c->n || !c->times)
        return -ENOMEM;
    for (size_t i = 0; i < r->n; i++)
        c->n[(size_t)(r->truth[i] + 1) * k + (size_t)(r->pred[i] + 1)]++;
    size_t used = 0;
    for (size_t i = 0; i < cells; i++)
        if (c->n[i] > 0) {
            c->truth[used] = (int32_t)(i / k) - 1;
            c->pred[used] = (int32_t)(i % k) - 1;
            c->n[used] = c->n[i];
            c->times[used++] = 1;
        }
    c->rows = (struct metric_rows){.task = r->task,
                                   .n = used,
                                   .nlabels = r->nlabels,
                                   .truth = c->truth,
                                   .pred = c->pred,
                                   .weight = c->n};
    return 0;
}

static int jackknife(const struct metric *m, const struct metric_rows *r, struct slot *s)
{
    struct counts c = {.truth = NULL};
    int err = counts_make(r, &c);
    struct metric_work *w = err ? NULL : metric_work_new(m, &c.rows);
    double at = w ? metric_value(w, NULL) : NAN, sum = 0, sq = 0, n = (double)r->n;
    for (size_t i = 0; w && i < c.rows.n; i++) {
        c.times[i] = (c.n[i] - 1) / c.n[i];
        double d = metric_value(w, c.times) - at;
        sum += c.n[i] * d;
        sq += c.n[i] * d * d;
        c.times[i] = 1;
    }
    double half = Z * sqrt((n - 1) / n * (sq - sum * sum / n));
    if (w && !isnan(half)) {
        s->ci = (struct stats_interval){at - half, at + half};
        s->method = "jackknife";
    }
    err = w ? 0 : fail(-ENOMEM, "out of memory");
    metric_work_free(w);
    free(c.truth);
    free(c.pred);
    free(c.n);
    free(c.times);
    return err;
}

static int only_counts(const struct metric *m, const struct metric_rows *r)
{
    return m->kind == METRIC_SET && !m->needs_prob && !metric_is_cost(m) && r->task != SPEC_REGRESSION &&
           r->nlabels <= 256;
}

static int wilson(const struct metric *m, const struct metric_rows *r, struct slot *s)
{
    double n = 0, hits = 0;
    for (size_t i = 0; i < r->n; i++) {
        double x = metric_row(m, r, i);
        n += !isnan(x);
        hits += !isnan(x) && x > 0;
    }
    if (n > 0) {
        s->ci = stats_wilson(hits, n, 0.95);
        s->method = "wilson";
    }
    return 0;
}

int intervals_of(struct intervals *v, const struct metric *m, const struct metric_rows *r,
                 const uint32_t *group, size_t n_groups, struct stats_interval *ret, const char **ret_method)
{
    struct slot s = {.ci = {NAN, NAN}, .method = ""}, old;
    int err, plain = !group && !r->weight;
    if (plain && m->kind == METRIC_RIGHT) {
        err = wilson(m, r, &s);
    } else if (plain && m->kind == METRIC_MEAN && r->n > INTERVALS_ROWS) {
        err = normal(m, r, &s);
    } else if (plain && r->n > INTERVALS_ROWS && only_counts(m, r)) {
        err = jackknife(m, r, &s);
    } else {
        s.key = key_of(m, r, group);
        if (known(v, s.key, &old)) {
            s = old;
            err = 0;
        } else if (!(err = bootstrap(m, r, group, n_groups, &s))) {
            pthread_mutex_lock(&v->lock);
            v->slots[s.key % SLOTS] = s;
            pthread_mutex_unlock(&v->lock);
        }
    }
    if (!err) {
        *ret = s.ci;
        *ret_method = s.method;
    }
    return err;
}
