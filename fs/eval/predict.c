/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/predict.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

void predict_see(struct predict_seen *s, const json_t *label)
{
    if (json_is_string(label) || json_is_boolean(label)) {
        s->strings++;
        return;
    }
    if (!json_is_number(label))
        return;
    double x = json_number_value(label);
    s->min = s->numbers ? fmin(s->min, x) : x;
    s->max = s->numbers ? fmax(s->max, x) : x;
    s->numbers++;
    s->fractions += x != floor(x);
}

static int one_of(const char *s, const char *const *list)
{
    while (*list && strcmp(*list, s))
        list++;
    return *list != NULL;
}

static int starts(const char *s, const char *with)
{
    return !strncmp(s, with, strlen(with));
}

/* One column that is a probability, or the logit of one, by what the model says of itself. */
static int binary_objective(const char *objective)
{
    return starts(objective, "binary:") || !strcmp(objective, "reg:logistic");
}

static int infer_task(const struct spec *s, const struct runner_signature *sig, size_t width, int text,
                      const struct predict_seen *seen, enum spec_task *ret)
{
    int sigmoid = !strcmp(sig->producer, "Sigmoid") || binary_objective(sig->objective);
    int named = s->nlabels || seen->strings;
    if (s->task != SPEC_TASK_INFER)
        *ret = s->task;
    else if (text || width > 1 || starts(sig->objective, "multi:"))
        *ret = SPEC_CLASSIFICATION;
    else if (sigmoid)
        *ret = SPEC_BINARY;
    else if (named)
        *ret = SPEC_BINARY; /* one column, told apart by name: a logit */
    else if (*sig->objective || seen->fractions || !seen->numbers || seen->min < 0 || seen->max > 1)
        *ret = SPEC_REGRESSION;
    else
        return fail(-EINVAL, "one output column and labels 0 and 1: set \"task\" in eval/spec.json "
                             "(\"binary\" or \"regression\")");
    if (!text && s->task == SPEC_TASK_INFER && *ret == SPEC_CLASSIFICATION && seen->fractions)
        return fail(-EINVAL,
                    "%zu output columns, but labels that are no classes (%zu are fractions): set "
                    "\"task\" in eval/spec.json",
                    width, seen->fractions);
    if (*ret == SPEC_CLASSIFICATION && !text && width == 1 && (sigmoid || s->nlabels == 2))
        *ret = SPEC_BINARY; /* two classes in one column */
    return 0;
}

static int columns(const struct runner_signature *sig, enum spec_task task, size_t width, int text,
                   enum predict_columns *ret)
{
    static const char *const linear[] = {"Gemm", "MatMul", "Add", "Conv", "LogSoftmax", NULL};
    static const char *const squashed[] = {"Softmax", "Sigmoid", NULL};
    static const char *const plain[] = {"binary:logistic", "reg:logistic", "multi:softprob", NULL};
    static const char *const hard[] = {"multi:softmax", "binary:hinge", NULL};
    if (text) {
        *ret = PREDICT_TEXT;
        return task == SPEC_REGRESSION ? fail(-EINVAL, "texts come out where \"task\" says regression") : 0;
    }
    if (task == SPEC_REGRESSION) {
        *ret = PREDICT_NUMBER;
        return width == 1 ? 0 : fail(-EINVAL, "regression needs one output column, there are %zu", width);
    }
    if (one_of(sig->objective, hard))
        *ret = PREDICT_INDEX;
    else if (one_of(sig->producer, squashed) || one_of(sig->objective, plain))
        *ret = PREDICT_PROBABILITIES;
    else if (one_of(sig->producer, linear) || *sig->objective)
        *ret = PREDICT_LOGITS;
    else
        *ret = PREDICT_EITHER;
    if (*ret == PREDICT_INDEX || width > 1 || task == SPEC_BINARY)
        return 0;
    return fail(-EINVAL, "one output column is no classification: set \"task\" in eval/spec.json");
}

static int take_labels(struct predict_plan *p, const char *const *from, size_t n)
{
    if (!(p->labels = calloc(n ? n : 1, sizeof *p->labels)))
        return -ENOMEM;
    for (; p->nlabels < n; p->nlabels++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", p->nlabels);
        if (!(p->labels[p->nlabels] = strdup(from ? from[p->nlabels] : number)))
            return -ENOMEM;
    }
    return 0;
}

static int labels(const struct spec *s, const struct runner_signature *sig, const char *const *version_labels,
                  size_t n_version_labels, const struct predict_seen *seen, struct predict_plan *p)
{
    if (p->columns == PREDICT_NUMBER || (p->columns == PREDICT_TEXT && !s->nlabels))
        return 0;
    const char *const *from = s->nlabels ? s->labels : n_version_labels ? version_labels : sig->labels;
    size_t n = s->nlabels ? s->nlabels : n_version_labels ? n_version_labels : sig->nlabels;
    const char *where = s->nlabels         ? "\"labels\" in eval/spec.json"
                        : n_version_labels ? "id2label of the version's config.json"
                                           : "the graph's metadata";
    /* what the columns need; a class number may be any */
    size_t need = p->columns == PREDICT_TEXT    ? n
                  : p->columns == PREDICT_INDEX ? (n                                  ? n
                                                   : seen->max > 0 && seen->max < 1e6 ? (size_t)seen->max + 1
                                                                                      : 2)
                  : p->width == 1               ? 2
                                                : p->width;
    if (n && n != need)
        return fail(-EINVAL, "%s name %zu labels, the output has %zu classes", where, n, need);
    if (!n && seen->strings)
        return fail(-EINVAL,
                    "labels are texts and nothing tells the order of the %zu output columns: set \"labels\" "
                    "in eval/spec.json",
                    need);
    return take_labels(p, n ? from : NULL, need);
}

int predict_plan_make(const struct spec *s, const struct runner_signature *sig, size_t width,
                      const char *const *version_labels, size_t n_version_labels,
                      const struct predict_seen *seen, struct predict_plan *ret)
{
    int text = sig->output.dtype == DTYPE_NONE;
    struct predict_plan p = {.width = width, .threshold = s->threshold};
    if (!text && width == 0)
        return fail(-EINVAL, "the output has no columns");
    int err = infer_task(s, sig, width, text, seen, &p.task);
    if (!err)
        err = columns(sig, p.task, width, text, &p.columns);
    if (!err)
        err = labels(s, sig, version_labels, n_version_labels, seen, &p);
    if (!err && p.nlabels == 2 && p.task == SPEC_CLASSIFICATION)
        p.task = SPEC_BINARY; /* two columns: the last label is the positive one */
    if (!err && p.task == SPEC_BINARY && p.nlabels != 2 && p.columns != PREDICT_TEXT)
        err = fail(-EINVAL, "binary needs two classes, the output has %zu: set \"task\" in eval/spec.json",
                   p.nlabels);
    if (err)
        predict_plan_fini(&p);
    else
        *ret = p;
    return err;
}

void predict_plan_fini(struct predict_plan *p)
{
    if (!p)
        return;
    for (size_t i = 0; p->labels && i < p->nlabels; i++)
        free(p->labels[i]);
    free(p->labels);
    *p = (struct predict_plan){0};
}

int32_t predict_label(const struct predict_plan *p, const char *text)
{
    for (size_t i = 0; i < p->nlabels; i++)
        if (!strcmp(p->labels[i], text))
            return (int32_t)i;
    return -1;
}

static int are_probabilities(const double *v, size_t k)
{
    double sum = 0;
    for (size_t i = 0; i < k; i++) {
        if (v[i] < 0 || v[i] > 1)
            return 0;
        sum += v[i];
    }
    return k == 1 || fabs(sum - 1) <= 1e-4;
}

/* Probabilities of k columns, k > 1. */
static void softmax(const double *v, size_t k, double *ret)
{
    double top = v[0], sum = 0;
    for (size_t i = 1; i < k; i++)
        top = v[i] > top ? v[i] : top;
    for (size_t i = 0; i < k; i++)
        sum += ret[i] = exp(v[i] - top);
    for (size_t i = 0; i < k; i++)
        ret[i] /= sum;
}

static int by_index(const struct predict_plan *p, double x, struct prediction *ret)
{
    if (!(x >= 0 && x < (double)p->nlabels) || x != floor(x))
        return fail(-EINVAL, "class number %.9g of %zu labels", x, p->nlabels);
    ret->label = (int32_t)x;
    return 0;
}

/* Argmax, or the threshold; the first of equals, as NumPy's argmax. */
static void decide(const struct predict_plan *p, const double *q, struct prediction *ret)
{
    size_t top = 0;
    for (size_t i = 1; i < p->nlabels; i++)
        if (q[i] > q[top])
            top = i;
    if (p->nlabels == 2 && !isnan(p->threshold)) {
        ret->label = q[1] >= p->threshold;
        ret->margin = fabs(q[1] - p->threshold);
        return;
    }
    double second = 0;
    for (size_t i = 0; i < p->nlabels; i++)
        if (i != top)
            second = q[i] > second ? q[i] : second;
    ret->label = (int32_t)top;
    ret->margin = q[top] - second;
}

int predict_decode(const struct predict_plan *p, const struct runner_answer *a, struct prediction *ret,
                   double *prob)
{
    struct prediction r = {-1, NAN, NAN};
    for (size_t i = 0; prob && i < p->nlabels; i++)
        prob[i] = NAN;
    if (p->columns == PREDICT_TEXT) {
        if (!a->text)
            return fail(-EINVAL, "a number where a text was expected");
        r.label = predict_label(p, a->text);
        *ret = r;
        return 0;
    }
    if (!a->values || a->width != p->width)
        return fail(-EINVAL, "%zu output columns where others have %zu", a->values ? a->width : 0, p->width);
    for (size_t i = 0; i < a->width; i++)
        if (!isfinite(a->values[i]))
            return fail(-EINVAL, "the model answered %s", isnan(a->values[i]) ? "NaN" : "an infinite number");
    int err = 0;
    if (p->columns == PREDICT_NUMBER) {
        r.number = a->values[0];
    } else if (p->columns == PREDICT_INDEX) {
        err = by_index(p, a->values[0], &r);
    } else {
        int logits = p->columns == PREDICT_LOGITS ||
                     (p->columns == PREDICT_EITHER && !are_probabilities(a->values, a->width));
        double *q = prob ? prob : calloc(p->nlabels, sizeof *q);
        if (!q)
            return -ENOMEM;
        if (a->width == 1) {
            q[1] = logits ? 1 / (1 + exp(-a->values[0])) : a->values[0];
            q[0] = 1 - q[1];
        } else if (logits) {
            softmax(a->values, a->width, q);
        } else {
            memcpy(q, a->values, a->width * sizeof *q);
        }
        decide(p, q, &r);
        if (!prob)
            free(q);
    }
    if (!err)
        *ret = r;
    return err;
}
