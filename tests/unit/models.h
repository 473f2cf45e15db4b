/* SPDX-License-Identifier: Apache-2.0 */
/* Rows and models of tests/data as the runners take them, for the suites of the engines. */
#pragma once
#include "fs/eval/predict.h"
#include "fs/eval/row.h"
#include "fs/eval/runner.h"
#include "store/base/fail.h"
#include "store/format/format.h"
#include "tests/unit/csv.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>

#define MOST 1000
#define D    "tests/data/"

struct rows {
    struct row *row;
    const json_t *input[MOST];
    size_t n;
};

static inline void rows_read(const char *series, struct rows *r)
{
    char path[128];
    struct digest scorer = {{0}};
    enum row_reason why;
    snprintf(path, sizeof path, D "%s/examples.jsonl", series);
    char *text = unit_read_file(path, NULL), *next = text;
    *r = (struct rows){.row = calloc(MOST, sizeof *r->row)};
    for (char *end; (end = strchr(next, '\n')); next = end + 1) {
        ck_assert_uint_lt(r->n, MOST);
        ck_assert_int_eq(row_parse(next, (size_t)(end - next), &scorer, &r->row[r->n], &why), 0);
        r->input[r->n] = r->row[r->n].input;
        r->n++;
    }
    free(text);
}

static inline void rows_fini(struct rows *r)
{
    for (size_t i = 0; i < r->n; i++)
        row_fini(&r->row[i]);
    free(r->row);
}

/* A file of tests/data and, for a checkpoint, what is in it. */
struct file {
    char *p;
    size_t n;
    struct arena a;
    struct layout l;
    struct runner_tensor t[64];
};

static inline void file_open(const char *path, int tensors, struct file *f)
{
    *f = (struct file){0};
    f->p = unit_read_file(path, &f->n);
    if (!tensors)
        return;
    struct input_memory m;
    struct input in = input_over(path, f->p, f->n, &m);
    ck_assert_int_eq(format_parse(&in, &f->a, &f->l), 0);
    ck_assert_uint_lt(f->l.ntensors, 64);
    for (size_t i = 0; i < f->l.ntensors; i++)
        f->t[i] = (struct runner_tensor){f->l.tensors[i].name, f->l.tensors[i].dtype, f->l.tensors[i].rank,
                                         f->l.tensors[i].shape};
}

static inline void file_close(struct file *f)
{
    arena_fini(&f->a);
    free(f->p);
}

static inline int file_read(void *ctx, size_t i, void *p, size_t n)
{
    const struct file *f = ctx;
    ck_assert_uint_eq(f->l.tensors[i].len, n);
    memcpy(p, f->p + f->l.tensors[i].off, n);
    return 0;
}

static inline struct runner_source source(const char *name, const struct file *model, struct file *weights)
{
    return (struct runner_source){.name = name,
                                  .model = model->p,
                                  .model_len = model->n,
                                  .tensors = weights ? weights->t : NULL,
                                  .ntensors = weights ? weights->l.ntensors : 0,
                                  .read = file_read,
                                  .ctx = weights};
}

/* A runner of files on disk; graph: the .onnx of a graph-and-weights pair, or NULL. The files may go then. */
static inline struct runner *open_files(enum spec_engine e, const char *model, const char *weights,
                                        const struct spec_model *spec)
{
    struct file m, w;
    file_open(model, 0, &m);
    if (weights)
        file_open(weights, 1, &w);
    struct runner_source src = source(model, &m, weights ? &w : NULL);
    src.spec = spec;
    struct runner *r = NULL;
    ck_assert_msg(runner_open(e, &src, &r) == 0, "%s: %s", model, fail_text());
    if (weights)
        file_close(&w);
    file_close(&m);
    return r;
}

/* Every row's prediction and probabilities against the recorded ones; labels NULL: regression. */
static inline void compare(struct runner *r, const struct spec *s, const char *series, const char *version,
                           const char *const *labels, size_t nlabels, double tolerance)
{
    struct rows rows;
    rows_read(series, &rows);
    struct runner_answer *a = calloc(rows.n, sizeof *a);
    ck_assert_msg(runner_predict(r, rows.input, rows.n, a) == 0, "%s", fail_text());
    struct predict_seen seen = {0};
    for (size_t i = 0; i < rows.n; i++)
        predict_see(&seen, rows.row[i].label);
    struct predict_plan plan;
    ck_assert_ptr_null(a[0].error);
    ck_assert_msg(predict_plan_make(s, runner_signature(r), a[0].width, labels, nlabels, &seen, &plan) == 0,
                  "%s", fail_text());
    char path[128];
    snprintf(path, sizeof path, D "%s/expected/%s.csv", series, version);
    struct csv c = csv_open(path);
    size_t i = 0;
    double worst = 0;
    for (; csv_next(&c); i++) {
        struct prediction p;
        double q[16];
        ck_assert_msg(!a[i].error, "%s", a[i].error);
        ck_assert_int_eq(predict_decode(&plan, &a[i], &p, q), 0);
        ck_assert_str_eq(c.field[0], rows.row[i].id);
        if (labels)
            ck_assert_str_eq(plan.labels[p.label], c.field[1]);
        else
            worst = fmax(worst, fabs(p.number / csv_num(&c, 1) - 1));
        for (size_t j = 0; j < nlabels; j++)
            worst = fmax(worst, fabs(q[j] - csv_num(&c, 2 + j)));
        runner_answer_fini(&a[i]);
    }
    ck_assert_uint_eq(i, rows.n);
    ck_assert_msg(worst <= tolerance, "%s/%s: off by %g", series, version, worst);
    csv_close(&c, 50);
    predict_plan_fini(&plan);
    free(a);
    rows_fini(&rows);
}

static inline void need(enum spec_engine e)
{
    const char *f;
    ck_assert_msg(runner_fingerprint(e, &f) == 0, "%s: %s", fail_text(), fail_hint_text());
    ck_assert_ptr_nonnull(strstr(f, runner_isa()));
}

static inline void refused(enum spec_engine e, const struct runner_source *src, int want, const char *text)
{
    struct runner *r = NULL;
    fail_clear();
    int err = runner_open(e, src, &r);
    ck_assert_msg(err == want, "%d, not %d: %s", err, want, fail_text());
    ck_assert_msg(strstr(fail_text(), text) != NULL, "%s", fail_text());
    ck_assert_ptr_null(r);
}
