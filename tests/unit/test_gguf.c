/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/wire.h"
#include "tests/unit/formats.h"

static void put_string(struct out *o, const char *s)
{
    wire_put_u64(o, strlen(s));
    out_str(o, s);
}

static struct out head(uint32_t version, uint64_t tensors, uint64_t pairs)
{
    struct out o = {0};
    out_str(&o, "GGUF");
    wire_put_u32(&o, version);
    wire_put_u64(&o, tensors);
    wire_put_u64(&o, pairs);
    return o;
}

static void put_tensor(struct out *o, const char *name, uint32_t rank, const uint64_t *dims, uint32_t type,
                       uint64_t off)
{
    put_string(o, name);
    wire_put_u32(o, rank);
    for (uint32_t i = 0; i < rank && i < 8; i++)
        wire_put_u64(o, dims[i]);
    wire_put_u32(o, type);
    wire_put_u64(o, off);
}

/* o, padded and followed by 256 bytes of data, must be refused. */
static void refused(struct out *o, const char *text)
{
    while (o->n % 32 || o->n < 256)
        out_char(o, 0);
    for (int i = 0; i < 256; i++)
        out_char(o, 0);
    formats_refused("x.gguf", o->p, o->n, text);
    out_fini(o);
}

static void tensor_refused(uint32_t rank, const uint64_t *dims, uint32_t type, uint64_t off, const char *text)
{
    struct out o = head(3, 1, 0);
    put_tensor(&o, "t", rank, dims, type, off);
    refused(&o, text);
}

START_TEST(reads_tensors_and_metadata)
{
    size_t n;
    struct arena a = {0};
    char *p = unit_read_file("tests/data/arrays/w.gguf", &n);
    struct layout l = formats_parse("w.gguf", p, n, &a);
    ck_assert_int_eq(l.format, FORMAT_GGUF);
    ck_assert_uint_eq(l.ntensors, 5);
    const struct tensor *t = formats_tensor(&l, "layer.weight");
    ck_assert(t->dtype == DTYPE_F32 && t->rank == 2 && t->shape[0] == 30 && t->shape[1] == 40);
    ck_assert(t->flags & TENSOR_SEGMENT);
    size_t k;
    char *lone = unit_read_file("tests/data/arrays/weight.npy", &k);
    ck_assert(memcmp(p + t->off, lone + k - t->len, t->len) == 0);
    t = formats_tensor(&l, "quantised");
    ck_assert(t->dtype == DTYPE_NONE && t->count == 192 && t->len == 108);
    json_t *v = formats_structure(&l);
    ck_assert_int_eq(json_integer_value(json_object_get(v, "version")), 3);
    ck_assert_str_eq(
        json_string_value(json_object_get(json_object_get(v, "metadata"), "general.architecture")), "test");
    ck_assert(json_number_value(json_object_get(json_object_get(v, "metadata"), "eps")) == 0.5);
    ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(v, "arrays"), "tokens")), 2);
    ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(v, "types"), "F32")), 2);
    json_decref(v);
    formats_damage("w.gguf", p, n, 256);
    free(lone);
    free(p);
    arena_fini(&a);
}
END_TEST

START_TEST(malformed_heads)
{
    static const uint32_t versions[] = {0, 1, 4, 0x03000000};
    for (size_t i = 0; i < 4; i++) {
        struct out o = head(versions[i], 0, 0);
        refused(&o, "version");
    }
    struct out o = head(3, 0, UINT64_MAX);
    refused(&o, "number of pairs");
    o = head(3, UINT64_C(1) << 60, 0);
    refused(&o, "number of tensors");
    o = head(3, 0, 1);
    wire_put_u64(&o, UINT64_C(1) << 63);
    refused(&o, "a string of bytes");
    formats_refused("x.gguf", "GGUf", 4, "no GGUF");
}
END_TEST

START_TEST(malformed_pairs)
{
    struct out o = head(3, 0, 1);
    put_string(&o, "a");
    wire_put_u32(&o, 9); /* an array of arrays */
    for (int i = 0; i < 10000; i++) {
        wire_put_u32(&o, 9);
        wire_put_u64(&o, 1);
    }
    refused(&o, "an array of type 9");
    o = head(3, 0, 1);
    put_string(&o, "a");
    wire_put_u32(&o, 13);
    refused(&o, "a value of type 13");
    o = head(3, 0, 1);
    put_string(&o, "a");
    wire_put_u32(&o, 7);
    wire_put_u8(&o, 2);
    refused(&o, "a boolean 2");
    o = head(3, 0, 1);
    put_string(&o, "a");
    wire_put_u32(&o, 8);
    wire_put_u64(&o, 1 << 30);
    refused(&o, "a string of bytes");
    o = head(3, 0, 1);
    put_string(&o, "a");
    wire_put_u32(&o, 9);
    wire_put_u32(&o, 6);
    wire_put_u64(&o, UINT64_C(1) << 62);
    refused(&o, "an array of elements");
    o = head(3, 0, 2);
    for (int i = 0; i < 2; i++) {
        put_string(&o, "a");
        wire_put_u32(&o, 0);
        wire_put_u8(&o, 1);
    }
    refused(&o, "is there twice");
    static const uint32_t alignments[] = {0, 3, 4};
    for (size_t i = 0; i < 3; i++) {
        o = head(3, 0, 1);
        put_string(&o, "general.alignment");
        wire_put_u32(&o, 4);
        wire_put_u32(&o, alignments[i]);
        refused(&o, "an alignment of");
    }
    o = head(3, 1, 1);
    put_string(&o, "general.alignment");
    wire_put_u32(&o, 4);
    wire_put_u32(&o, 1 << 30);
    put_tensor(&o, "t", 1, (uint64_t[]){4}, 0, 0);
    refused(&o, "pass the end");
}
END_TEST

START_TEST(malformed_tensors)
{
    static const uint32_t ranks[] = {5, 9, UINT32_MAX}, types[] = {UINT32_MAX, 4, 5, 31, 36};
    uint64_t d[] = {8, 1, 1, 1, 1, 1, 1, 1, 1};
    for (size_t i = 0; i < 3; i++)
        tensor_refused(ranks[i], d, 0, 0, "a tensor of dimensions");
    for (size_t i = 0; i < 5; i++)
        tensor_refused(1, d, types[i], 0, "a tensor of type");
    tensor_refused(2, (uint64_t[]){1152, UINT64_C(4398046511105)}, 0, 0, "pass the end");
    tensor_refused(4, (uint64_t[]){UINT64_MAX, 2, 1, 1}, 0, 0, "tensor \"t\"");
    tensor_refused(1, d, 0, 1, "not aligned");
    tensor_refused(1, d, 0, 1 << 20, "pass the end");
    tensor_refused(1, d, 0, UINT64_MAX - 31, "pass the end");
    tensor_refused(1, (uint64_t[]){33}, 2, 0, "no whole blocks of Q4_0");
    struct out o = head(3, 2, 0);
    put_tensor(&o, "a", 1, d, 0, 0);
    put_tensor(&o, "b", 1, d, 0, 0);
    refused(&o, "overlap");
    o = head(3, 2, 0);
    put_tensor(&o, "a", 1, d, 0, 0);
    put_tensor(&o, "a", 1, d, 0, 32);
    refused(&o, "two tensors are named");
}
END_TEST

Suite *unit_suite(void)
{
    Suite *suite = suite_create("gguf");
    TCase *t = tcase_create("gguf");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, reads_tensors_and_metadata);
    tcase_add_test(t, malformed_heads);
    tcase_add_test(t, malformed_pairs);
    tcase_add_test(t, malformed_tensors);
    suite_add_tcase(suite, t);
    return suite;
}
