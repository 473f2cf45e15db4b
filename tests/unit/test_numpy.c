/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/wire.h"
#include "tests/unit/formats.h"

/* A .npy of the given version, header and payload. */
static struct out npy(int major, const char *dict, const void *p, size_t n)
{
    struct out o = {0};
    out_write(&o, "\x93NUMPY", 6);
    wire_put_u8(&o, (uint8_t)major);
    wire_put_u8(&o, 0);
    wire_put_uint(&o, strlen(dict), major == 1 ? 2 : 4);
    out_str(&o, dict);
    if (n)
        out_write(&o, p, n);
    return o;
}

static void refused(int major, const char *dict, size_t n, const char *text)
{
    static const char zeros[256];
    struct out o = npy(major, dict, zeros, n);
    formats_refused("x.npy", o.p, o.n, text);
    out_fini(&o);
}

START_TEST(reads_what_numpy_wrote)
{
    size_t n;
    struct arena a = {0};
    char *p = unit_read_file("tests/data/arrays/weight.npy", &n);
    struct layout l = formats_parse("weight.npy", p, n, &a);
    ck_assert_int_eq(l.format, FORMAT_NPY);
    const struct tensor *t = formats_tensor(&l, "array");
    ck_assert(t->dtype == DTYPE_F32 && t->rank == 2 && t->shape[0] == 30 && t->shape[1] == 40);
    ck_assert_uint_eq(t->off + t->len, n);
    free(p);
    p = unit_read_file("tests/data/arrays/w.npz", &n);
    l = formats_parse("w.npz", p, n, &a);
    ck_assert_int_eq(l.format, FORMAT_NPZ);
    ck_assert_uint_eq(l.ntensors, 4);
    ck_assert_int_eq(formats_tensor(&l, "half")->dtype, DTYPE_F16);
    ck_assert_int_eq(formats_tensor(&l, "steps")->dtype, DTYPE_I64);
    t = formats_tensor(&l, "layer.weight");
    char *lone = unit_read_file("tests/data/arrays/weight.npy", &n);
    ck_assert(memcmp(p + t->off, lone + n - t->len, t->len) == 0);
    free(lone);
    free(p);
    arena_fini(&a);
}
END_TEST

START_TEST(headers_in_all_their_forms)
{
    static const char data[64];
    static const struct {
        int major;
        const char *dict;
        size_t n;
        int dtype;
        uint32_t rank, flags;
    } ok[] = {
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }  \n", 24, DTYPE_F32, 2,
         TENSOR_SEGMENT},
        {2, "{\"shape\":(4,),\"descr\":\"<i8\",\"fortran_order\":False}", 32, DTYPE_I64, 1, TENSOR_SEGMENT},
        {3, "{'descr': '|u1', 'fortran_order': True, 'shape': (5L,)}", 5, DTYPE_U8, 1, TENSOR_SEGMENT},
        {1, "{'descr': '<f8', 'fortran_order': False, 'shape': ()}", 8, DTYPE_F64, 0, TENSOR_SEGMENT},
        {1, "{'descr': '<f2', 'fortran_order': False, 'shape': (0, 7)}", 0, DTYPE_F16, 2, TENSOR_VIEW},
        {1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3)}", 24, DTYPE_F32, 2, TENSOR_STRIDED},
        {1, "{'descr': '>f4', 'fortran_order': False, 'shape': (2,)}", 8, DTYPE_NONE, 1, TENSOR_VIEW},
        {1, "{'descr': '<U7', 'fortran_order': False, 'shape': (2,)}", 56, DTYPE_NONE, 1, TENSOR_VIEW},
    };
    for (size_t i = 0; i < sizeof ok / sizeof *ok; i++) {
        struct arena a = {0};
        struct out o = npy(ok[i].major, ok[i].dict, data, ok[i].n);
        struct layout l = formats_parse("x.npy", o.p, o.n, &a);
        const struct tensor *t = formats_tensor(&l, "array");
        ck_assert_msg((int)t->dtype == ok[i].dtype && t->rank == ok[i].rank && t->flags == ok[i].flags, "%s",
                      ok[i].dict);
        out_fini(&o);
        arena_fini(&a);
    }
}
END_TEST

START_TEST(malformed_headers)
{
    formats_refused("x.npy", "\x93NUMPY\1\0\xff\xff", 10, "a header of 65535 bytes");
    formats_refused("x.npy", "\x93NUMPY\2\0\xff\xff\xff\xff", 12, "a header of 4294967295 bytes");
    formats_refused("x.npy", "", 0, "are no array");
    formats_refused("x.npy", "{'descr': '<f4'}", 16, "no array of version");
    refused(4, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 4, "no array of version 1 to 3");
    refused(1, "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", 8, "objects, not read");
    refused(1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", 4, "a structured type");
    refused(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 8)}", 8, "");
    refused(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", 4, "a shape");
    refused(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", 4, "a shape");
    refused(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}", 8, "a shape");
    refused(1, "{'descr': '<f4', 'fortran_order': False, 'shape': 3}", 12, "no tuple");
    refused(1, "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", 4, "neither True nor False");
    refused(1, "{'descr': '<f4', 'fortran_order': False}", 4, "less, or more");
    refused(1, "{'descr': '<f4', 'descr': '<f4', 'shape': (1,)}", 4, "or twice");
    refused(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", 4, "does not belong");
    refused(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", 4, "less, or more");
    refused(1, "{'descr': '<f\\x34', 'fortran_order': False, 'shape': (1,)}", 4, "no type");
    refused(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 3, "but 3 bytes follow");
    refused(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 5, "but 5 bytes follow");
    struct out many = {0};
    out_str(&many, "{'shape': ");
    for (int i = 0; i < 60000; i++)
        out_char(&many, '(');
    refused(1, out_cstr(&many), 0, "a shape");
    out_fini(&many);
}
END_TEST

START_TEST(damaged_files)
{
    size_t n;
    char *p = unit_read_file("tests/data/arrays/weight.npy", &n);
    formats_damage("weight.npy", p, n, 128);
    free(p);
    p = unit_read_file("tests/data/arrays/w.npz", &n);
    formats_damage("w.npz", p, n, 128);
    /* a member that is said to be compressed */
    char *dir = memmem(p, n, "PK\1\2", 4);
    ck_assert_ptr_nonnull(dir);
    dir[10] = 8;
    formats_refused("w.npz", p, n, "is not stored as it is");
    dir[10] = 0;
    dir[8] |= 1;
    formats_refused("w.npz", p, n, "is encrypted");
    free(p);
    formats_refused("w.npz", "PK\3\4", 4, "no central directory");
}
END_TEST

Suite *unit_suite(void)
{
    Suite *suite = suite_create("numpy");
    TCase *t = tcase_create("numpy");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, reads_what_numpy_wrote);
    tcase_add_test(t, headers_in_all_their_forms);
    tcase_add_test(t, malformed_headers);
    tcase_add_test(t, damaged_files);
    suite_add_tcase(suite, t);
    return suite;
}
