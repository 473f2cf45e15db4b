/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/diff/values.h"
#include "fs/diff/kernel.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ELEMENT 16 /* bytes: c128 */

/* One side's window: elements [first, first + n) of its tensor. */
struct window {
    const struct values_side *side;
    size_t size; /* bytes an element */
    uint64_t first;
    size_t n;
    uint8_t *bytes; /* (VALUES_WINDOW * MAX_ELEMENT) */
};

struct values {
    struct window a, b;
    double x[KERNEL_BLOCK], y[KERNEL_BLOCK];
};

/* Sums of blocks, added pairwise: level[i] is the sum of 2^i blocks when bit i of n is set. */
struct pairwise {
    uint64_t n;
    double level[64][4];
};

struct tally {
    struct pairwise sums; /* aa, bb, dd, ab */
    struct diff_tensor *ret;
    int numbers; /* both float: values, not only bits */
};

struct values *values_new(void)
{
    struct values *w = calloc(1, sizeof *w);
    if (w && (w->a.bytes = malloc(VALUES_WINDOW * MAX_ELEMENT)) != NULL &&
        (w->b.bytes = malloc(VALUES_WINDOW * MAX_ELEMENT)) != NULL)
        return w;
    values_free(w);
    return NULL;
}

void values_free(struct values *w)
{
    if (!w)
        return;
    free(w->a.bytes);
    free(w->b.bytes);
    free(w);
}

const char *values_unreadable(const struct manifest_tensor *t)
{
    uint64_t len;
    if (t->flags & TENSOR_STRIDED)
        return "not read: strided";
    if (t->flags & TENSOR_INLINE)
        return "not read: values in typed fields";
    if (dtype_size(t->dtype) == 0 || __builtin_mul_overflow(t->count, dtype_size(t->dtype), &len) ||
        len != t->len)
        return "not read: unknown type";
    return NULL;
}

double values_rounding(enum dtype a, enum dtype b)
{
    int pa = dtype_precision(a), pb = dtype_precision(b);
    return ldexp(0.2125, 1 - (pa < pb ? pa : pb));
}

static void pairwise_add(struct pairwise *p, const struct kernel_sums *s)
{
    double v[4] = {s->aa, s->bb, s->dd, s->ab};
    int i = 0;
    for (uint64_t n = p->n++; n & 1; n >>= 1, i++)
        for (int k = 0; k < 4; k++)
            v[k] += p->level[i][k];
    memcpy(p->level[i], v, sizeof v);
}

static void pairwise_sum(const struct pairwise *p, double ret[4])
{
    memset(ret, 0, 4 * sizeof *ret);
    for (int i = 0; i < 64; i++)
        if (p->n >> i & 1)
            for (int k = 0; k < 4; k++)
                ret[k] += p->level[i][k];
}

/* Makes element `at` the window's, if it is not; -errno. Windows begin at multiples of their length. */
static int window_move(struct window *w, uint64_t at)
{
    const struct manifest_tensor *t = w->side->tensor;
    if (at >= w->first && at - w->first < w->n)
        return 0;
    uint64_t first = at / VALUES_WINDOW * VALUES_WINDOW;
    w->n = 0;
    size_t n = t->count - first < VALUES_WINDOW ? (size_t)(t->count - first) : VALUES_WINDOW;
    uint64_t off = t->off + first * w->size, next = first + n;
    if (w->side->ahead && next < t->count) {
        uint64_t left = t->count - next;
        w->side->ahead(w->side->in, off + n * w->size,
                       (left < 2 * VALUES_WINDOW ? left : 2 * VALUES_WINDOW) * w->size);
    }
    int r = input_read(w->side->in, off, w->bytes, n * w->size);
    if (r < 0)
        return r;
    w->first = first;
    w->n = n;
    return 0;
}

/* Counts the positions of x and y that are not finite, sets them to 0 in both, and returns how many of them
 * differ in value. */
static uint64_t take_nonfinite(double *x, double *y, size_t n, struct tally *t)
{
    uint64_t differ = 0;
    for (size_t i = 0; i < n; i++) {
        int fx = isfinite(x[i]), fy = isfinite(y[i]);
        if (fx && fy)
            continue;
        t->ret->nan_new += isnan(y[i]) && !isnan(x[i]);
        t->ret->inf_new += isinf(y[i]) && !isinf(x[i]);
        t->ret->nonfinite_moved += fx != fy;
        differ += !(x[i] == y[i] || (isnan(x[i]) && isnan(y[i])));
        x[i] = y[i] = 0;
    }
    return differ;
}

static void find_max(const double *x, const double *y, size_t n, double max, uint64_t at, struct tally *t)
{
    if (!(max > t->ret->max_abs))
        return;
    for (size_t i = 0; i < n; i++)
        if (fabs(y[i] - x[i]) == max) {
            t->ret->max_abs = max;
            t->ret->max_at = at + i;
            return;
        }
}

/* Whole numbers of 8 bytes do not fit a double: their difference is taken before it is one. */
static void integer_max(enum dtype type, const uint8_t *a, const uint8_t *b, size_t n, uint64_t at,
                        struct tally *t)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t u, v;
        memcpy(&u, a + i * 8, 8);
        memcpy(&v, b + i * 8, 8);
        int below = type == DTYPE_I64 ? (int64_t)u < (int64_t)v : u < v;
        double d = (double)(below ? v - u : u - v);
        if (d > t->ret->max_abs) {
            t->ret->max_abs = d;
            t->ret->max_at = at + i;
        }
    }
}

/* Whether y is x rounded to the dtype. */
static int rounds_to(const double *x, const double *y, size_t n, enum dtype to)
{
    double z[KERNEL_BLOCK];
    int same = 1;
    memcpy(z, x, n * sizeof *z);
    kernel_round(to, z, n);
    for (size_t i = 0; i < n && same; i++)
        same = z[i] == y[i] || (isnan(z[i]) && isnan(y[i]));
    return same;
}

/* n <= KERNEL_BLOCK elements at a and b, flat position `at` in B. */
static void block(struct values *w, const uint8_t *a, const uint8_t *b, size_t n, uint64_t at,
                  struct tally *t)
{
    enum dtype ta = w->a.side->tensor->dtype, tb = w->b.side->tensor->dtype;
    struct diff_tensor *ret = t->ret;
    struct kernel_sums s;
    uint64_t differ = 0;
    ret->n_cmp += n;
    if (ta == tb && (ta == DTYPE_F64 || ta == DTYPE_F32 || ta == DTYPE_BF16 || ta == DTYPE_F16)) {
        kernel_compare(ta, a, b, n, &s);
        ret->n_bits += s.n_bits;
        if (isfinite(s.aa + s.bb)) {
            ret->n_val += s.n_val;
            pairwise_add(&t->sums, &s);
            if (s.max > ret->max_abs) {
                dtype_decode(ta, a, n, w->x);
                dtype_decode(tb, b, n, w->y);
                find_max(w->x, w->y, n, s.max, at, t);
            }
            return;
        }
    } else if (ta == tb) {
        uint64_t bits = kernel_bits(a, b, n, w->a.size);
        ret->n_bits += bits;
        if (!t->numbers) {
            ret->n_val += bits;
            if (bits && (ta == DTYPE_I64 || ta == DTYPE_U64)) {
                integer_max(ta, a, b, n, at, t);
            } else if (bits && w->a.size < 8) {
                dtype_decode(ta, a, n, w->x);
                dtype_decode(tb, b, n, w->y);
                kernel_compare(DTYPE_F64, w->x, w->y, n, &s);
                find_max(w->x, w->y, n, s.max, at, t);
            }
            return;
        }
    }
    dtype_decode(ta, a, n, w->x);
    dtype_decode(tb, b, n, w->y);
    if (ret->cast)
        ret->cast = rounds_to(w->x, w->y, n, tb);
    if (ret->uncast)
        ret->uncast = rounds_to(w->y, w->x, n, ta);
    differ = take_nonfinite(w->x, w->y, n, t);
    kernel_compare(DTYPE_F64, w->x, w->y, n, &s);
    ret->n_val += s.n_val + differ;
    if (!t->numbers)
        return;
    pairwise_add(&t->sums, &s);
    find_max(w->x, w->y, n, s.max, at, t);
}

static void finish(struct tally *t)
{
    struct diff_tensor *ret = t->ret;
    double s[4];
    pairwise_sum(&t->sums, s);
    ret->l2_a = sqrt(s[0]);
    ret->l2_b = sqrt(s[1]);
    ret->l2_d = sqrt(s[2]);
    if (ret->l2_a > 0)
        ret->rel_l2 = ret->l2_d / ret->l2_a;
    else
        ret->note = "zero_base";
    if (ret->l2_a > 0 && ret->l2_b > 0)
        ret->cos = fmax(-1, fmin(1, s[3] / (ret->l2_a * ret->l2_b)));
}

/* A shape as rows (outer) of runs: `run` elements apart in each tensor, of which `common` are compared. */
struct overlap {
    uint64_t outer, run_a, run_b, common;
};

static int overlap_of(const struct manifest_tensor *a, const struct manifest_tensor *b, struct overlap *ret)
{
    uint32_t at = 0, differing = 0;
    if (a->rank != b->rank)
        return 0;
    for (uint32_t i = 0; i < a->rank; i++)
        if (a->shape[i] != b->shape[i]) {
            at = i;
            differing++;
        }
    if (differing > 1 || a->count == 0 || b->count == 0)
        return 0;
    *ret = (struct overlap){1, a->count, b->count, a->count};
    if (differing == 0)
        return 1;
    for (uint32_t i = 0; i < at; i++)
        ret->outer *= a->shape[i]; /* divides count, which fits */
    if (ret->outer == 0)
        return 0;
    ret->run_a = a->count / ret->outer;
    ret->run_b = b->count / ret->outer;
    ret->common = ret->run_a < ret->run_b ? ret->run_a : ret->run_b;
    return 1;
}

int values_compare(struct values *w, const struct values_side *a, const struct values_side *b,
                   int (*stop)(void *ctx), void *stop_ctx, struct diff_tensor *ret)
{
    const struct manifest_tensor *ta = a->tensor, *tb = b->tensor;
    const char *why = values_unreadable(ta);
    struct tally *t;
    struct overlap o;
    int r = 0;
    ret->n_cmp = ret->n_bits = ret->n_val = ret->max_at = 0;
    ret->l2_a = ret->l2_b = ret->l2_d = ret->rel_l2 = ret->cos = ret->max_abs = NAN;
    ret->nan_new = ret->inf_new = ret->nonfinite_moved = 0;
    ret->cast = ret->uncast = 0;
    ret->note = why ? why : values_unreadable(tb);
    if (ret->note)
        return 0;
    int numbers = dtype_is_float(ta->dtype) && dtype_is_float(tb->dtype);
    if (ta->dtype != tb->dtype && !numbers) {
        ret->note = "not compared: another kind of number";
        return 0;
    }
    if (!overlap_of(ta, tb, &o)) {
        ret->note = ta->count && tb->count ? "not compared: shapes" : NULL;
        return 0;
    }
    if (!(t = calloc(1, sizeof *t)))
        return fail(-ENOMEM, "out of memory");
    *t = (struct tally){.ret = ret, .numbers = numbers};
    w->a = (struct window){.side = a, .size = dtype_size(ta->dtype), .bytes = w->a.bytes};
    w->b = (struct window){.side = b, .size = dtype_size(tb->dtype), .bytes = w->b.bytes};
    ret->cast = ret->uncast = numbers && ta->dtype != tb->dtype;
    ret->max_abs = ta->dtype == DTYPE_C64 || ta->dtype == DTYPE_C128 ? NAN : 0;
    if (ta->count != tb->count)
        ret->note = "overlap_only";
    for (uint64_t row = 0; row < o.outer; row++)
        for (uint64_t done = 0; done < o.common;) {
            uint64_t ia = row * o.run_a + done, ib = row * o.run_b + done, n = o.common - done;
            if ((ia % VALUES_WINDOW == 0 || ib % VALUES_WINDOW == 0) && stop && stop(stop_ctx)) {
                r = fail(-EINTR, "stopped");
                goto out;
            }
            if ((r = window_move(&w->a, ia)) < 0 || (r = window_move(&w->b, ib)) < 0)
                goto out;
            uint64_t pa = ia - w->a.first, pb = ib - w->b.first;
            n = n < w->a.n - pa ? n : w->a.n - pa;
            n = n < w->b.n - pb ? n : w->b.n - pb;
            n = n < KERNEL_BLOCK ? n : KERNEL_BLOCK;
            block(w, w->a.bytes + pa * w->a.size, w->b.bytes + pb * w->b.size, (size_t)n, ib, t);
            done += n;
        }
    if (numbers)
        finish(t);
    ret->uncast &= !ret->cast;
out:
    free(t);
    return r;
}
