/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/diff/spectrum.h"
#include "store/base/fail.h"
#include <cblas.h>
#include <errno.h>
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW (1 << 24) /* floats of a window of rows */

/* Matrices are by columns, as LAPACK has them: a window's rows are the columns of w. */
struct work {
    size_t cols, l, rows; /* rows: of a window */
    float *w;             /* (cols, rows) */
    float *y;             /* (rows, l): the window's rows times q */
    float *q, *z;         /* (cols, l): the subspace, orthonormal; what D^T D makes of it */
    float *g;             /* (l, l) */
    float eigen[SPECTRUM_MAX + SPECTRUM_SPARE];
    int loaded; /* the only window is in w */
};

#pragma weak openblas_set_num_threads
void openblas_set_num_threads(int n);

/* Any start does that no matrix was made for: signs from splitmix64 of a fixed seed. */
static void start(struct work *k)
{
    uint64_t state = 1;
    memset(k->q, 0, k->cols * k->l * sizeof *k->q);
    for (size_t i = 0; i < k->cols * k->l; i++) {
        uint64_t x = state += 0x9e3779b97f4a7c15;
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
        x = (x ^ x >> 27) * 0x94d049bb133111eb;
        k->q[i] = x >> 63 ? 1.f : -1.f;
    }
    if (k->l == k->cols) /* all of the space: the unit vectors */
        for (size_t i = 0; i < k->l; i++)
            for (size_t j = 0; j < k->l; j++)
                k->q[i * k->l + j] = i == j;
}

/* q: an orthonormal basis of what z spans. */
static int turn(struct work *k)
{
    float tau[SPECTRUM_MAX + SPECTRUM_SPARE];
    lapack_int m = (lapack_int)k->cols, n = (lapack_int)k->l;
    memcpy(k->q, k->z, k->cols * k->l * sizeof *k->q);
    if (LAPACKE_sgeqrf(LAPACK_COL_MAJOR, m, n, k->q, m, tau) != 0 ||
        LAPACKE_sorgqr(LAPACK_COL_MAJOR, m, n, n, k->q, m, tau) != 0)
        return fail(-ENOMEM, "out of memory");
    return 0;
}

/* z = D^T D q; last: only g = q^T D^T D q. */
static int pass(struct work *k, const struct spectrum_matrix *m, int last, int (*stop)(void *ctx),
                void *stop_ctx)
{
    int c = (int)k->cols, l = (int)k->l;
    memset(k->z, 0, k->cols * k->l * sizeof *k->z);
    memset(k->g, 0, k->l * k->l * sizeof *k->g);
    for (uint64_t first = 0; first < m->rows; first += k->rows) {
        size_t n = m->rows - first < k->rows ? (size_t)(m->rows - first) : k->rows;
        int r = stop && stop(stop_ctx) ? fail(-EINTR, "stopped") : 0;
        if (r == 0 && !k->loaded)
            r = m->read(m->ctx, first, n, k->w);
        if (r < 0)
            return r;
        k->loaded = k->rows >= m->rows;
        cblas_sgemm(CblasColMajor, CblasTrans, CblasNoTrans, (int)n, l, c, 1, k->w, c, k->q, c, 0, k->y,
                    (int)n);
        if (last)
            cblas_ssyrk(CblasColMajor, CblasUpper, CblasTrans, l, (int)n, 1, k->y, (int)n, 1, k->g, l);
        else
            cblas_sgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, c, l, (int)n, 1, k->w, c, k->y, (int)n, 1,
                        k->z, c);
    }
    return 0;
}

static int iterate(struct work *k, const struct spectrum_matrix *m, int passes, int (*stop)(void *ctx),
                   void *stop_ctx)
{
    int r = 0;
    passes = k->l == k->cols ? 1 : passes; /* all of the space needs no turning */
    start(k);
    for (int i = 0; i < passes && r == 0; i++)
        if ((r = pass(k, m, i == passes - 1, stop, stop_ctx)) == 0 && i < passes - 1)
            r = turn(k);
    if (r < 0)
        return r;
    lapack_int l = (lapack_int)k->l;
    if (LAPACKE_ssyev(LAPACK_COL_MAJOR, 'N', 'U', l, k->g, l, k->eigen) != 0)
        return fail(-ENOMEM, "out of memory");
    return 0;
}

int spectrum_largest(const struct spectrum_matrix *m, size_t n, int passes, int (*stop)(void *ctx),
                     void *stop_ctx, double *ret)
{
    struct work k = {.cols = (size_t)m->cols, .l = n + SPECTRUM_SPARE};
    int r;
    for (size_t i = 0; i < n; i++)
        ret[i] = 0;
    if (m->rows == 0 || m->cols == 0)
        return 0;
    if (openblas_set_num_threads)
        openblas_set_num_threads(1);
    k.l = k.l < k.cols ? k.l : k.cols;
    k.rows = WINDOW / k.cols;
    k.rows = m->rows < k.rows ? (size_t)m->rows : k.rows;
    k.w = malloc(k.cols * k.rows * sizeof *k.w);
    k.y = malloc(k.rows * k.l * sizeof *k.y);
    k.q = malloc(k.cols * k.l * sizeof *k.q);
    k.z = malloc(k.cols * k.l * sizeof *k.z);
    k.g = malloc(k.l * k.l * sizeof *k.g);
    r = k.w && k.y && k.q && k.z && k.g ? iterate(&k, m, passes, stop, stop_ctx)
                                        : fail(-ENOMEM, "out of memory");
    for (size_t i = 0; r == 0 && i < n && i < k.l; i++) /* eigen is smallest first */
        ret[i] = sqrt(fmax(0, (double)k.eigen[k.l - 1 - i]));
    free(k.w);
    free(k.y);
    free(k.q);
    free(k.z);
    free(k.g);
    return r;
}
