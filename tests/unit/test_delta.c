/* SPDX-License-Identifier: Apache-2.0 */
/* Casts against the arithmetic of doubles, differences against 64-bit integers, both on every pattern of bits
 * where there are 2^16 of them. */
#include "store/cast.h"
#include "store/chunk.h"
#include "store/delta.h"
#include "tests/unit/trees.h"
#include <math.h>

static float f32_of(uint32_t u)
{
    float f;
    memcpy(&f, &u, 4);
    return f;
}

static uint16_t cast1(enum cast k, uint32_t x)
{
    uint16_t y;
    memcpy(&y, cast_predict(k, &x, 2, &y), 2);
    return y;
}

/* The nearest value of a 16-bit float type with p significand bits, ties to even: by search over all of them.
 */
static uint16_t nearest(enum dtype t, float f)
{
    double best = INFINITY, x;
    uint16_t ret = 0;
    double top = t == DTYPE_F16 ? 65504 : 0x1.fep127, step = t == DTYPE_F16 ? 32 : 0x1p120;
    uint16_t inf = t == DTYPE_F16 ? 0x7c00 : 0x7f80, sign = signbit(f) ? 0x8000 : 0;
    double a = fabs((double)f);
    if (a >= top + step / 2)
        return inf | sign;
    uint16_t lo = 0, hi = inf; /* values ascend with their bits */
    while (hi - lo > 1) {
        uint16_t mid = (uint16_t)((lo + hi) / 2);
        dtype_decode(t, &mid, 1, &x);
        if (x <= a)
            lo = mid;
        else
            hi = mid;
    }
    for (uint16_t u = lo; u <= lo + 1 && u < inf; u++) {
        dtype_decode(t, &u, 1, &x);
        double d = fabs(x - a);
        if (d < best || (d == best && !(u & 1))) {
            best = d;
            ret = u;
        }
    }
    return ret | sign;
}

START_TEST(casts_round_to_nearest_even)
{
    static const uint32_t special[] = {0,          0x80000000, 0x7f800000, 0xff800000, 1,          0x807fffff,
                                       0x33000000, 0x33000001, 0x32ffffff, 0x33800000, 0x33c00000, 0x387fe000,
                                       0x387fffff, 0x38800000, 0x477fe000, 0x477fefff, 0x477ff000, 0x477fffff,
                                       0x7f7fffff, 0x7f7f8000, 0x7f7f7fff, 0xbf808000, 0x3f818000, 0x3f801000,
                                       0x3f803000, 0x3f802fff};
    uint64_t seed = 1;
    for (size_t i = 0; i < 400000; i++) {
        uint32_t x = (uint32_t)trees_random(&seed);
        if (i < sizeof special / sizeof *special)
            x = special[i];
        else if (i & 1) /* where f16 lives */
            x = (x & 0x807fffff) | (uint32_t)(100 + trees_random(&seed) % 45) << 23;
        float f = f32_of(x);
        if (isnan(f))
            continue;
        ck_assert_msg(cast1(CAST_F32_BF16, x) == nearest(DTYPE_BF16, f), "%08x to bf16", x);
        ck_assert_msg(cast1(CAST_F32_F16, x) == nearest(DTYPE_F16, f), "%08x to f16", x);
    }
    for (uint32_t i = 0; i < 65536; i++) {
        float f = f32_of(i << 16);
        uint16_t b = (uint16_t)i, half;
        uint32_t wide;
        memcpy(&wide, cast_predict(CAST_BF16_F32, &b, 4, &wide), 4);
        ck_assert_uint_eq(wide, i << 16);
        memcpy(&half, cast_predict(CAST_BF16_F16, &b, 2, &half), 2);
        if (isnan(f))
            ck_assert_uint_eq(half, 0x7e00 | (i & 0x8000));
        else
            ck_assert_uint_eq(half, nearest(DTYPE_F16, f));
    }
    ck_assert_uint_eq(cast1(CAST_F32_BF16, 0xffc12345), 0x7fc0);
    ck_assert_uint_eq(cast1(CAST_F32_BF16, 0x7fffffff), 0x7fc0);
    ck_assert_uint_eq(cast1(CAST_F32_F16, 0xffc12345), 0xfe00);
}
END_TEST

/* The order of the values, as sign and magnitude say it: -0 just below +0. */
static int64_t order(uint32_t x, int bits)
{
    uint32_t sign = x >> (bits - 1), a = x & ((1u << (bits - 1)) - 1);
    return sign ? -1 - (int64_t)a : (int64_t)a;
}

static uint64_t z_of(uint32_t a, uint32_t b, int bits)
{
    uint64_t d = (uint64_t)(order(a, bits) - order(b, bits)) & ((UINT64_C(1) << bits) - 1);
    return d >> (bits - 1) ? 2 * ((UINT64_C(1) << bits) - d) - 1 : 2 * d;
}

START_TEST(differences_are_steps_between_values)
{
    enum { M = 65536 };
    static uint16_t p[M], q[M], z[M], back[M];
    uint64_t seed = 2;
    for (int round = 0; round < 16; round++) {
        for (uint32_t i = 0; i < M; i++) {
            p[i] = (uint16_t)i;
            q[i] = round == 0 ? (uint16_t)i : (uint16_t)trees_random(&seed);
        }
        delta_split(DTYPE_BF16, p, q, M, z);
        for (uint32_t i = 0; i < M; i++)
            ck_assert_uint_eq(z[i], z_of(p[i], q[i], 16));
        delta_join(DTYPE_BF16, z, q, M, back);
        ck_assert(memcmp(p, back, sizeof p) == 0);
    }
    uint32_t a = 0x80000000, b = 0, w;
    delta_split(DTYPE_F32, &a, &b, 1, &w);
    ck_assert_uint_eq(w, 1); /* one step down */
    for (int i = 0; i < 100000; i++) {
        a = (uint32_t)trees_random(&seed);
        b = i & 1 ? a + (uint32_t)(trees_random(&seed) % 1000) : (uint32_t)trees_random(&seed);
        delta_split(DTYPE_F32, &a, &b, 1, &w);
        ck_assert_uint_eq(w, z_of(a, b, 32));
        delta_join(DTYPE_F32, &w, &b, 1, &w);
        ck_assert_uint_eq(w, a);
    }
}
END_TEST

START_TEST(contexts_count_exponents_below_the_largest)
{
    /* exponents 127, 126, 120, 100, 0, infinity, NaN */
    uint32_t q[] = {0x3f800000, 0xbf000000, 0x3c000000, 0x32000000, 0, 0x7f800000, 0xffffffff};
    static const uint8_t want[] = {0, 1, 7, 15, 15, 0, 0};
    uint8_t got[7];
    uint32_t count[DELTA_CONTEXTS];
    delta_contexts(DTYPE_F32, q, 7, got, count);
    ck_assert(memcmp(got, want, sizeof want) == 0);
    ck_assert_uint_eq(count[0], 3);
    ck_assert_uint_eq(count[15], 2);
    uint16_t h[] = {0x3c00, 0xb800, 0x0001, 0x7c00};
    static const uint8_t want16[] = {0, 1, 15, 0};
    delta_contexts(DTYPE_F16, h, 4, got, count);
    ck_assert(memcmp(got, want16, sizeof want16) == 0);
}
END_TEST

/* Every z of 16 bits, and 32-bit ones around each power of two. */
START_TEST(classes_and_low_bits_are_the_value)
{
    enum { M = 65536 };
    static uint32_t z[M], back[M];
    static uint16_t z16[M], back16[M];
    static uint8_t context[M], classes[M], bits[4 * M];
    const uint8_t *at[DELTA_CONTEXTS];
    uint32_t count[DELTA_CONTEXTS] = {0};
    uint64_t seed = 3;
    for (uint32_t i = 0; i < M; i++) {
        z16[i] = (uint16_t)i;
        z[i] = (1u << i % 32) + (uint32_t)(trees_random(&seed) % 3) - 1;
        if (i % 7 == 0)
            z[i] = (uint32_t)trees_random(&seed);
        context[i] = (uint8_t)(trees_random(&seed) % 5 == 0 ? 15 : trees_random(&seed) % 3);
        count[context[i]]++;
    }
    for (int k = 0, n = 0; k < DELTA_CONTEXTS; n += (int)count[k++])
        at[k] = classes + n;
    size_t n = delta_classes(DTYPE_F32, z, context, count, M, classes, bits, sizeof bits);
    ck_assert_uint_lt(n, sizeof bits);
    ck_assert_int_eq(delta_values(DTYPE_F32, context, at, M, bits, n, back), 0);
    ck_assert(memcmp(z, back, sizeof z) == 0);
    ck_assert_int_eq(delta_values(DTYPE_F32, context, at, M, bits, n - 1, back), -EBADMSG);
    ck_assert_int_eq(delta_values(DTYPE_F32, context, at, M, bits, n + 1, back), -EBADMSG);
    ck_assert_uint_eq(delta_classes(DTYPE_F32, z, context, count, M, classes, bits, n - 1), SIZE_MAX);
    n = delta_classes(DTYPE_F16, z16, context, count, M, classes, bits, sizeof bits);
    ck_assert_int_eq(delta_values(DTYPE_F16, context, at, M, bits, n, back16), 0);
    ck_assert(memcmp(z16, back16, sizeof z16) == 0);
}
END_TEST

/* ---- records ---- */

static struct codec_state *codec;
static uint8_t *room;

static void setup(void)
{
    codec = codec_new();
    room = malloc(CODEC_MAX_RAW);
    ck_assert(codec && room);
}

static void teardown(void)
{
    codec_free(codec);
    free(room);
}

static struct out record(enum dtype t, const void *p, size_t n, enum cast k, const void *base, size_t nbase,
                         int depth, int fast, struct chunk_head *ret)
{
    struct out rec = {0};
    struct chunk_hint hint = {{7, (uint32_t)nbase, hash_xxh3(base, nbase), (uint8_t)depth}, k, base, fast};
    ck_ok(chunk_encode(codec, t, p, n, hash_xxh3(p, n), &hint, room, &rec, ret));
    struct chunk_head head;
    const void *streams;
    ck_ok(chunk_parse(rec.p, rec.n, &head, &streams));
    ck_assert_uint_eq(head.base.id, ret->base.id);
    memset(room, 0x55, n);
    ck_ok(chunk_decode(codec, rec.p, rec.n, head.base.id ? base : NULL, room, n, hash_xxh3(p, n)));
    ck_assert(memcmp(room, p, n) == 0);
    return rec;
}

/* A step of an optimiser: every weight by about the same absolute amount. */
static uint8_t *trained(const uint8_t *p, size_t n, uint64_t *seed, float by)
{
    uint8_t *q = malloc(n);
    for (size_t i = 0; i < n; i += 4) {
        float f;
        memcpy(&f, p + i, 4);
        f += by * ((float)(trees_random(seed) % 2001) / 1000 - 1);
        memcpy(q + i, &f, 4);
    }
    return q;
}

START_TEST(a_trained_tensor_is_a_difference)
{
    uint64_t seed = 4;
    size_t n = 131072 * 4;
    struct chunk_head head, alone;
    uint8_t *p = trees_bytes(&seed, n, 0), *q = trained(p, n, &seed, 1e-6f);
    struct out whole = {0};
    ck_ok(chunk_encode(codec, DTYPE_F32, q, n, hash_xxh3(q, n), NULL, room, &whole, &alone));
    struct out ctx = record(DTYPE_F32, q, n, CAST_SAME, p, n, 0, 0, &head);
    ck_assert_uint_eq(head.how.codec, CODEC_CTX);
    ck_assert_uint_eq(head.depth, 1);
    ck_assert_uint_lt(ctx.n, whole.n * 55 / 100);
    struct out fast = record(DTYPE_F32, q, n, CAST_SAME, p, n, 2, 1, &head);
    ck_assert_uint_eq(head.how.codec, CODEC_DELTA);
    ck_assert_uint_eq(head.depth, 3);
    ck_assert_uint_lt(ctx.n, fast.n);
    ck_assert_uint_lt(fast.n, whole.n);
    /* nothing in common with the base: by itself */
    uint8_t *noise = trees_bytes(&seed, n, 1);
    struct out none = record(DTYPE_F32, q, n, CAST_SAME, noise, n, 0, 0, &head);
    ck_assert_uint_eq(head.base.id, 0);
    ck_assert_uint_eq(head.depth, 0);
    out_fini(&whole);
    out_fini(&ctx);
    out_fini(&fast);
    out_fini(&none);
    free(noise);
    free(p);
    free(q);
}
END_TEST

/* The chain ends at 6; past 3 only what is under 60 % of the chunk by itself. */
START_TEST(long_chains_end)
{
    uint64_t seed = 5;
    size_t n = 131072 * 4;
    struct chunk_head head;
    uint8_t *p = trees_bytes(&seed, n, 0), *near = trained(p, n, &seed, 1e-7f),
            *far = trained(p, n, &seed, 1e-4f);
    struct {
        const uint8_t *p;
        int depth, want;
    } cases[] = {{far, 2, 3}, {far, 3, 0}, {near, 3, 4}, {near, 5, 6}, {near, 6, 0}, {p, 6, 6}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct out rec = record(DTYPE_F32, cases[i].p, n, CAST_SAME, p, n, cases[i].depth, 0, &head);
        ck_assert_msg(head.depth == cases[i].want, "case %zu: depth %d", i, head.depth);
        out_fini(&rec);
    }
    free(p);
    free(near);
    free(far);
}
END_TEST

START_TEST(exact_copies_in_another_dtype)
{
    uint64_t seed = 6;
    size_t m = 131072;
    struct chunk_head head;
    uint8_t *p = trees_bytes(&seed, m * 4, 0), *bf16 = malloc(m * 2), *f16 = malloc(m * 2);
    uint32_t odd[] = {0x80000000, 0x7f800000, 0xff800000, 0x00000001, 0x807fffff, 0x7f7fffff};
    memcpy(p + 4000, odd, sizeof odd);
    cast_predict(CAST_F32_BF16, p, m * 2, bf16);
    cast_predict(CAST_F32_F16, p, m * 2, f16);
    struct out a = record(DTYPE_BF16, bf16, m * 2, CAST_F32_BF16, p, m * 4, 3, 0, &head);
    ck_assert_uint_eq(head.how.codec, CODEC_EXACT);
    ck_assert_uint_eq(head.depth, 3); /* adds none */
    ck_assert_uint_le(a.n, 64);
    struct out b = record(DTYPE_F16, f16, m * 2, CAST_F32_F16, p, m * 4, 0, 0, &head);
    ck_assert_uint_eq(head.how.codec, CODEC_EXACT);
    /* one NaN of another kind: nearly nothing */
    uint16_t nan = 0xffff;
    memcpy(f16 + 5000, &nan, 2);
    struct out c = record(DTYPE_F16, f16, m * 2, CAST_F32_F16, p, m * 4, 0, 0, &head);
    ck_assert_uint_eq(head.how.codec, CODEC_CTX);
    ck_assert_uint_lt(c.n, 1000);
    /* and the other way round: half of it is known */
    struct out d = record(DTYPE_F32, p, m * 4, CAST_BF16_F32, bf16, m * 2, 0, 0, &head);
    ck_assert_uint_eq(head.how.codec, CODEC_CTX);
    ck_assert_uint_lt(d.n, m * 2 + m * 2 / 16);
    out_fini(&a);
    out_fini(&b);
    out_fini(&c);
    out_fini(&d);
    free(p);
    free(bf16);
    free(f16);
}
END_TEST

/* Whatever bit of a record with a base is wrong: an error, or the right bytes. */
START_TEST(flipped_difference_is_refused)
{
    uint64_t seed = 7;
    size_t n = 16384;
    struct chunk_head head;
    uint8_t *p = trees_bytes(&seed, n, 0), *q = trained(p, n, &seed, 1e-6f);
    for (int fast = 0; fast < 2; fast++) {
        struct out rec = record(DTYPE_F32, q, n, CAST_SAME, p, n, 0, fast, &head);
        int refused = 0;
        for (size_t bit = 0; bit < rec.n * 8; bit += bit < 1600 ? 1 : 37) {
            rec.p[bit / 8] ^= (char)(1 << bit % 8);
            int r = chunk_decode(codec, rec.p, rec.n, p, room, n, hash_xxh3(q, n));
            if (r == 0)
                ck_assert(memcmp(q, room, n) == 0);
            else
                ck_assert(r == -EBADMSG || r == -ENOTSUP);
            refused += r < 0;
            rec.p[bit / 8] ^= (char)(1 << bit % 8);
        }
        ck_assert_int_gt(refused, 1000);
        for (size_t k = 0; k < rec.n; k += k < 300 ? 1 : 61)
            ck_assert_int_lt(chunk_decode(codec, rec.p, k, p, room, n, hash_xxh3(q, n)), 0);
        ck_assert_int_eq(chunk_decode(codec, rec.p, rec.n, NULL, room, n, hash_xxh3(q, n)), -EBADMSG);
        ck_assert_int_eq(chunk_decode(codec, rec.p, rec.n, q, room, n, hash_xxh3(q, n)), -EBADMSG);
        out_fini(&rec);
    }
    free(p);
    free(q);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *suite = suite_create("delta");
    TCase *t = tcase_create("kernels"), *r = tcase_create("records");
    tcase_set_timeout(t, 120);
    tcase_set_timeout(r, 120);
    tcase_add_test(t, casts_round_to_nearest_even);
    tcase_add_test(t, differences_are_steps_between_values);
    tcase_add_test(t, contexts_count_exponents_below_the_largest);
    tcase_add_test(t, classes_and_low_bits_are_the_value);
    tcase_add_checked_fixture(r, setup, teardown);
    tcase_add_test(r, a_trained_tensor_is_a_difference);
    tcase_add_test(r, long_chains_end);
    tcase_add_test(r, exact_copies_in_another_dtype);
    tcase_add_test(r, flipped_difference_is_refused);
    suite_add_tcase(suite, t);
    suite_add_tcase(suite, r);
    return suite;
}
