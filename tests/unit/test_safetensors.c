/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/out.h"
#include "store/base/wire.h"
#include "store/format/layout.h"
#include "tests/unit/formats.h"
#include <math.h>

#define NAME "model.safetensors"

/* u64le length | json | data bytes of 0, 1, 2, … */
static struct out file(const char *json, size_t data)
{
    struct out o = {0};
    wire_put_u64(&o, strlen(json));
    out_str(&o, json);
    for (size_t i = 0; i < data; i++)
        out_char(&o, (char)i);
    return o;
}

START_TEST(reads_all)
{
    struct out o = file("{\"__metadata__\":{\"format\":\"pt\"},"
                        "\"b\":{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[16,28]},"
                        "\"none\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[16,16]},"
                        "\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]},"
                        "\"one\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[28,36]}}   ",
                        36);
    size_t data = o.n - 36;
    struct arena a = {0};
    struct layout l = formats_parse(NAME, o.p, o.n, &a);
    ck_assert_ptr_null(l.problem);
    ck_assert_int_eq(l.format, FORMAT_SAFETENSORS);
    ck_assert_uint_eq(l.ntensors, 4);
    ck_assert_uint_eq(l.nsegments, 4); /* header, a, b, one */
    const struct tensor *t = formats_tensor(&l, "b");
    ck_assert(t->dtype == DTYPE_BF16 && t->rank == 2 && t->shape[0] == 2 && t->shape[1] == 3 &&
              t->count == 6);
    ck_assert(t->off == data + 16 && t->len == 12 && t->flags == TENSOR_SEGMENT && t->segment == 2);
    t = formats_tensor(&l, "none");
    ck_assert(t->len == 0 && t->count == 0 && t->flags == TENSOR_VIEW);
    t = formats_tensor(&l, "one");
    ck_assert(t->rank == 0 && t->count == 1 && t->len == 8);
    ck_assert_str_eq(l.structure, "{\"metadata\":{\"format\":\"pt\"}}");
    struct layout by_content = formats_parse("weights", o.p, o.n, &a);
    ck_assert_int_eq(by_content.format, FORMAT_SAFETENSORS);
    arena_fini(&a);
    out_fini(&o);
}
END_TEST

START_TEST(empty_header_is_valid)
{
    struct arena a = {0};
    struct out o = file("{}", 0);
    struct layout l = formats_parse(NAME, o.p, o.n, &a);
    ck_assert_ptr_null(l.problem);
    ck_assert_uint_eq(l.nsegments, 1);
    out_fini(&o);
    arena_fini(&a);
}
END_TEST

#define T(name, dtype, shape, from, to) \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #from "," #to "]}"
static const struct {
    const char *json;
    size_t data;
    const char *problem;
} refused[] = {
    {"{}", 1, "1 bytes after the last tensor"},
    {"{" T("a", "U8", "[1]", 0, 1) "," T("a", "U8", "[1]", 1, 2) "}", 2, "duplicate"},
    {"{" T("a", "U8", "[4]", 0, 4) "," T("b", "U8", "[4]", 2, 6) "}", 6, "an overlap"},
    {"{" T("a", "U8", "[1]", 0, 1) "," T("b", "U8", "[1]", 2, 3) "}", 3, "a hole"},
    {"{" T("a", "U8", "[1]", 1, 2) "}", 2, "a hole"},
    {"{" T("a", "U8", "[4]", 4, 0) "}", 4, "no range"},
    {"{" T("a", "U8", "[4]", 0, 5) "}", 4, "no range"},
    {"{" T("a", "U8", "[18446744073709551616]", 0, 1) "}", 1, "dimension 0 is not an unsigned integer"},
    {"{" T("a", "U8", "[1.0]", 0, 1) "}", 1, "dimension 0"},
    {"{" T("a", "U8", "[1e0]", 0, 1) "}", 1, "dimension 0"},
    {"{" T("a", "U8", "[\"1\"]", 0, 1) "}", 1, "dimension 0"},
    {"{" T("a", "U8", "[-1]", 0, 1) "}", 1, "dimension 0"},
    {"{" T("a", "U8", "[4611686018427387904,8]", 0, 1) "}", 1, "63 bits"},
    {"{" T("a", "U8", "[0,4611686018427387904,8]", 0, 0) "}", 0, "63 bits"},
    {"{" T("a", "F64", "[2305843009213693953]", 0, 8) "}", 8, "do not fill"},
    {"{" T("a", "F32", "[1]", 0, 3) "}", 3, "do not fill"},
    {"{" T("a", "F4", "[3]", 0, 1) "}", 1, "do not fill"},
    {"{" T("a", "U7", "[1]", 0, 1) "}", 1, "unknown dtype \"U7\""},
    {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "unknown dtype"},
    {"{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, "no shape"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "no range"},
    {"{\"a\":7}", 1, "unknown dtype"},
    {" {}", 0, "does not begin with '{'"},
    {"\xef\xbb\xbf{}", 0, "does not begin with '{'"},
    {"[]", 0, "does not begin with '{'"},
    {"{} x", 0, "JSON"},
    {"{\"__metadata__\":{\"k\":1}}", 0, "\"k\" is no string"},
    {"{\"__metadata__\":[]}", 0, "no object"},
    {"{" T("a\\u0000b", "U8", "[1]", 0, 1) "}", 1, "NUL"},
    {"{" T("\xff", "U8", "[1]", 0, 1) "}", 1, "JSON"},
    {"{" T("\\ud800", "U8", "[1]", 0, 1) "}", 1, "JSON"},
};

START_TEST(refuses)
{
    struct out o = file(refused[_i].json, refused[_i].data);
    formats_refused(NAME, o.p, o.n, refused[_i].problem);
    out_fini(&o);
}
END_TEST

static const struct {
    const char *bytes;
    size_t n;
    const char *problem;
} raw[] = {
    {"", 0, "too short"},
    {"\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, "exceeds 100000000"},
    {"\x01\xe1\xf5\x05\0\0\0\0{", 9, "exceeds 100000000"},
    {"\0\0\0\0\0\0\0\0", 8, "does not begin with '{'"},
    {"\x09\0\0\0\0\0\0\0{}", 10, "exceeds the file's 10 bytes"},
};

START_TEST(refuses_raw)
{
    formats_refused(NAME, raw[_i].bytes, raw[_i].n, raw[_i].problem);
    struct arena a = {0};
    ck_assert_ptr_null(formats_parse("notes.txt", raw[_i].bytes, raw[_i].n, &a).problem);
    arena_fini(&a);
}
END_TEST

START_TEST(odd_names_are_kept)
{
    static const char *const names[] = {"../../etc/passwd", "", "..", "a/b", "\\u001b[2J", "\\u202e"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct out json = {0};
        out_printf(&json, "{\"%s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", names[i]);
        struct out o = file(out_cstr(&json), 1);
        struct arena a = {0};
        struct layout l = formats_parse(NAME, o.p, o.n, &a);
        ck_assert_ptr_null(l.problem);
        ck_assert_uint_eq(l.ntensors, 1);
        arena_fini(&a);
        out_fini(&o);
        out_fini(&json);
    }
    struct out json = {0}; /* a name that acts on a terminal does not reach it through the problem */
    out_str(&json, "{\"\\u001b[2J\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,1]}}");
    struct out o = file(out_cstr(&json), 1);
    formats_refused(NAME, o.p, o.n, "tensor \"\\x1b[2J\"");
    out_fini(&o);
    out_reset(&json);
    out_str(&json, "{\"");
    for (int i = 0; i < 5000; i++)
        out_char(&json, 'n');
    out_str(&json, "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}");
    o = file(out_cstr(&json), 1);
    formats_refused(NAME, o.p, o.n, "name of 5000 bytes");
    out_fini(&o);
    out_fini(&json);
}
END_TEST

START_TEST(bombs)
{
    struct out json = {0};
    out_str(&json, "{\"__metadata__\":");
    for (int i = 0; i < 100000; i++)
        out_char(&json, '[');
    struct out o = file(out_cstr(&json), 0);
    formats_refused(NAME, o.p, o.n, "nested deeper than 64");
    out_fini(&o);
    out_reset(&json); /* few bytes each, much memory each */
    out_str(&json, "{\"x\":[");
    for (int i = 0; i < 3000000; i++)
        out_str(&json, "[],");
    out_str(&json, "0]}");
    o = file(out_cstr(&json), 0);
    formats_refused(NAME, o.p, o.n, "more than 256 MiB");
    out_fini(&o);
    out_fini(&json);
}
END_TEST

START_TEST(many_empty_tensors)
{
    struct out json = {0};
    out_char(&json, '{');
    for (int i = 0; i < 200000; i++)
        out_printf(&json, "%s\"t%d\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}", i ? "," : "",
                   i);
    out_char(&json, '}');
    struct out o = file(out_cstr(&json), 0);
    struct arena a = {0};
    struct layout l = formats_parse(NAME, o.p, o.n, &a);
    ck_assert_ptr_null(l.problem);
    ck_assert_uint_eq(l.ntensors, 200000);
    arena_fini(&a);
    out_fini(&o);
    out_fini(&json);
}
END_TEST

START_TEST(damage)
{
    struct out o = file("{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]},"
                        "\"b\":{\"dtype\":\"I64\",\"shape\":[2,1],\"data_offsets\":[16,32]}}",
                        32);
    formats_damage(NAME, o.p, o.n, o.n - 32);
    out_fini(&o);
}
END_TEST

/* Whose fault it is must not be mixed up: a failing disk is no malformed file. */
static int broken_read(void *ctx, uint64_t off, void *p, size_t n)
{
    (void)ctx, (void)off, (void)p, (void)n;
    return (fail)(-EIO, "disk"); /* not the macro of check.h */
}

START_TEST(trouble_is_not_a_problem)
{
    struct arena a = {0};
    struct layout l;
    struct input in = {broken_read, NULL, 100, NAME};
    ck_assert_int_eq(format_parse(&in, &a, &l), -EIO);
    arena_fini(&a);
}
END_TEST

START_TEST(dtypes)
{
    for (int t = DTYPE_BOOL; t < DTYPE_MAX; t++) {
        ck_assert_str_ne(dtype_name(t), "?");
        ck_assert_uint_gt(dtype_size(t), 0);
        ck_assert_int_eq(dtype_is_float(t), dtype_precision(t) > 0);
    }
    ck_assert_str_eq(dtype_name(DTYPE_NONE), "?");
    ck_assert_str_eq(dtype_name((enum dtype)99), "?");
    ck_assert_uint_eq(dtype_size((enum dtype) - 1), 0);
    double x[6];
    dtype_decode(DTYPE_F16, "\x00\x3c\x00\xc0\x01\x00\xff\x7b\x00\x7c\x01\x7e", 6, x);
    ck_assert(x[0] == 1 && x[1] == -2 && x[2] == 0x1p-24 && x[3] == 65504 && isinf(x[4]) && isnan(x[5]));
    dtype_decode(DTYPE_F16, "\x01\x80\xff\x03\x00\x80\x00\xfc", 4, x);
    ck_assert(x[0] == -0x1p-24 && x[1] == 1023 * 0x1p-24 && x[2] == 0 && signbit(x[2]) && x[3] == -INFINITY);
    dtype_decode(DTYPE_BF16, "\x80\x3f\x49\xc0", 2, x);
    ck_assert(x[0] == 1 && x[1] == -3.140625);
    dtype_decode(DTYPE_F8_E4M3, "\x38\xfe\x01\x7f\x08\x80", 6, x);
    ck_assert(x[0] == 1 && x[1] == -448 && x[2] == 0x1p-9 && isnan(x[3]) && x[4] == 0x1p-6 && x[5] == 0);
    dtype_decode(DTYPE_F8_E5M2, "\x3c\x7b\x01\x7c", 4, x);
    ck_assert(x[0] == 1 && x[1] == 57344 && x[2] == 0x1p-16 && isinf(x[3]));
    dtype_decode(DTYPE_I16, "\xff\xff\x00\x80", 2, x);
    ck_assert(x[0] == -1 && x[1] == -32768);
    dtype_decode(DTYPE_U32, "\xff\xff\xff\xff", 1, x);
    ck_assert(x[0] == 4294967295.0);
    dtype_decode(DTYPE_I64, "\xfe\xff\xff\xff\xff\xff\xff\xff", 1, x);
    ck_assert(x[0] == -2);
    dtype_decode(DTYPE_BOOL, "\0\2", 2, x);
    ck_assert(x[0] == 0 && x[1] == 1);
    dtype_decode(DTYPE_C64, "\0\0\0\0\0\0\0\0", 1, x);
    ck_assert(isnan(x[0]));
}
END_TEST

START_TEST(buffered_reads_equal_plain_ones)
{
    char big[10000], got[5000];
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)(i * 7);
    struct input_memory m;
    struct input in = input_over("x", big, sizeof big, &m);
    struct input_buffer b = {.in = &in};
    static const struct {
        uint64_t off;
        size_t n;
    } reads[] = {{0, 4}, {4090, 8}, {4096, 4096}, {0, 5000}, {9999, 1}, {9000, 1000}, {10000, 0}, {5, 0}};
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++) {
        ck_assert_int_eq(input_buffered(&b, reads[i].off, got, reads[i].n), 0);
        ck_assert_mem_eq(got, big + reads[i].off, reads[i].n);
    }
    ck_assert_int_eq(input_buffered(&b, 9999, got, 2), -EBADMSG);
    ck_assert_int_eq(input_buffered(&b, UINT64_MAX, got, 2), -EBADMSG);
    ck_assert_str_eq(fail_text(), "x: ends at byte 10000, needed 2 bytes at offset 18446744073709551615");
}
END_TEST

/* Views: the longer of two at one place is the segment; one that begins inside another is a view. */
START_TEST(overlaps_become_views)
{
    struct arena a = {0};
    char bytes[100] = {0};
    struct input_memory m;
    struct input in = input_over("x", bytes, sizeof bytes, &m);
    struct tensor t[] = {
        {.name = "part", .dtype = DTYPE_U8, .off = 10, .len = 5, .count = 5},
        {.name = "whole", .dtype = DTYPE_U8, .off = 10, .len = 50, .count = 50},
        {.name = "late", .dtype = DTYPE_U8, .off = 55, .len = 20, .count = 20},
        {.name = "strided", .dtype = DTYPE_U8, .off = 0, .len = 90, .flags = TENSOR_STRIDED}};
    struct out list = {0};
    out_write(&list, t, sizeof t);
    struct layout l = {0};
    ck_assert_int_eq(layout_finish(&in, &a, &list, &l), 0);
    ck_assert_uint_eq(l.nsegments, 3);
    ck_assert_uint_eq(formats_tensor(&l, "whole")->flags, TENSOR_SEGMENT);
    ck_assert_uint_eq(formats_tensor(&l, "part")->flags, TENSOR_VIEW);
    ck_assert_uint_eq(formats_tensor(&l, "late")->flags, TENSOR_VIEW);
    ck_assert_uint_eq(formats_tensor(&l, "strided")->flags, TENSOR_STRIDED);
    ck_assert_str_eq(l.tensors[l.segments[1].tensor].name, "whole");
    t[1].len = 91;
    out_reset(&list);
    out_write(&list, t, sizeof t);
    ck_assert_int_eq(layout_finish(&in, &a, &list, &l), -EBADMSG);
    out_fini(&list);
    arena_fini(&a);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("safetensors");
    TCase *c = tcase_create("safetensors");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, reads_all);
    tcase_add_test(c, empty_header_is_valid);
    tcase_add_loop_test(c, refuses, 0, sizeof refused / sizeof *refused);
    tcase_add_loop_test(c, refuses_raw, 0, sizeof raw / sizeof *raw);
    tcase_add_test(c, odd_names_are_kept);
    tcase_add_test(c, bombs);
    tcase_add_test(c, many_empty_tensors);
    tcase_add_test(c, damage);
    tcase_add_test(c, trouble_is_not_a_problem);
    tcase_add_test(c, dtypes);
    tcase_add_test(c, buffered_reads_equal_plain_ones);
    tcase_add_test(c, overlaps_become_views);
    suite_add_tcase(s, c);
    return s;
}
