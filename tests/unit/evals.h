/* SPDX-License-Identifier: Apache-2.0 */
/* For the suites of the evaluation: a repo with versions of tests/data, its rows, and what is true of them.
 */
#pragma once
#include "fs/eval/eval.h"
#include "fs/eval/runner.h"
#include "tests/unit/trees.h"
#include <math.h>

struct evals {
    struct store *store;
    struct eval *eval;
};

static const struct eval_writer evals_writer = {.name = "amy", .uid = 1000, .pid = 7};

static inline struct evals evals_open(const char *name)
{
    struct evals e = {.store = trees_repo(name)};
    ck_ok(eval_open(e.store, &e.eval));
    return e;
}
static inline void evals_close(struct evals *e)
{
    eval_close(e->eval);
    store_close(e->store);
}
static inline void evals_reopen(struct evals *e, const char *name)
{
    evals_close(e);
    e->store = trees_open(name, 0);
    ck_ok(eval_open(e->store, &e->eval));
}

static inline char *evals_data(const char *path) /* below tests/data; stands until the next call */
{
    static char full[512];
    snprintf(full, sizeof full, "tests/data/%s", path);
    return full;
}

static inline const struct version *evals_commit(struct evals *e, const char *path)
{
    const struct version *v;
    struct commit_result c = trees_commit(e->store, path);
    ck_ok(version_by_number(e->store, c.number, &v));
    return v;
}

static inline struct eval_added evals_append_n(struct evals *e, const char *p, size_t n)
{
    struct eval_added a;
    ck_ok(eval_append(e->eval, &evals_writer, p, n, &a));
    return a;
}
static inline struct eval_added evals_append(struct evals *e, const char *lines)
{
    return evals_append_n(e, lines, strlen(lines));
}
static inline struct eval_added evals_append_file(struct evals *e, const char *path)
{
    size_t n;
    char *p = unit_read_file(path, &n);
    struct eval_added a = evals_append_n(e, p, n);
    free(p);
    return a;
}
static inline void evals_configure(struct evals *e, const char *name, const char *text)
{
    ck_ok(eval_configure(e->eval, &evals_writer, name, text, strlen(text)));
}
static inline void evals_configure_file(struct evals *e, const char *name, const char *path)
{
    size_t n;
    char *p = unit_read_file(path, &n);
    ck_ok(eval_configure(e->eval, &evals_writer, name, p, n));
    free(p);
}

static inline const char *evals_revision(struct evals *e)
{
    static char name[32];
    struct digest d;
    eval_revision(e->eval, name, &d);
    return name;
}

/* How many predictions this computed: what progress saw being done. */
struct evals_count {
    uint64_t first, last;
    int called;
};
static inline int evals_progress(void *ctx, uint64_t done, uint64_t all)
{
    struct evals_count *c = ctx;
    (void)all;
    if (!c->called++)
        c->first = done;
    c->last = done;
    return 0;
}

static inline struct eval_result *evals_result(struct evals *e, const struct version *v,
                                               uint64_t *ret_computed)
{
    const struct eval_set *set;
    struct eval_result *r;
    struct evals_count c = {0};
    ck_ok(eval_view(e->eval, &set));
    ck_ok(eval_version(e->eval, v, EVAL_COMPUTE, set, evals_progress, &c, &r));
    eval_view_unref(set);
    if (ret_computed)
        *ret_computed = c.last - c.first;
    return r;
}

static inline size_t evals_row(const struct eval_set *set, const char *id)
{
    size_t i = 0;
    while (i < set->nrows && strcmp(set->rows[i]->id, id) != 0)
        i++;
    ck_assert_msg(i < set->nrows, "no row %s", id);
    return i;
}

/* A CSV without quotes: fields of the next line, at most `max`; 0 at the end. The text is cut up. */
static inline size_t evals_csv(char **at, char **fields, size_t max)
{
    size_t n = 0;
    char *line = strsep(at, "\n");
    if (!line || !*line)
        return 0;
    while (n < max && (fields[n] = strsep(&line, ",")))
        n++;
    return n;
}

/* Every prediction against those recorded by the framework that trained it. */
static inline void evals_compare(const struct eval_result *r, const char *csv, double tolerance)
{
    char *text = unit_read_file(csv, NULL), *at = text, *f[64], *head[64];
    ck_assert_msg(!r->problem, "%s: %s", csv, r->problem);
    size_t n = evals_csv(&at, head, 64), rows = 0;
    while (evals_csv(&at, f, 64) == n) {
        size_t i = evals_row(r->set, f[0]);
        const struct eval_cell *c = &r->cells[i];
        ck_assert_msg(c->state == 1, "%s: %s", f[0], c->error ? c->error : "not known");
        if (r->task == SPEC_REGRESSION)
            ck_assert_double_eq_tol(c->value, atof(f[1]), tolerance);
        else
            ck_assert_str_eq(r->labels[c->pred], f[1]);
        for (size_t k = 2; k < n; k++) {
            ck_assert_str_eq(head[k] + 2, r->labels[k - 2]);
            ck_assert_msg(fabs(c->p[k - 2] - atof(f[k])) <= tolerance, "%s %s: %.9g, expected %s", f[0],
                          head[k], c->p[k - 2], f[k]);
        }
        rows++;
    }
    ck_assert_uint_eq(rows, r->set->nrows);
    free(text);
}

/* Every score that scikit-learn recorded for the version. */
static inline void evals_compare_scores(const struct eval_result *r, const char *csv, const char *version,
                                        double tolerance)
{
    struct arena a = {0};
    struct eval_score *s;
    size_t n, seen = 0;
    char *text = unit_read_file(csv, NULL), *at = text, *f[8];
    ck_ok(eval_scores(r, &a, &s, &n));
    evals_csv(&at, f, 8);
    while (evals_csv(&at, f, 8) == 6) {
        if (strcmp(f[0], version) != 0)
            continue;
        const char *metric = strcmp(f[3], "auroc_macro_ovr") == 0 ? "auroc" : f[3];
        size_t i = 0;
        while (i < n &&
               (strcmp(s[i].metric, metric) || strcmp(s[i].cohort, f[1]) || strcmp(s[i].slice, f[2])))
            i++;
        ck_assert_msg(i < n, "%s: no score %s %s %s", version, f[1], f[2], metric);
        ck_assert_uint_eq(strcmp(metric, "recall") ? s[i].scored : s[i].n, strtoul(f[4], NULL, 10));
        ck_assert_msg(fabs(s[i].value - atof(f[5])) <= tolerance, "%s %s %s %s: %.9g, expected %s", version,
                      f[1], f[2], metric, s[i].value, f[5]);
        seen++;
    }
    ck_assert_uint_gt(seen, 0);
    free(text);
    arena_fini(&a);
}
