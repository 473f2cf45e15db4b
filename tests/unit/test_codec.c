/* SPDX-License-Identifier: Apache-2.0 */
#include "store/chunk.h"
#include "tests/unit/trees.h"

static struct codec_state *codec;
static uint8_t *encoded, *decoded;

static void setup(void)
{
    codec = codec_new();
    encoded = malloc(CODEC_MAX_RAW);
    decoded = malloc(CODEC_MAX_RAW);
    ck_assert(codec && encoded && decoded);
}

static void teardown(void)
{
    codec_free(codec);
    free(encoded);
    free(decoded);
}

static struct codec_result round_trip(enum dtype t, const uint8_t *p, size_t n, size_t *ret_n)
{
    struct codec_result how;
    int64_t k = codec_encode(codec, t, p, n, encoded, &how);
    ck_assert_int_ge(k, n ? 1 : 0);
    ck_assert_int_le(k, (int64_t)n);
    memset(decoded, 0xaa, n + 1 < CODEC_MAX_RAW ? n + 1 : n);
    ck_assert_int_eq(codec_decode(codec, t, &how, encoded, (size_t)k, NULL, decoded, n), 0);
    ck_assert(memcmp(p, decoded, n) == 0);
    if (n + 1 < CODEC_MAX_RAW)
        ck_assert_uint_eq(decoded[n], 0xaa); /* nothing is written past the end */
    *ret_n = (size_t)k;
    return how;
}

START_TEST(every_dtype_bit_for_bit)
{
    uint64_t seed = 11;
    for (int t = DTYPE_NONE; t < DTYPE_MAX; t++)
        for (int kind = 0; kind < 4; kind++)
            for (size_t i = 0; i < 9; i++) {
                static const size_t counts[] = {1, 2, 3, 7, 16, 17, 1000, 4097, 131072};
                size_t size = dtype_size((enum dtype)t) ? dtype_size((enum dtype)t) : 1, n = counts[i] * size,
                       k;
                uint8_t *p = trees_bytes(&seed, n, kind);
                round_trip((enum dtype)t, p, n, &k);
                free(p);
            }
}
END_TEST

/* NaNs with payloads, both zeros, infinities, subnormals: bit patterns like any other. */
START_TEST(special_values_bit_for_bit)
{
    static const uint32_t f32[] = {0x00000000, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001,
                                   0x7f800001, 0x00000001, 0x80000001, 0x7fffffff, 0xffffffff, 0x3f800000};
    uint8_t p[12 * 4 * 512];
    size_t k;
    for (size_t i = 0; i < sizeof p; i += 4)
        memcpy(p + i, &f32[i / 4 % 12], 4);
    round_trip(DTYPE_F32, p, sizeof p, &k);
    round_trip(DTYPE_F16, p, sizeof p, &k);
    round_trip(DTYPE_BF16, p, sizeof p, &k);
    round_trip(DTYPE_F64, p, sizeof p, &k);
}
END_TEST

/* All 65536 values of a 16-bit type: the rotation is a bijection. */
START_TEST(every_16_bit_value)
{
    uint8_t p[131072];
    size_t k;
    for (uint32_t i = 0; i < 65536; i++) {
        uint16_t x = (uint16_t)i;
        memcpy(p + 2 * i, &x, 2);
    }
    round_trip(DTYPE_BF16, p, sizeof p, &k);
    round_trip(DTYPE_I16, p, sizeof p, &k);
}
END_TEST

START_TEST(weights_shrink_and_noise_does_not_grow)
{
    uint64_t seed = 5;
    size_t n = 131072 * 4, k;
    uint8_t *weights = trees_bytes(&seed, n, 0), *noise = trees_bytes(&seed, n, 1);
    struct codec_result how = round_trip(DTYPE_F32, weights, n, &k);
    ck_assert_uint_eq(how.codec, CODEC_PLANES);
    ck_assert_uint_eq(how.rotated, 1);
    ck_assert_uint_lt(k, n * 92 / 100);
    how = round_trip(DTYPE_F32, noise, n, &k);
    ck_assert_uint_eq(how.codec, CODEC_RAW);
    ck_assert_uint_eq(k, n);
    memset(noise, 0, n); /* one symbol: level 1 is tried too */
    round_trip(DTYPE_F32, noise, n, &k);
    ck_assert_uint_lt(k, 200);
    free(weights);
    free(noise);
}
END_TEST

static struct out record_of(enum dtype t, const uint8_t *p, size_t n)
{
    struct out rec = {0};
    struct chunk_head head;
    ck_ok(chunk_encode(codec, t, p, n, hash_xxh3(p, n), NULL, decoded, &rec, &head));
    ck_assert_uint_eq(head.raw, n);
    return rec;
}

/* Whatever bit of a record is wrong: an error, or the right bytes. */
START_TEST(flipped_record_is_refused)
{
    uint64_t seed = 6;
    size_t n = 4096;
    uint8_t *p = trees_bytes(&seed, n, 0);
    struct out rec = record_of(DTYPE_F32, p, n);
    int refused = 0;
    for (size_t bit = 0; bit < rec.n * 8; bit++) {
        rec.p[bit / 8] ^= (char)(1 << bit % 8);
        int r = chunk_decode(codec, rec.p, rec.n, NULL, decoded, n, hash_xxh3(p, n));
        if (r == 0)
            ck_assert(memcmp(p, decoded, n) == 0);
        else
            ck_assert(r == -EBADMSG || r == -ENOTSUP);
        refused += r < 0;
        rec.p[bit / 8] ^= (char)(1 << bit % 8);
    }
    ck_assert_int_gt(refused, (int)rec.n * 8 * 9 / 10);
    for (size_t k = 0; k < rec.n; k++) /* and cut short anywhere */
        ck_assert_int_lt(chunk_decode(codec, rec.p, k, NULL, decoded, n, hash_xxh3(p, n)), 0);
    out_fini(&rec);
    free(p);
}
END_TEST

START_TEST(right_record_under_a_wrong_name_is_refused)
{
    uint64_t seed = 7;
    uint8_t *p = trees_bytes(&seed, 1000, 0);
    struct out rec = record_of(DTYPE_F32, p, 1000);
    ck_assert_int_eq(chunk_decode(codec, rec.p, rec.n, NULL, decoded, 1000, hash_xxh3(p, 1000) + 1),
                     -EBADMSG);
    ck_assert_int_eq(chunk_decode(codec, rec.p, rec.n, NULL, decoded, 996, hash_xxh3(p, 1000)), -EBADMSG);
    ck_assert_int_eq(chunk_decode(codec, rec.p, rec.n, NULL, decoded, 1000, hash_xxh3(p, 1000)), 0);
    out_fini(&rec);
    free(p);
}
END_TEST

START_TEST(unassigned_codes_are_of_a_newer_modelfs)
{
    static const struct {
        size_t at;
        char value;
    } codes[] = {{0, 2},
                 {1, CODEC_MAX},
                 {4, CAST_MAX},
                 {6, 2},
                 {40, CODER_MAX}}; /* version codec predictor flags coder */
    uint64_t seed = 8;
    uint8_t *p = trees_bytes(&seed, 1000, 0);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct out rec = record_of(DTYPE_F32, p, 1000);
        rec.p[codes[i].at] = codes[i].value;
        ck_assert_int_eq(chunk_decode(codec, rec.p, rec.n, NULL, decoded, 1000, hash_xxh3(p, 1000)),
                         -ENOTSUP);
        out_fini(&rec);
    }
    free(p);
}
END_TEST

/* A frame that would give more than the record says stops at the room there is. */
START_TEST(bomb_stops_at_the_given_length)
{
    size_t n = CODEC_MAX_RAW, k;
    uint8_t *zeros = calloc(1, n);
    struct codec_result how = round_trip(DTYPE_NONE, zeros, n, &k);
    ck_assert_int_eq(codec_decode(codec, DTYPE_NONE, &how, encoded, k, NULL, decoded, 1000), -EBADMSG);
    free(zeros);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *suite = suite_create("codec");
    TCase *t = tcase_create("codec");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, every_dtype_bit_for_bit);
    tcase_add_test(t, special_values_bit_for_bit);
    tcase_add_test(t, every_16_bit_value);
    tcase_add_test(t, weights_shrink_and_noise_does_not_grow);
    tcase_add_test(t, flipped_record_is_refused);
    tcase_add_test(t, right_record_under_a_wrong_name_is_refused);
    tcase_add_test(t, unassigned_codes_are_of_a_newer_modelfs);
    tcase_add_test(t, bomb_stops_at_the_given_length);
    suite_add_tcase(suite, t);
    return suite;
}
