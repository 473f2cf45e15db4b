/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/cells.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define FEW        64                    /* columns that are decoded without asking for memory */
#define SMALLEST_P 2.220446049250313e-16 /* scikit-learn's clip */

static int no_memory(void)
{
    return fail(-ENOMEM, "out of memory");
}

static char *label_of(const struct row *row, struct arena *a)
{
    struct out o = {0};
    if (row->label)
        row_label_text(row->label, &o);
    char *ret = out_error(&o) ? NULL : arena_strdup(a, out_cstr(&o));
    out_fini(&o);
    return ret;
}

static int32_t index_of(const char *const *labels, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        if (labels[i][0] == text[0] && !strcmp(labels[i], text))
            return (int32_t)i;
    return -1;
}

static void cell_error(struct eval_result *r, struct eval_cell *c, const char *why)
{
    c->state = 2;
    c->error = why ? why : "out of memory";
    c->right = r->task == SPEC_REGRESSION ? -1 : 0;
    c->pred = -1;
    c->value = NAN;
    r->errors++;
}

/* The truth of each row; what is not known yet is state 0. */
static int begin(const struct cells *x, struct eval_result *r)
{
    const struct eval_set *set = r->set;
    r->cells = arena_array(x->arena, set->nrows + 1, sizeof *r->cells);
    if (!r->cells)
        return no_memory();
    for (size_t i = 0; i < set->nrows; i++)
        r->cells[i] = (struct eval_cell){.right = -1,
                                         .label = -1,
                                         .pred = -1,
                                         .value = NAN,
                                         .truth = NAN,
                                         .p_label = NAN,
                                         .loss = NAN,
                                         .margin = NAN};
    return 0;
}

static void finish(struct eval_result *r)
{
    for (size_t i = 0; i < r->set->nrows; i++)
        r->known += r->cells[i].state != 0;
    r->complete = r->known == r->set->nrows;
}

/* Right or wrong, and the loss, once the prediction is in the cell. */
static int judge(const struct cells *x, struct eval_result *r, const struct row *row, struct eval_cell *c)
{
    c->state = 1;
    if (!row->label) { /* only asked what the version says */
        if (c->p && r->task == SPEC_BINARY)
            c->value = c->p[r->nlabels - 1];
        return 0;
    }
    if (r->task == SPEC_REGRESSION) {
        c->truth = json_is_number(row->label) ? json_number_value(row->label) : NAN;
        c->loss = (c->value - c->truth) * (c->value - c->truth);
        if (isnan(c->truth))
            cell_error(r, c, "its label is not a number");
        return 0;
    }
    const char *label = json_string_value(row->label); /* most are texts: no copy */
    if (!label && !(label = label_of(row, x->arena)))
        return no_memory();
    c->label = index_of(r->labels, r->nlabels, label);
    if (c->label < 0) {
        struct out o = {0};
        out_str(&o, "the version does not know the label \"");
        out_text(&o, label, strlen(label), 40);
        out_str(&o, "\"");
        cell_error(r, c, arena_strdup(x->arena, out_cstr(&o)));
        out_fini(&o);
        return 0;
    }
    c->right = c->label == c->pred;
    if (c->p) {
        c->p_label = c->p[c->label];
        c->loss = -log(c->p_label > SMALLEST_P ? c->p_label : SMALLEST_P);
        if (r->task == SPEC_BINARY)
            c->value = c->p[r->nlabels - 1];
    }
    return 0;
}

/* ---- labels that only rows and predictions tell ---- */

static int cmp_labels(const void *a, const void *b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    char *xe, *ye;
    double u = strtod(x, &xe), v = strtod(y, &ye);
    if (*x && *y && !*xe && !*ye && u != v) /* numbers in their order */
        return u < v ? -1 : 1;
    return strcmp(x, y);
}

static int sort_labels(struct eval_result *r, const char **all, size_t n)
{
    qsort(all, n, sizeof *all, cmp_labels);
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        if (k == 0 || strcmp(all[k - 1], all[i]) != 0)
            all[k++] = all[i];
    r->labels = all;
    r->nlabels = k;
    return 0;
}

/* The labels of the rows and the texts that the engine answered. */
static int gather_labels(const struct cells *x, struct eval_result *r)
{
    const char **all = arena_array(x->arena, 2 * r->set->nrows + 1, sizeof *all);
    size_t n = 0;
    if (!all)
        return no_memory();
    for (size_t i = 0; i < r->set->nrows; i++) {
        size_t len;
        const uint8_t *p = answers_get(x->answers, &r->set->rows[i]->input_digest, &len);
        if (!(all[n++] = label_of(r->set->rows[i], x->arena)))
            return no_memory();
        if (p && p[0] == ANSWERS_TEXT && !(all[n++] = arena_strndup(x->arena, (const char *)p + 1, len - 1)))
            return no_memory();
    }
    return sort_labels(r, all, n);
}

/* ---- an engine's answers ---- */

/* The signature as it was noted with the run's first answers: what a plan needs of it. */
static int noted_signature(const json_t *about, struct arena *a, struct runner_signature *ret)
{
    const json_t *labels = json_object_get(about, "labels"), *l;
    size_t i;
    const char *producer = json_string_value(json_object_get(about, "producer"));
    const char *objective = json_string_value(json_object_get(about, "objective"));
    *ret = (struct runner_signature){.producer = arena_strdup(a, producer ? producer : ""),
                                     .objective = arena_strdup(a, objective ? objective : "")};
    ret->output.name = arena_strdup(a, "output");
    ret->output.dtype = (enum dtype)json_integer_value(json_object_get(about, "output"));
    ret->labels = arena_array(a, json_array_size(labels) + 1, sizeof *ret->labels);
    if (!ret->labels || !ret->producer || !ret->objective || !ret->output.name)
        return no_memory();
    json_array_foreach(labels, i, l) if (json_is_string(l) &&
                                         !(ret->labels[ret->nlabels++] =
                                               arena_strdup(a, json_string_value(l)))) return no_memory();
    return 0;
}

/* Numbers in the first answer that is no error. *ret_kind: its first byte, 0 when there is none. */
static size_t first_width(const struct cells *x, const struct eval_set *set, int *ret_kind)
{
    *ret_kind = 0;
    for (size_t i = 0; i < set->nrows; i++) {
        size_t n;
        const uint8_t *p = answers_get(x->answers, &set->rows[i]->input_digest, &n);
        if (!p || p[0] == ANSWERS_ERROR)
            continue;
        *ret_kind = p[0];
        return p[0] == ANSWERS_F32 ? (n - 1) / 4 : p[0] == ANSWERS_F64 ? (n - 1) / 8 : 0;
    }
    return 0;
}

static int plan_of(const struct cells *x, struct eval_result *r, size_t width, int kind,
                   struct predict_plan *ret)
{
    struct runner_signature sig;
    struct predict_seen seen = {0};
    json_t *about = answers_about(x->answers);
    for (size_t i = 0; i < r->set->nrows; i++)
        predict_see(&seen, r->set->rows[i]->label);
    int err = noted_signature(about, x->arena, &sig);
    json_decref(about);
    if (kind == ANSWERS_TEXT) /* predict.py does not say so beforehand */
        sig.output.dtype = DTYPE_NONE;
    return err ? err
               : predict_plan_make(r->set->spec, &sig, width, x->version_labels, x->nversion_labels, &seen,
                                   ret);
}

static int fill_one(const struct cells *x, struct eval_result *r, const struct predict_plan *plan, size_t i,
                    const uint8_t *p, size_t n)
{
    struct eval_cell *c = &r->cells[i];
    struct runner_answer a;
    struct prediction pred;
    double few[FEW];
    int err = answers_parse(p, n, few, FEW, &a);
    if (err)
        return err;
    if (a.error) {
        cell_error(r, c, arena_strdup(x->arena, a.error));
    } else if (a.text) {
        c->pred = index_of(r->labels, r->nlabels, a.text);
        err = judge(x, r, r->set->rows[i], c);
    } else {
        double *prob = r->nlabels ? arena_array(x->arena, r->nlabels, sizeof *prob) : NULL;
        if (r->nlabels && !prob) {
            err = no_memory();
        } else if (predict_decode(plan, &a, &pred, prob)) {
            cell_error(r, c, arena_strdup(x->arena, fail_text()));
        } else {
            c->pred = pred.label;
            c->value = pred.number;
            c->margin = pred.margin;
            c->p = prob && !isnan(prob[0]) ? prob : NULL;
            err = judge(x, r, r->set->rows[i], c);
        }
    }
    if (a.values == few)
        a.values = NULL;
    runner_answer_fini(&a);
    return err;
}

static int copy_labels(const struct cells *x, struct eval_result *r, const struct predict_plan *plan)
{
    const char **labels = arena_array(x->arena, plan->nlabels + 1, sizeof *labels);
    for (size_t i = 0; labels && i < plan->nlabels; i++)
        if (!(labels[i] = arena_strdup(x->arena, plan->labels[i])))
            return no_memory();
    r->labels = labels;
    r->nlabels = plan->nlabels;
    return labels ? 0 : no_memory();
}

int cells_of_engine(const struct cells *x, struct eval_result *r)
{
    struct predict_plan plan = {0};
    int kind, err = begin(x, r);
    if (err)
        return err;
    size_t width = first_width(x, r->set, &kind);
    r->task = r->set->spec->task;
    if (kind) {
        err = plan_of(x, r, width, kind, &plan);
        if (err == -EINVAL) {
            r->problem = arena_strdup(x->arena, fail_text());
            return r->problem ? 0 : no_memory();
        }
        if (err)
            return err;
        r->task = plan.task;
        err = plan.columns == PREDICT_TEXT && !plan.nlabels ? gather_labels(x, r) : copy_labels(x, r, &plan);
    }
    for (size_t i = 0; !err && i < r->set->nrows; i++) {
        size_t n;
        const uint8_t *p = answers_get(x->answers, &r->set->rows[i]->input_digest, &n);
        if (p)
            err = fill_one(x, r, &plan, i, p, n);
    }
    predict_plan_fini(&plan);
    finish(r);
    return err;
}

/* ---- imported ones ---- */

struct given {
    json_t *json;
    const json_t *prediction, *p; /* p: label -> probability, or NULL */
};

static int given_parse(const uint8_t *p, size_t n, struct given *ret)
{
    json_t *o = p[0] == ANSWERS_IMPORT ? json_loadb((const char *)p + 1, n - 1, 0, NULL) : NULL;
    const json_t *prediction = json_object_get(o, "prediction");
    if (!json_is_string(prediction) && !json_is_number(prediction) && !json_is_boolean(prediction)) {
        json_decref(o);
        return fail(-EBADMSG, "a stored imported prediction is damaged");
    }
    *ret = (struct given){o, prediction, json_object_get(o, "p")};
    return 0;
}

static int number_of(const json_t *v, double *ret)
{
    const char *s = json_string_value(v);
    char *end;
    *ret = s ? strtod(s, &end) : json_number_value(v);
    return s ? *s && !*end && isfinite(*ret) : json_is_number(v);
}

/* What the spec leaves open: numbers against numbers are regression when one is no integer. */
static int infer_task(struct eval_result *r, const struct predict_seen *labels, int numbers, int fractions,
                      int probabilities)
{
    r->task = r->set->spec->task;
    if (r->task != SPEC_TASK_INFER)
        return 0;
    if (r->set->spec->nlabels || labels->strings || !labels->numbers || !numbers || probabilities)
        r->task = r->set->spec->nlabels == 2 ? SPEC_BINARY : SPEC_CLASSIFICATION;
    else if (labels->fractions || fractions)
        r->task = SPEC_REGRESSION;
    else
        r->problem = "whole numbers may be classes or quantities: set \"task\" in eval/spec.json";
    return 0;
}

static int import_labels(const struct cells *x, struct eval_result *r, const char **all, size_t n)
{
    const struct spec *s = r->set->spec;
    r->labels = s->nlabels ? (const char *const *)s->labels : x->version_labels;
    r->nlabels = s->nlabels ? s->nlabels : x->nversion_labels;
    return r->nlabels ? 0 : sort_labels(r, all, n);
}

/* Reads every given prediction once, for what they say together. given: (nrows), json NULL where none is. */
static int survey(const struct cells *x, struct eval_result *r, struct given *given)
{
    struct predict_seen seen = {0};
    struct out o = {0};
    int numbers = 1, fractions = 0, probabilities = 0, err = 0;
    size_t n = 0, cap = 2 * r->set->nrows + 1024;
    const char **all = arena_array(x->arena, cap, sizeof *all);
    if (!all)
        return no_memory();
    for (size_t i = 0; !err && i < r->set->nrows; i++) {
        size_t len;
        double v;
        const uint8_t *p = answers_get(x->answers, &r->set->rows[i]->input_digest, &len);
        predict_see(&seen, r->set->rows[i]->label);
        all[n++] = label_of(r->set->rows[i], x->arena);
        if (!p)
            continue;
        if ((err = given_parse(p, len, &given[i])))
            break;
        numbers &= number_of(given[i].prediction, &v);
        fractions |= numbers && v != floor(v);
        out_reset(&o);
        row_label_text(given[i].prediction, &o);
        all[n++] = arena_strdup(x->arena, out_cstr(&o));
        const char *key;
        json_t *item;
        if (!probabilities)
            json_object_foreach((json_t *)given[i].p, key, item)
            {
                probabilities = 1;
                if (n + 2 * (r->set->nrows - i) < cap)
                    all[n++] = arena_strdup(x->arena, key);
            }
    }
    for (size_t i = 0; !err && i < n; i++)
        err = all[i] ? 0 : no_memory();
    out_fini(&o);
    if (!err)
        err = infer_task(r, &seen, numbers, fractions, probabilities);
    return err || r->problem || r->task == SPEC_REGRESSION ? err : import_labels(x, r, all, n);
}

/* Is there a probability for every label? */
static int covers(const struct eval_result *r, const json_t *p)
{
    size_t k = 0;
    while (k < r->nlabels && json_object_get(p, r->labels[k]))
        k++;
    return r->nlabels && k == r->nlabels;
}

static int fill_given(const struct cells *x, struct eval_result *r, size_t i, const struct given *g)
{
    struct eval_cell *c = &r->cells[i];
    if (r->task == SPEC_REGRESSION) {
        if (!number_of(g->prediction, &c->value)) {
            cell_error(r, c, "the imported prediction is not a number");
            return 0;
        }
        return judge(x, r, r->set->rows[i], c);
    }
    struct out o = {0};
    row_label_text(g->prediction, &o);
    c->pred = index_of(r->labels, r->nlabels, out_cstr(&o));
    out_fini(&o);
    const json_t *confidence = json_object_get(g->json, "confidence");
    int two = r->nlabels == 2 && confidence && c->pred >= 0; /* the other label has the rest */
    if (two || covers(r, g->p)) {
        double *prob = arena_array(x->arena, r->nlabels, sizeof *prob);
        if (!prob)
            return no_memory();
        for (size_t k = 0; k < r->nlabels; k++)
            prob[k] = two ? ((int32_t)k == c->pred ? json_number_value(confidence)
                                                   : 1 - json_number_value(confidence))
                          : json_number_value(json_object_get(g->p, r->labels[k]));
        c->p = prob;
    }
    return judge(x, r, r->set->rows[i], c);
}

int cells_of_import(const struct cells *x, struct eval_result *r)
{
    int err = begin(x, r);
    struct given *given = calloc(r->set->nrows + 1, sizeof *given);
    if (!err)
        err = given ? survey(x, r, given) : no_memory();
    for (size_t i = 0; !err && !r->problem && i < r->set->nrows; i++)
        if (given[i].json)
            err = fill_given(x, r, i, &given[i]);
    for (size_t i = 0; given && i < r->set->nrows; i++)
        json_decref(given[i].json);
    free(given);
    finish(r);
    return err;
}
