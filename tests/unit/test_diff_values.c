/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/diff/kernel.h"
#include "fs/diff/values.h"
#include "tests/unit/trees.h"
#include <math.h>

struct made { /* a tensor in memory */
    struct manifest_tensor t;
    uint64_t shape[4];
    uint8_t *bytes;
    struct input_memory memory;
    struct input in;
};

static void make(struct made *m, enum dtype t, uint32_t rank, const uint64_t *shape)
{
    memset(m, 0, sizeof *m);
    m->t = (struct manifest_tensor){.name = "x", .dtype = t, .rank = rank, .shape = m->shape, .count = 1};
    for (uint32_t i = 0; i < rank; i++)
        m->t.count *= m->shape[i] = shape[i];
    m->t.len = m->t.count * dtype_size(t);
    m->bytes = calloc(1, m->t.len + 1);
}

static int stop_at_once(void *ctx)
{
    ++*(int *)ctx;
    return 1;
}

static int run(struct made *a, struct made *b, int (*stop)(void *), void *ctx, struct diff_tensor *ret)
{
    struct values *w = values_new();
    a->in = input_over("a", a->bytes, a->t.len, &a->memory);
    b->in = input_over("b", b->bytes, b->t.len, &b->memory);
    struct values_side sa = {&a->t, &a->in, NULL}, sb = {&b->t, &b->in, NULL};
    *ret = (struct diff_tensor){0};
    int r = values_compare(w, &sa, &sb, stop, ctx, ret);
    values_free(w);
    return r;
}

static double at(const struct made *m, uint64_t i)
{
    double x;
    dtype_decode(m->t.dtype, m->bytes + i * dtype_size(m->t.dtype), 1, &x);
    return x;
}

#define ck_close(x, y)                                                                                   \
    ck_assert_msg(fabsl((x) - (y)) <= 1e-12L * fabsl(y), "%s: %.17Lg, not %.17Lg", #x, (long double)(x), \
                  (long double)(y))

/* The dumb loop that all of it is held against. b may be longer in its first dimension. */
static void check(const struct made *a, const struct made *b, const struct diff_tensor *d)
{
    uint64_t n = a->t.count < b->t.count ? a->t.count : b->t.count, bits = 0, values = 0, nan = 0, inf = 0,
             where = 0;
    uint64_t moved = 0;
    long double aa = 0, bb = 0, dd = 0, ab = 0, max = 0;
    size_t size = dtype_size(b->t.dtype);
    for (uint64_t i = 0; i < n; i++) {
        double x = at(a, i), y = at(b, i);
        bits += a->t.dtype == b->t.dtype && memcmp(a->bytes + i * size, b->bytes + i * size, size) != 0;
        values += !(x == y || (isnan(x) && isnan(y)));
        nan += isnan(y) && !isnan(x);
        inf += isinf(y) && !isinf(x);
        moved += !isfinite(x) != !isfinite(y);
        if (!isfinite(x) || !isfinite(y))
            continue;
        aa += (long double)x * x;
        bb += (long double)y * y;
        dd += (long double)(y - x) * (y - x);
        ab += (long double)x * y;
        if (fabs(y - x) > max) {
            max = fabs(y - x);
            where = i;
        }
    }
    ck_assert_uint_eq(d->n_cmp, n);
    ck_assert_uint_eq(d->n_bits, bits);
    ck_assert_uint_eq(d->n_val, values);
    ck_assert_uint_eq(d->nan_new, nan);
    ck_assert_uint_eq(d->inf_new, inf);
    ck_assert_uint_eq(d->nonfinite_moved, moved);
    ck_close(d->l2_a, sqrtl(aa));
    ck_close(d->l2_b, sqrtl(bb));
    ck_close(d->l2_d, sqrtl(dd));
    if (aa > 0)
        ck_close(d->rel_l2, sqrtl(dd / aa));
    else
        ck_assert(isnan(d->rel_l2));
    if (aa > 0 && bb > 0)
        ck_assert(fabs(d->cos - (double)(ab / sqrtl(aa * bb))) < 1e-12);
    else
        ck_assert(isnan(d->cos));
    ck_assert(d->max_abs == (double)max);
    ck_assert_uint_eq(d->max_at, where);
}

static const enum dtype floats[] = {DTYPE_F32, DTYPE_BF16,    DTYPE_F16,
                                    DTYPE_F64, DTYPE_F8_E4M3, DTYPE_F8_E5M2};
#define NFLOATS (sizeof floats / sizeof *floats)

/* Any bit pattern that is one of the type: normal, subnormal, zero of both signs, Inf, NaN; `tame` without
 * the last two, and with moderate exponents for f64. */
static void fill(struct made *m, uint64_t *seed, int tame)
{
    size_t size = dtype_size(m->t.dtype);
    for (uint64_t i = 0; i < m->t.count; i++)
        do {
            uint64_t u = trees_random(seed);
            double d = (double)(int64_t)u * 0x1p-66;
            if (m->t.dtype == DTYPE_F64)
                memcpy(&u, &d, 8);
            memcpy(m->bytes + i * size, &u, size);
        } while (tame && !isfinite(at(m, i)));
}

START_TEST(equals_the_double_loop)
{
    static const uint64_t counts[] = {1, 7, 8, 1023, 1024, 1025, 5000, VALUES_WINDOW + 3, 2 * VALUES_WINDOW};
    uint64_t seed = 1;
    for (size_t k = 0; k < NFLOATS; k++)
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
            for (int wild = 0; wild < 2; wild++) {
                struct made a, b;
                struct diff_tensor d;
                make(&a, floats[k], 1, &counts[c]);
                make(&b, floats[k], 1, &counts[c]);
                fill(&a, &seed, !wild);
                memcpy(b.bytes, a.bytes, a.t.len);
                if (c & 1)
                    fill(&b, &seed, !wild);
                b.bytes[trees_random(&seed) % counts[c] * dtype_size(floats[k])] ^= 0x40; /* of a low byte */
                ck_ok(run(&a, &b, NULL, NULL, &d));
                check(&a, &b, &d);
                ck_assert_int_eq(d.cast, 0);
                free(a.bytes);
                free(b.bytes);
            }
}
END_TEST

START_TEST(zeros_and_specials)
{
    const float x[] = {0, -0.0f, NAN, INFINITY, INFINITY, 1, 1, 0x1p-149f},
                y[] = {-0.0f, -0.0f, NAN, INFINITY, -INFINITY, NAN, INFINITY, 0};
    struct made a, b;
    struct diff_tensor d;
    make(&a, DTYPE_F32, 1, (uint64_t[]){8});
    make(&b, DTYPE_F32, 1, (uint64_t[]){8});
    memcpy(a.bytes, x, sizeof x);
    memcpy(b.bytes, y, sizeof y);
    ck_ok(run(&a, &b, NULL, NULL, &d));
    check(&a, &b, &d);
    ck_assert_uint_eq(d.n_bits, 5); /* -0; the sign of Inf; two new specials; a subnormal gone */
    ck_assert_uint_eq(d.n_val, 4);
    ck_assert_uint_eq(d.nan_new, 1);
    ck_assert_uint_eq(d.inf_new, 1);
    ck_assert_uint_eq(d.nonfinite_moved, 2);
    ck_assert(d.max_abs == 0x1p-149);
    ck_assert_uint_eq(d.max_at, 7);
    /* a base of zeros has no relative change */
    memset(a.bytes, 0, sizeof x);
    ck_ok(run(&a, &b, NULL, NULL, &d));
    ck_assert_str_eq(d.note, "zero_base");
    ck_assert(isnan(d.rel_l2) && isnan(d.cos));
    free(a.bytes);
    free(b.bytes);
}
END_TEST

START_TEST(integers_count_bits_only)
{
    const int64_t x[] = {1, INT64_MIN, 9007199254740993, 5}, y[] = {1, INT64_MAX, 9007199254740992, 5};
    struct made a, b;
    struct diff_tensor d;
    make(&a, DTYPE_I64, 1, (uint64_t[]){4});
    make(&b, DTYPE_I64, 1, (uint64_t[]){4});
    memcpy(a.bytes, x, sizeof x);
    memcpy(b.bytes, y, sizeof y);
    ck_ok(run(&a, &b, NULL, NULL, &d));
    ck_assert_uint_eq(d.n_bits, 2);
    ck_assert_uint_eq(d.n_val, 2);
    ck_assert(d.max_abs == 0x1p64 && d.max_at == 1);
    ck_assert(isnan(d.l2_a) && isnan(d.l2_d) && isnan(d.cos));
    a.t.dtype = b.t.dtype = DTYPE_U8; /* the same bytes as small numbers */
    a.shape[0] = b.shape[0] = a.t.count = b.t.count = 32;
    ck_ok(run(&a, &b, NULL, NULL, &d));
    ck_assert_uint_eq(d.n_bits, 9);
    ck_assert(d.max_abs == 255);
    free(a.bytes);
    free(b.bytes);
}
END_TEST

/* Every value of a narrow type, rounded to itself; halfway cases by hand; f32 by the processor's own
 * rounding. */
START_TEST(rounding_is_to_nearest_even)
{
    for (size_t k = 0; k < NFLOATS; k++) {
        if (dtype_size(floats[k]) > 2)
            continue;
        for (uint32_t u = 0; u < 1u << 8 * dtype_size(floats[k]); u++) {
            double x, y;
            dtype_decode(floats[k], &u, 1, &x);
            y = x;
            kernel_round(floats[k], &y, 1);
            ck_assert(memcmp(&x, &y, 8) == 0 || (isnan(x) && isnan(y)));
        }
    }
    uint64_t seed = 3;
    for (int i = 0; i < 100000; i++) {
        uint64_t u = trees_random(&seed);
        double x, y;
        memcpy(&x, &u, 8);
        if (i & 1)
            x = ldexp((double)(int64_t)u, (int)(u % 330) - 220);
        y = x;
        kernel_round(DTYPE_F32, &y, 1);
        ck_assert_msg(y == (double)(float)x || isnan(x), "%a -> %a", x, y);
    }
    double v[] = {1 + 0x1p-8, 1 + 0x1p-8 + 0x1p-40, 1 + 3 * 0x1p-8, 0x1p-134, 0x1.8p-133, 3.4e38, -3.4e38};
    const double want[] = {1, 1 + 0x1p-7, 1 + 0x1p-6, 0, 0x1p-132, INFINITY, -INFINITY};
    kernel_round(DTYPE_BF16, v, 7);
    for (int i = 0; i < 7; i++)
        ck_assert_msg(v[i] == want[i], "%d: %a, not %a", i, v[i], want[i]);
    double h[] = {65519.99, 65520, 0x1p-25, 0x1.8p-25, 2049};
    const double half[] = {65504, INFINITY, 0, 0x1p-24, 2048};
    kernel_round(DTYPE_F16, h, 5);
    for (int i = 0; i < 5; i++)
        ck_assert_msg(h[i] == half[i], "%d: %a, not %a", i, h[i], half[i]);
}
END_TEST

START_TEST(casts_are_proved)
{
    uint64_t seed = 5, n = 3000;
    struct made a, b;
    struct diff_tensor d;
    make(&a, DTYPE_F32, 1, &n);
    make(&b, DTYPE_BF16, 1, &n);
    fill(&a, &seed, 1);
    for (uint64_t i = 0; i < n; i++) { /* bf16 by the textbook: add half, ties to even, cut */
        uint32_t u;
        memcpy(&u, a.bytes + 4 * i, 4);
        uint16_t h = (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
        memcpy(b.bytes + 2 * i, &h, 2);
    }
    ck_ok(run(&a, &b, NULL, NULL, &d));
    check(&a, &b, &d);
    ck_assert_int_eq(d.cast, 1);
    ck_assert(d.rel_l2 > 1e-3 && d.rel_l2 < 2.5e-3); /* one rounding to 8 bits: about 0.2125 * 2^-7 */
    ck_ok(run(&b, &a, NULL, NULL, &d));              /* f32 is not bf16 rounded to f32 */
    ck_assert_int_eq(d.cast, 0);
    ck_assert_int_eq(d.uncast, 1);
    b.bytes[2 * 1234] ^= 1; /* one value is another */
    ck_ok(run(&a, &b, NULL, NULL, &d));
    ck_assert_int_eq(d.cast, 0);
    ck_ok(run(&b, &a, NULL, NULL, &d));
    ck_assert_int_eq(d.uncast, 0);
    for (uint64_t i = 0; i < n; i++) { /* widened: exactly the same values */
        memset(a.bytes + 4 * i, 0, 2);
        memcpy(a.bytes + 4 * i + 2, b.bytes + 2 * i, 2);
    }
    ck_ok(run(&b, &a, NULL, NULL, &d));
    ck_assert_int_eq(d.cast, 1);
    ck_assert_uint_eq(d.n_val, 0);
    free(a.bytes);
    free(b.bytes);
}
END_TEST

START_TEST(shapes)
{
    uint64_t seed = 7;
    struct made a, b, c;
    struct diff_tensor d;
    make(&a, DTYPE_F32, 2, (uint64_t[]){30, 50}); /* a class added: rows in common */
    make(&b, DTYPE_F32, 2, (uint64_t[]){31, 50});
    fill(&a, &seed, 1);
    fill(&b, &seed, 1);
    ck_ok(run(&a, &b, NULL, NULL, &d));
    check(&a, &b, &d);
    ck_assert_str_eq(d.note, "overlap_only");
    make(&c, DTYPE_F32, 2, (uint64_t[]){30, 57}); /* wider rows: the head of each */
    fill(&c, &seed, 1);
    for (int i = 0; i < 30; i++)
        memcpy(c.bytes + i * 57 * 4, a.bytes + i * 50 * 4, 50 * 4);
    ck_ok(run(&a, &c, NULL, NULL, &d));
    ck_assert_uint_eq(d.n_cmp, 1500);
    ck_assert_uint_eq(d.n_bits, 0);
    c.bytes[(29 * 57 + 49) * 4] ^= 1;
    ck_ok(run(&a, &c, NULL, NULL, &d));
    ck_assert_uint_eq(d.n_bits, 1);
    ck_assert_uint_eq(d.max_at, 29 * 57 + 49);
    ck_ok(run(&b, &c, NULL, NULL, &d)); /* two dimensions differ */
    ck_assert_uint_eq(d.n_cmp, 0);
    ck_assert_str_eq(d.note, "not compared: shapes");
    c.t.rank = 1;
    c.shape[0] = 30 * 57;
    ck_ok(run(&a, &c, NULL, NULL, &d));
    ck_assert_uint_eq(d.n_cmp, 0);
    c.t.flags = TENSOR_STRIDED;
    ck_ok(run(&a, &c, NULL, NULL, &d));
    ck_assert_str_eq(d.note, "not read: strided");
    free(a.bytes);
    free(b.bytes);
    free(c.bytes);
}
END_TEST

START_TEST(stops)
{
    uint64_t n = 10;
    int asked = 0;
    struct made a, b;
    struct diff_tensor d;
    make(&a, DTYPE_F32, 1, &n);
    make(&b, DTYPE_F32, 1, &n);
    ck_assert_int_eq(run(&a, &b, stop_at_once, &asked, &d), -EINTR);
    ck_assert_int_eq(asked, 1);
    b.t.off = 4; /* past the end of its file: an error, not a read */
    ck_assert_int_eq(run(&a, &b, NULL, NULL, &d), -EBADMSG);
    free(a.bytes);
    free(b.bytes);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("diff_values");
    TCase *c = tcase_create("values");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, equals_the_double_loop);
    tcase_add_test(c, zeros_and_specials);
    tcase_add_test(c, integers_count_bits_only);
    tcase_add_test(c, rounding_is_to_nearest_even);
    tcase_add_test(c, casts_are_proved);
    tcase_add_test(c, shapes);
    tcase_add_test(c, stops);
    suite_add_tcase(s, c);
    return s;
}
