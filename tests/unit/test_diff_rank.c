/* SPDX-License-Identifier: Apache-2.0 */
/* Ranks of a change: against numpy's SVD (tests/data/ranks.py), of whole checkpoints, and what is no matrix.
 */
#include "fs/diff/kernel.h"
#include "fs/diff/rank.h"
#include "fs/diff/spectrum.h"
#include "store/base/fail.h"
#include "tests/unit/csv.h"
#include "tests/unit/trees.h"
#include <math.h>

struct made {
    struct manifest_tensor t;
    uint64_t shape[4];
    struct input_memory memory;
    struct input in;
    uint8_t *bytes;
};

static double uniform(uint64_t *seed)
{
    return (double)(trees_random(seed) >> 11) * 0x1p-53 - 0.5;
}

/* The values, which are numbers of the type. */
static void make(struct made *m, enum dtype type, uint64_t rows, uint64_t cols, const double *x)
{
    size_t size = dtype_size(type), n = rows * cols;
    *m = (struct made){.shape = {rows, cols}, .bytes = malloc(n * size)};
    m->t = (struct manifest_tensor){
        .name = "x", .dtype = type, .rank = 2, .shape = m->shape, .count = n, .len = n * size};
    for (size_t i = 0; i < n; i++) {
        float f = (float)x[i];
        _Float16 h = (_Float16)x[i];
        const void *from = type == DTYPE_F64   ? (const void *)&x[i]
                           : type == DTYPE_F32 ? (const void *)&f
                           : type == DTYPE_F16 ? (const void *)&h
                                               : (const void *)((const uint8_t *)&f + 2);
        memcpy(m->bytes + i * size, from, size);
    }
    m->in = input_over("x", m->bytes, n * size, &m->memory);
}

static int countdown(void *ctx)
{
    return --*(int *)ctx <= 0;
}

static int measure(struct made *a, struct made *b, int stop_at, struct diff_tensor *ret)
{
    struct values *w = values_new();
    struct values_side sa = {&a->t, &a->in, NULL}, sb = {&b->t, &b->in, NULL};
    *ret = (struct diff_tensor){.spec_d = NAN, .spec_a = NAN, .srank_d = NAN};
    ck_ok(values_compare(w, &sa, &sb, NULL, NULL, ret));
    values_free(w);
    return rank_measure(&sa, &sb, stop_at ? countdown : NULL, &stop_at, ret);
}

#define ck_near(x, y, share) ck_assert_msg(fabs((x) - (y)) <= (share) * (y), "%s: %.9g, not %.9g", #x, x, y)

static const enum dtype types[] = {DTYPE_F64, DTYPE_F32, DTYPE_F16, DTYPE_BF16};

static void make_case(const struct csv *c, struct made *a, struct made *b)
{
    uint64_t rows = strtoull(c->field[0], NULL, 10), cols = strtoull(c->field[1], NULL, 10), seed = 0;
    size_t n = rows * cols, terms = strtoull(c->field[3], NULL, 10);
    double decay = strtod(c->field[4], NULL), factor = strtod(c->field[5], NULL);
    double *x = malloc(n * sizeof *x), *d = calloc(n, sizeof *d);
    double *u = malloc(terms * rows * sizeof *u), *v = malloc(terms * cols * sizeof *v);
    enum dtype type = DTYPE_NONE;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(dtype_name(types[i]), c->field[2]) == 0)
            type = types[i];
    for (size_t i = 0; i < n; i++)
        x[i] = uniform(&seed);
    for (size_t i = 0; i < terms * rows; i++)
        u[i] = uniform(&seed);
    for (size_t i = 0; i < terms * cols; i++)
        v[i] = uniform(&seed);
    for (size_t k = 0; k < terms; k++, factor *= decay)
        for (size_t i = 0; i < n; i++)
            d[i] += factor * u[k * rows + i / cols] * v[k * cols + i % cols];
    kernel_round(type, x, n);
    for (size_t i = 0; i < n; i++)
        d[i] += x[i];
    kernel_round(type, d, n);
    make(a, type, rows, cols, x);
    make(b, type, rows, cols, d);
    free(x);
    free(d);
    free(u);
    free(v);
}

START_TEST(equals_numpy)
{
    struct csv c = csv_open("tests/data/ranks.csv");
    while (csv_next(&c)) {
        struct made a, b;
        struct diff_tensor t, again;
        make_case(&c, &a, &b);
        ck_ok(measure(&a, &b, 0, &t));
        ck_near(t.spec_d, strtod(c.field[6], NULL), 1e-4);
        ck_near(t.spec_a, strtod(c.field[7], NULL), 0.01); /* below it others are close */
        ck_near(t.srank_d, strtod(c.field[8], NULL), 2e-4);
        ck_assert_msg(t.rank_d == atoi(c.field[9]) && t.low_rank == atoi(c.field[10]),
                      "row %zu: rank %d, low %d", c.rows, t.rank_d, t.low_rank);
        ck_ok(measure(&a, &b, 0, &again));
        ck_assert(memcmp(&t, &again, sizeof t) == 0);
        free(a.bytes);
        free(b.bytes);
    }
    csv_close(&c, 15);
}
END_TEST

/* A window of rows at a time, when they do not fit one. */
struct steps {
    uint64_t cols;
    int reads;
};

static int read_steps(void *ctx, uint64_t first, size_t n, float *ret)
{
    struct steps *s = ctx;
    s->reads++;
    for (size_t i = 0; i < n; i++)
        for (uint64_t j = 0; j < s->cols; j++)
            *ret++ = (first + i) % 4 == j ? (float)(j + 1) : 0;
    return 0;
}

START_TEST(larger_than_the_window)
{
    struct steps s = {1 << 14, 0};
    struct spectrum_matrix m = {3000, s.cols, read_steps, &s};
    double got[8];
    int stop_at = 2;
    ck_ok(spectrum_largest(&m, 8, 4, NULL, NULL, got));
    ck_assert_int_gt(s.reads, 4);
    for (int i = 0; i < 4; i++) /* 750 rows of each of 1, 2, 3, 4 */
        ck_near(got[i], (4 - i) * sqrt(750), 1e-5);
    ck_assert(got[4] < 1e-2);
    ck_assert_int_eq(spectrum_largest(&m, 8, 4, countdown, &stop_at, got), -EINTR);
}
END_TEST

START_TEST(only_changed_matrices)
{
    double x[64], y[64];
    uint64_t seed = 5;
    struct made a, b;
    struct diff_tensor t;
    for (int i = 0; i < 64; i++) {
        x[i] = uniform(&seed);
        y[i] = x[i] + (i % 8 + 1) * 0.5; /* each row by the same: of rank 1 */
    }
    make(&a, DTYPE_F64, 8, 8, x);
    make(&b, DTYPE_F64, 8, 8, y);
    ck_ok(measure(&a, &b, 0, &t));
    ck_assert_int_eq(t.rank_d, 1);
    ck_assert_int_eq(t.low_rank, 1);
    ck_assert_int_eq(measure(&a, &b, 1, &t), -EINTR);
    a.t.rank = b.t.rank = 1; /* a vector */
    a.shape[0] = b.shape[0] = 64;
    ck_ok(measure(&a, &b, 0, &t));
    ck_assert(isnan(t.spec_d) && t.rank_d == 0 && t.l2_d > 0);
    a.t.rank = b.t.rank = 4; /* a convolution: 8 x (2 * 2 * 2) */
    for (int i = 0; i < 4; i++)
        a.shape[i] = b.shape[i] = i ? 2 : 8;
    ck_ok(measure(&a, &b, 0, &t));
    ck_assert_int_eq(t.low_rank, 1);
    ck_ok(measure(&a, &a, 0, &t)); /* no change */
    ck_assert(isnan(t.spec_d) && t.rank_d == 0);
    x[9] = NAN; /* left out on both sides */
    y[20] = INFINITY;
    free(a.bytes);
    free(b.bytes);
    make(&a, DTYPE_F64, 8, 8, x);
    make(&b, DTYPE_F64, 8, 8, y);
    ck_ok(measure(&a, &b, 0, &t));
    ck_assert(isfinite(t.spec_d) && t.rank_d > 0 && t.low_rank == 0);
    free(a.bytes);
    free(b.bytes);
    for (int large = 0; large < 2; large++) { /* values whose squares a double cannot hold */
        for (int i = 0; i < 64; i++) {
            x[i] = ldexp(i + 1, large ? 1000 : -1070);
            y[i] = 2 * x[i];
        }
        make(&a, DTYPE_F64, 8, 8, x);
        make(&b, DTYPE_F64, 8, 8, y);
        ck_ok(measure(&a, &b, 0, &t));
        ck_assert(isnan(t.spec_d) && t.rank_d == 0);
        free(a.bytes);
        free(b.bytes);
    }
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("diff_rank");
    TCase *t = tcase_create("diff_rank");
    tcase_add_test(t, equals_numpy);
    tcase_add_test(t, larger_than_the_window);
    tcase_add_test(t, only_changed_matrices);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    return s;
}
