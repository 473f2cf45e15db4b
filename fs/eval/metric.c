/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/metric.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum {
    ACCURACY,
    RECALL,
    PRECISION,
    F1,
    MACRO_RECALL,
    MACRO_PRECISION,
    MACRO_F1,
    MICRO_RECALL,
    MICRO_PRECISION,
    MICRO_F1,
    AUROC,
    AVERAGE_PRECISION,
    LOG_LOSS,
    BRIER,
    ECE,
    COST_PER_K,
    MAE,
    MSE,
    RMSE,
    R2,
    MAPE
};

static const struct {
    const char *name, *unit;
    int direction;
    enum metric_kind kind;
    int needs_prob;
} all[] = {
    [ACCURACY] = {"accuracy", "share", 1, METRIC_RIGHT, 0},
    [RECALL] = {"recall", "share", 1, METRIC_RIGHT, 0},
    [PRECISION] = {"precision", "share", 1, METRIC_SET, 0},
    [F1] = {"f1", "share", 1, METRIC_SET, 0},
    [MACRO_RECALL] = {"macro_recall", "share", 1, METRIC_SET, 0},
    [MACRO_PRECISION] = {"macro_precision", "share", 1, METRIC_SET, 0},
    [MACRO_F1] = {"macro_f1", "share", 1, METRIC_SET, 0},
    [MICRO_RECALL] = {"micro_recall", "share", 1, METRIC_SET, 0},
    [MICRO_PRECISION] = {"micro_precision", "share", 1, METRIC_SET, 0},
    [MICRO_F1] = {"micro_f1", "share", 1, METRIC_SET, 0},
    [AUROC] = {"auroc", "share", 1, METRIC_SET, 1},
    [AVERAGE_PRECISION] = {"average_precision", "share", 1, METRIC_SET, 1},
    [LOG_LOSS] = {"log_loss", "nats", -1, METRIC_MEAN, 1},
    [BRIER] = {"brier", "", -1, METRIC_MEAN, 1},
    [ECE] = {"ece", "share", -1, METRIC_SET, 1},
    [COST_PER_K] = {"cost_per_k", "", -1, METRIC_SET, 0},
    [MAE] = {"mae", "label", -1, METRIC_MEAN, 0},
    [MSE] = {"mse", "label^2", -1, METRIC_MEAN, 0},
    [RMSE] = {"rmse", "label", -1, METRIC_SET, 0},
    [R2] = {"r2", "", 1, METRIC_SET, 0},
    [MAPE] = {"mape", "share", -1, METRIC_MEAN, 0},
};
#define N_METRICS (sizeof all / sizeof *all)

/* The metric of the name's part before ':', or -1; *ret_label the part after it, or NULL. */
static int lookup(const char *name, const char **ret_label)
{
    size_t n = strcspn(name, ":");
    for (size_t i = 0; i < N_METRICS; i++) {
        if (strlen(all[i].name) != n || memcmp(all[i].name, name, n))
            continue;
        *ret_label = name[n] ? name + n + 1 : NULL;
        return name[n] && i != RECALL && i != PRECISION && i != F1 ? -1 : (int)i;
    }
    return -1;
}

int metric_known(const char *name)
{
    const char *label;
    return lookup(name, &label) >= 0;
}

int metric_is_cost(const struct metric *m)
{
    return m->id == COST_PER_K;
}

int metric_find(const char *name, const char *const *labels, size_t nlabels, struct metric *ret)
{
    const char *label = NULL;
    int id = lookup(name, &label);
    if (id < 0)
        return fail(-EINVAL, "no metric \"%.60s\"", name);
    struct metric m = {.base = all[id].name,
                       .unit = all[id].unit,
                       .direction = all[id].direction,
                       .kind = all[id].kind,
                       .needs_prob = all[id].needs_prob,
                       .id = id,
                       .label = -1};
    int of_label = id == RECALL || id == PRECISION || id == F1;
    if (of_label && !label && nlabels == 2)
        m.label = 1;
    for (size_t i = 0; label && i < nlabels; i++)
        if (!strcmp(labels[i], label))
            m.label = (int32_t)i;
    if (of_label && m.label < 0)
        return label ? fail(-EINVAL, "metric \"%.60s\": no label \"%.60s\"", name, label)
                     : fail(-EINVAL, "metric \"%s\": of which label? (%s:LABEL, macro_%s, micro_%s)", name,
                            name, name, name);
    snprintf(m.name, sizeof m.name, "%s", name);
    *ret = m;
    return 0;
}

const char *const *metric_defaults(enum spec_task t)
{
    static const char *const classes[] = {"accuracy", "macro_f1", "log_loss", NULL};
    static const char *const two[] = {"accuracy", "macro_f1", "auroc", "log_loss", NULL};
    static const char *const numbers[] = {"mae", "rmse", "r2", NULL};
    return t == SPEC_REGRESSION ? numbers : t == SPEC_BINARY ? two : classes;
}

/* scikit-learn's clip, the spacing of doubles at 1 */
static const double tiny = 2.220446049250313e-16;

static double log_loss(const double *p, size_t k, int32_t truth)
{
    double sum = 0, mine = NAN;
    for (size_t j = 0; j < k; j++) {
        double x = fmin(fmax(p[j], tiny), 1 - tiny);
        sum += x;
        if ((int32_t)j == truth)
            mine = x;
    }
    return -log(mine / sum);
}

static double brier(const double *p, size_t k, int32_t truth, int binary)
{
    double sum = 0;
    for (size_t j = binary ? k - 1 : 0; j < k; j++) {
        double d = p[j] - ((int32_t)j == truth);
        sum += d * d;
    }
    return sum;
}

double metric_row(const struct metric *m, const struct metric_rows *r, size_t i)
{
    if (m->id >= MAE) {
        double e = r->yhat[i] - r->y[i];
        return m->id == MAE ? fabs(e) : m->id == MAPE ? fabs(e) / fmax(fabs(r->y[i]), tiny) : e * e;
    }
    int32_t truth = r->truth[i];
    if (m->id == ACCURACY)
        return truth >= 0 && r->pred[i] == truth;
    if (m->id == RECALL)
        return truth == m->label ? r->pred[i] == truth : NAN;
    size_t k = r->nlabels;
    const double *p = r->prob ? r->prob + i * k : NULL;
    if (!p || truth < 0 || isnan(p[0]))
        return NAN;
    return m->id == LOG_LOSS ? log_loss(p, k, truth) : brier(p, k, truth, r->task == SPEC_BINARY);
}

/* ---- over a set ---- */

struct metric_work {
    const struct metric *m;
    const struct metric_rows *r;
    double *row;     /* (n) metric_row's, for kinds other than METRIC_SET */
    uint32_t *order; /* (ncurves, n) rows by falling score, those without one left out */
    size_t *length;  /* (ncurves) rows in each order */
    size_t ncurves;  /* AUROC, average precision: the last label of two, or every label */
};

struct scored {
    double p;
    uint32_t row;
};

static int by_score(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;
    return x->p != y->p ? (x->p < y->p) - (x->p > y->p) : (x->row > y->row) - (x->row < y->row);
}

static int32_t curve_label(const struct metric_work *w, size_t c)
{
    return (int32_t)(w->ncurves == 1 ? w->r->nlabels - 1 : c);
}

static int sort_curves(struct metric_work *w)
{
    const struct metric_rows *r = w->r;
    w->ncurves = r->nlabels == 2 ? 1 : r->nlabels;
    size_t cells;
    if (__builtin_mul_overflow(w->ncurves, r->n, &cells))
        return -ENOMEM;
    w->order = calloc(cells ? cells : 1, sizeof *w->order);
    w->length = calloc(w->ncurves ? w->ncurves : 1, sizeof *w->length);
    struct scored *s = calloc(r->n ? r->n : 1, sizeof *s);
    int err = w->order && w->length && s ? 0 : -ENOMEM;
    for (size_t c = 0; !err && r->prob && c < w->ncurves; c++) {
        size_t n = 0;
        for (size_t i = 0; i < r->n; i++) {
            double p = r->prob[i * r->nlabels + (size_t)curve_label(w, c)];
            if (!isnan(p) && r->truth[i] >= 0)
                s[n++] = (struct scored){p, (uint32_t)i};
        }
        qsort(s, n, sizeof *s, by_score);
        for (size_t i = 0; i < n; i++)
            w->order[c * r->n + i] = s[i].row;
        w->length[c] = n;
    }
    free(s);
    return err;
}

struct metric_work *metric_work_new(const struct metric *m, const struct metric_rows *r)
{
    if (r->n > UINT32_MAX)
        return NULL;
    struct metric_work *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    *w = (struct metric_work){.m = m, .r = r};
    int err = 0;
    if (m->kind != METRIC_SET) {
        if (!(w->row = calloc(r->n ? r->n : 1, sizeof *w->row)))
            err = -ENOMEM;
        for (size_t i = 0; !err && i < r->n; i++)
            w->row[i] = metric_row(m, r, i);
    } else if (m->id == AUROC || m->id == AVERAGE_PRECISION) {
        err = sort_curves(w);
    }
    if (!err)
        return w;
    metric_work_free(w);
    return NULL;
}

void metric_work_free(struct metric_work *w)
{
    if (!w)
        return;
    free(w->row);
    free(w->order);
    free(w->length);
    free(w);
}

static double weight(const struct metric_rows *r, const double *times, size_t i)
{
    return (times ? times[i] : 1) * (r->weight ? r->weight[i] : 1);
}

/* Counts of one label, or of all together. */
struct counts {
    double hit, truth, pred; /* weights: right, with this label, predicted as this label */
};

static double ratio(double a, double b)
{
    return b > 0 ? a / b : 0;
}

static double from_counts(int what, const struct counts *c)
{
    return what == RECALL      ? ratio(c->hit, c->truth)
           : what == PRECISION ? ratio(c->hit, c->pred)
                               : ratio(2 * c->hit, c->truth + c->pred);
}

/* Per label in c (nlabels), and in the one after them the sum over labels. */
static void count(const struct metric_rows *r, const double *times, struct counts *c)
{
    size_t k = r->nlabels;
    for (size_t i = 0; i < r->n; i++) {
        double w = weight(r, times, i);
        int32_t t = r->truth[i], p = r->pred[i];
        if (t >= 0) {
            c[t].truth += w;
            c[k].truth += w;
        }
        if (p >= 0) {
            c[p].pred += w;
            c[k].pred += w;
        }
        if (t >= 0 && t == p) {
            c[t].hit += w;
            c[k].hit += w;
        }
    }
}

static double counted(const struct metric_work *w, const double *times)
{
    size_t k = w->r->nlabels;
    struct counts few[64] = {{0}}, *c = k < 64 ? few : calloc(k + 1, sizeof *c);
    if (!c)
        return NAN;
    count(w->r, times, c);
    double v = NAN;
    int id = w->m->id;
    if (w->m->label >= 0) {
        const struct counts *mine = &c[w->m->label];
        v = mine->truth + mine->pred > 0 ? from_counts(id, mine) : NAN;
    } else if (id >= MICRO_RECALL) {
        v = c[k].truth > 0 ? from_counts(id - MICRO_RECALL + RECALL, &c[k]) : NAN;
    } else {
        double sum = 0, n = 0;
        for (size_t j = 0; j < k; j++)
            if (c[j].truth + c[j].pred > 0) {
                sum += from_counts(id - MACRO_RECALL + RECALL, &c[j]);
                n++;
            }
        v = n > 0 ? sum / n : NAN;
    }
    if (c != few)
        free(c);
    return v;
}

/* One sweep down the scores, ties together. AUROC: trapezoids; average precision: sum of precision times the
 * rise of recall. NaN without a positive (or, for AUROC, a negative). */
static double curve(const struct metric_work *w, size_t at, const double *times)
{
    const struct metric_rows *r = w->r;
    const uint32_t *order = w->order + at * r->n;
    double tp = 0, fp = 0, area = 0, ap = 0;
    for (size_t i = 0; i < w->length[at];) {
        double pos = 0, neg = 0, p = r->prob[order[i] * r->nlabels + (size_t)curve_label(w, at)];
        for (; i < w->length[at] && r->prob[order[i] * r->nlabels + (size_t)curve_label(w, at)] == p; i++) {
            double x = weight(r, times, order[i]);
            if (r->truth[order[i]] == curve_label(w, at))
                pos += x;
            else
                neg += x;
        }
        area += neg * (tp + pos / 2);
        tp += pos;
        fp += neg;
        ap += pos * ratio(tp, tp + fp);
    }
    if (w->m->id == AVERAGE_PRECISION)
        return tp > 0 ? ap / tp : NAN;
    return tp > 0 && fp > 0 ? area / (tp * fp) : NAN;
}

#define ECE_BINS 15

/* Guo et al. 2017: bins (0, 1/15], (1/15, 2/15] … of the top label's probability. */
static double calibration(const struct metric_rows *r, const double *times)
{
    double conf[ECE_BINS] = {0}, hit[ECE_BINS] = {0}, total = 0, gap = 0;
    for (size_t i = 0; r->prob && i < r->n; i++) {
        const double *p = r->prob + i * r->nlabels;
        if (r->truth[i] < 0 || isnan(p[0]))
            continue;
        size_t top = 0;
        for (size_t j = 1; j < r->nlabels; j++)
            if (p[j] > p[top])
                top = j;
        int bin = (int)ceil(p[top] * ECE_BINS) - 1;
        bin = bin < 0 ? 0 : bin < ECE_BINS ? bin : ECE_BINS - 1;
        double w = weight(r, times, i);
        conf[bin] += w * p[top];
        hit[bin] += (int32_t)top == r->truth[i] ? w : 0;
        total += w;
    }
    for (int b = 0; b < ECE_BINS; b++)
        gap += fabs(conf[b] - hit[b]);
    return total > 0 ? gap / total : NAN;
}

static double regression(int id, const struct metric_rows *r, const double *times)
{
    double total = 0, mean = 0, left = 0, spread = 0;
    for (size_t i = 0; i < r->n; i++)
        if (!isnan(r->yhat[i])) {
            double w = weight(r, times, i), e = r->yhat[i] - r->y[i];
            total += w;
            mean += w * r->y[i];
            left += w * e * e;
        }
    if (!(total > 0))
        return NAN;
    mean /= total;
    if (id == RMSE)
        return sqrt(left / total);
    for (size_t i = 0; i < r->n; i++)
        if (!isnan(r->yhat[i]))
            spread += weight(r, times, i) * (r->y[i] - mean) * (r->y[i] - mean);
    return spread > 0 ? 1 - left / spread : NAN;
}

/* A stratum that no row (of this replicate) is in leaves the whole unknown. */
static double cost_per_k(const struct metric_rows *r, const double *times)
{
    static const double whole[] = {1};
    double sum[COST_SHARES] = {0}, total[COST_SHARES] = {0}, mean = 0;
    const double *share = r->stratum ? r->share : whole;
    size_t n = r->stratum ? r->nshares : 1;
    for (size_t i = 0; r->cost && i < r->n; i++) {
        int32_t k = r->stratum ? r->stratum[i] : 0;
        if (k < 0 || isnan(r->cost[i]))
            continue;
        double w = weight(r, times, i);
        sum[k] += w * r->cost[i];
        total[k] += w;
    }
    for (size_t k = 0; k < n; k++)
        mean += total[k] > 0 ? share[k] * sum[k] / total[k] : NAN;
    return 1000 * mean;
}

double metric_value(const struct metric_work *w, const double *times)
{
    int id = w->m->id;
    if (w->row) {
        double sum = 0, total = 0;
        for (size_t i = 0; i < w->r->n; i++)
            if (!isnan(w->row[i])) {
                double x = weight(w->r, times, i);
                sum += x * w->row[i];
                total += x;
            }
        return total > 0 ? sum / total : NAN;
    }
    if (id == RMSE || id == R2)
        return regression(id, w->r, times);
    if (id == COST_PER_K)
        return cost_per_k(w->r, times);
    if (id == ECE)
        return calibration(w->r, times);
    if (id != AUROC && id != AVERAGE_PRECISION)
        return counted(w, times);
    double sum = 0;
    for (size_t c = 0; c < w->ncurves; c++)
        sum += curve(w, c, times); /* one undefined makes all so */
    return w->ncurves ? sum / (double)w->ncurves : NAN;
}
