/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/diff/rank.h"
#include "fs/diff/spectrum.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define PASSES_D 4 /* see spectrum.h; a change has few directions that matter, A has many alike */
#define PASSES_A 8

/* (b - a) * scale, or a * scale where there is no b; positions that are not finite are 0. */
struct source {
    const struct values_side *a, *b; /* b: or NULL */
    double scale;
    uint64_t cols;
    uint8_t *bytes; /* (VALUES_WINDOW * 8) */
    double x[VALUES_WINDOW], y[VALUES_WINDOW];
};

static int decode(struct source *s, const struct values_side *side, uint64_t at, size_t n, double *ret)
{
    size_t size = dtype_size(side->tensor->dtype);
    int r = input_read(side->in, side->tensor->off + at * size, s->bytes, n * size);
    if (r == 0)
        dtype_decode(side->tensor->dtype, s->bytes, n, ret);
    return r;
}

static int read_rows(void *ctx, uint64_t first, size_t rows, float *ret)
{
    struct source *s = ctx;
    uint64_t at = first * s->cols, end = at + rows * s->cols;
    while (at < end) {
        uint64_t edge = (at / VALUES_WINDOW + 1) * VALUES_WINDOW; /* where the store cuts */
        size_t n = (size_t)((edge < end ? edge : end) - at);
        int r = decode(s, s->a, at, n, s->x);
        if (r == 0 && s->b)
            r = decode(s, s->b, at, n, s->y);
        if (r < 0)
            return r;
        for (size_t i = 0; i < n; i++) {
            double d = s->b ? s->y[i] - s->x[i] : s->x[i];
            *ret++ = isfinite(d) ? (float)(d * s->scale) : 0;
        }
        at += n;
    }
    return 0;
}

/* The smallest k whose first k directions leave at most `rest` of the energy; RANK_MORE: none. */
static int rank_of(const double *s, double energy, double rest)
{
    for (int k = 1; k <= SPECTRUM_MAX; k++)
        if ((energy -= s[k - 1] * s[k - 1]) <= rest)
            return k;
    return RANK_MORE;
}

static int measure(struct source *s, uint64_t rows, int (*stop)(void *ctx), void *stop_ctx,
                   struct diff_tensor *t)
{
    const struct values_side *b = s->b;
    struct spectrum_matrix m = {rows, s->cols, read_rows, s};
    double of_d[SPECTRUM_MAX], of_a;
    uint64_t side = rows < s->cols ? rows : s->cols, most = side / 8;
    int r;
    s->scale = 1 / t->max_abs;
    if ((r = spectrum_largest(&m, SPECTRUM_MAX, PASSES_D, stop, stop_ctx, of_d)) < 0)
        return r;
    for (int i = 0; i < SPECTRUM_MAX; i++)
        of_d[i] /= s->scale;
    t->spec_d = of_d[0];
    t->srank_d = of_d[0] > 0 ? t->l2_d / of_d[0] * (t->l2_d / of_d[0]) : NAN;
    if (isnormal(t->l2_a * t->l2_a)) {
        s->b = NULL;
        s->scale = sqrt((double)rows * (double)s->cols) / t->l2_a;
        if ((r = spectrum_largest(&m, 1, PASSES_A, stop, stop_ctx, &of_a)) < 0)
            return r;
        t->spec_a = of_a / s->scale;
    }
    double rounding = values_rounding(s->a->tensor->dtype, b->tensor->dtype);
    if (t->l2_d < 2 * rounding * t->l2_a)
        return 0; /* nothing but rounding, maybe */
    double energy = t->l2_d * t->l2_d, noise = 1.5 * (rounding * t->l2_a) * (rounding * t->l2_a);
    t->rank_d = rank_of(of_d, energy, 0.01 * energy + noise);
    /* training leaves a tail that a product of two thin matrices has not: 1e-4 is what float sums can miss */
    int exact = rank_of(of_d, energy, 1e-4 * energy + noise);
    t->low_rank = exact < RANK_MORE && (uint64_t)exact <= most ? exact : 0;
    t->high_rank = exact == RANK_MORE || (uint64_t)exact > side / 2;
    return 0;
}

int rank_measure(const struct values_side *a, const struct values_side *b, int (*stop)(void *ctx),
                 void *stop_ctx, struct diff_tensor *ret)
{
    const struct manifest_tensor *x = a->tensor, *y = b->tensor;
    if (x->rank < 2 || x->count == 0 || x->shape[0] < 2 || x->count / x->shape[0] < 2 ||
        x->count / x->shape[0] > SPECTRUM_WIDE || ret->n_cmp != x->count || y->count != x->count ||
        !isnormal(ret->l2_d * ret->l2_d) || !isnormal(1 / ret->max_abs)) /* its squares are numbers */
        return 0;
    struct source *s = malloc(sizeof *s);
    if (!s)
        return fail(-ENOMEM, "out of memory");
    s->a = a;
    s->b = b;
    s->cols = x->count / x->shape[0];
    s->bytes = malloc((size_t)VALUES_WINDOW * 8);
    int r = s->bytes ? measure(s, x->shape[0], stop, stop_ctx, ret) : fail(-ENOMEM, "out of memory");
    free(s->bytes);
    free(s);
    return r;
}
