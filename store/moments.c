/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mean and squared distances are joined by the pairwise formula of Chan, Golub and LeVeque (1979); each block
 * of 2048 values is summed in two passes, in eight lanes. sum x^2 = m2 + n mean^2, both terms positive.
 */
#include "store/moments.h"
#include <math.h>

enum { BLOCK = 2048, LANES = 8 };
#define VECTORISED __attribute__((optimize("O3")))

int moments_of(enum dtype t)
{
    return dtype_size(t) > 0 && t != DTYPE_C64 && t != DTYPE_C128;
}

void moments_join(struct moments *s, const struct moments *x)
{
    if (x->n) {
        uint64_t n = s->n + x->n;
        double d = x->mean - s->mean, share = (double)x->n / (double)n;
        if (s->n) {
            s->m2 += x->m2 + d * d * (double)s->n * share;
            s->mean += d * share;
            s->min = x->min < s->min ? x->min : s->min;
            s->max = x->max > s->max ? x->max : s->max;
        } else {
            s->m2 = x->m2;
            s->mean = x->mean;
            s->min = x->min;
            s->max = x->max;
        }
        s->n = n;
    }
    s->nan += x->nan;
    s->inf += x->inf;
    s->zeros += x->zeros;
}

/* What one pass over the lanes sums up. All of it is double, which is what lets the compiler use vectors. */
struct lanes {
    double sum[LANES], lo[LANES], hi[LANES], zeros[LANES];
    double odd[LANES]; /* sum of x - x: NaN once a value was not finite */
};

VECTORISED static void first_pass(const double *restrict v, struct lanes *restrict l)
{
    for (int i = 0; i < BLOCK; i += LANES)
        for (int j = 0; j < LANES; j++) {
            double x = v[i + j];
            l->sum[j] += x;
            l->lo[j] = x < l->lo[j] ? x : l->lo[j];
            l->hi[j] = x > l->hi[j] ? x : l->hi[j];
            l->zeros[j] += x == 0 ? 1.0 : 0.0;
            l->odd[j] += x - x;
        }
}

VECTORISED static void second_pass(const double *restrict v, double mean, double *restrict m2)
{
    for (int i = 0; i < BLOCK; i += LANES)
        for (int j = 0; j < LANES; j++) {
            double d = v[i + j] - mean;
            m2[j] += d * d;
        }
}

/* BLOCK values, all finite; 0 when they are not. */
static int fast(const double *v, struct moments *ret)
{
    struct lanes l = {.zeros = {0}};
    double m2[LANES] = {0}, sum = 0, zeros = 0, odd = 0;
    struct moments s = {.n = BLOCK, .min = INFINITY, .max = -INFINITY};
    for (int j = 0; j < LANES; j++) {
        l.lo[j] = INFINITY;
        l.hi[j] = -INFINITY;
    }
    first_pass(v, &l);
    for (int j = 0; j < LANES; j++) {
        sum += l.sum[j];
        zeros += l.zeros[j];
        odd += l.odd[j];
        s.min = l.lo[j] < s.min ? l.lo[j] : s.min;
        s.max = l.hi[j] > s.max ? l.hi[j] : s.max;
    }
    if (odd != 0)
        return 0;
    s.mean = sum / BLOCK;
    s.zeros = (uint64_t)zeros;
    second_pass(v, s.mean, m2);
    for (int j = 0; j < LANES; j++)
        s.m2 += m2[j];
    *ret = s;
    return 1;
}

/* Any n values. */
static void slow(const double *v, size_t n, struct moments *ret)
{
    struct moments s = {.min = INFINITY, .max = -INFINITY};
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double x = v[i];
        s.nan += isnan(x) != 0;
        s.inf += isinf(x) != 0;
        s.zeros += x == 0;
        if (!isfinite(x))
            continue;
        s.n++;
        sum += x;
        s.min = x < s.min ? x : s.min;
        s.max = x > s.max ? x : s.max;
    }
    s.mean = s.n ? sum / (double)s.n : 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(v[i]))
            s.m2 += (v[i] - s.mean) * (v[i] - s.mean);
    *ret = s;
}

void moments_add(struct moments *s, enum dtype t, const void *p, size_t n)
{
    double v[BLOCK];
    size_t size = dtype_size(t);
    const uint8_t *b = p;
    while (n) {
        size_t k = n < BLOCK ? n : BLOCK;
        struct moments part;
        dtype_decode(t, b, k, v);
        if (k < BLOCK || !fast(v, &part))
            slow(v, k, &part);
        moments_join(s, &part);
        b += k * size;
        n -= k;
    }
}

void moments_final(const struct moments *s, struct tensor_stats *ret)
{
    double n = (double)s->n;
    *ret = (struct tensor_stats){.nan = s->nan, .inf = s->inf, .zeros = s->zeros};
    if (s->n) {
        ret->norm = sqrt(s->m2 + n * s->mean * s->mean);
        ret->mean = s->mean;
        ret->std = sqrt(s->m2 / n);
        ret->min = s->min;
        ret->max = s->max;
    }
}
