/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mean and squared distances are joined by the pairwise formula of Chan, Golub and LeVeque (1979); each block
 * of 2048 values is summed in two passes, in eight lanes. sum x^2 = m2 + n mean^2, both terms positive.
 */
#include "store/moments.h"
#include <math.h>

enum { BLOCK = 2048, LANES = 8 };

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

/* v: values, of which those past n are NaN and not counted */
__attribute__((optimize("O3"))) static void block(const double *v, size_t n, struct moments *ret)
{
    double sum[LANES] = {0}, lo[LANES], hi[LANES], m2[LANES] = {0};
    uint64_t finite[LANES] = {0}, zeros[LANES] = {0};
    size_t rounded = (n + LANES - 1) / LANES * LANES;
    for (int j = 0; j < LANES; j++) {
        lo[j] = INFINITY;
        hi[j] = -INFINITY;
    }
    for (size_t i = 0; i < rounded; i += LANES)
        for (int j = 0; j < LANES; j++) {
            double x = v[i + j];
            int ok = x - x == 0; /* false for NaN and the infinities */
            double y = ok ? x : 0, l = ok ? x : INFINITY, h = ok ? x : -INFINITY;
            sum[j] += y;
            lo[j] = l < lo[j] ? l : lo[j];
            hi[j] = h > hi[j] ? h : hi[j];
            finite[j] += (uint64_t)ok;
            zeros[j] += x == 0;
        }
    struct moments s = {.min = INFINITY, .max = -INFINITY};
    double total = 0;
    for (int j = 0; j < LANES; j++) {
        total += sum[j];
        s.n += finite[j];
        s.zeros += zeros[j];
        s.min = lo[j] < s.min ? lo[j] : s.min;
        s.max = hi[j] > s.max ? hi[j] : s.max;
    }
    s.mean = s.n ? total / (double)s.n : 0;
    for (size_t i = 0; i < rounded; i += LANES)
        for (int j = 0; j < LANES; j++) {
            double d = v[i + j] - s.mean;
            m2[j] += d - d == 0 ? d * d : 0;
        }
    for (int j = 0; j < LANES; j++)
        s.m2 += m2[j];
    for (size_t i = 0; s.n < n && i < n; i++) { /* rare */
        s.nan += isnan(v[i]) != 0;
        s.inf += isinf(v[i]) != 0;
    }
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
        for (size_t i = k; i % LANES; i++)
            v[i] = NAN;
        block(v, k, &part);
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
