/* SPDX-License-Identifier: Apache-2.0 */
/* NumPy files from anybody. */
#include "fs/eval/array.h"
#include "store/base/fail.h"
#include "store/base/out.h"
#include "tests/unit/trees.h"
#include <errno.h>

/* A file of version 1.0 with this header and n bytes of data. */
static void make(struct out *o, const char *header, const void *data, size_t n)
{
    size_t len = strlen(header);
    out_reset(o);
    out_write(o, "\x93NUMPY\x01\x00", 8);
    out_char(o, (char)(len & 255));
    out_char(o, (char)(len >> 8));
    out_str(o, header);
    out_write(o, data, n);
}

START_TEST(what_numpy_writes)
{
    static const float f[6] = {0, 1, -2.5F, 3, 4, 5e30F};
    static const int16_t n[2] = {-7, 300};
    static const uint16_t h[4] = {0x3c00, 0xc000, 0x0001, 0x7c00}; /* 1, -2, 2^-24, infinity */
    struct out o = {0};
    struct array a;
    make(&o, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n", f, sizeof f);
    ck_ok(array_parse(o.p, o.n, &a));
    ck_assert(a.dtype == DTYPE_F32 && a.rank == 2 && a.shape[0] == 2 && a.shape[1] == 3 && a.count == 6);
    for (size_t i = 0; i < 6; i++)
        ck_assert_double_eq(array_number(&a, i), (double)f[i]);
    json_t *v = array_lists(&a);
    ck_assert_uint_eq(json_array_size(v), 2);
    ck_assert_double_eq(json_number_value(json_array_get(json_array_get(v, 0), 2)), -2.5);
    json_decref(v);
    make(&o, "{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }\n", n, sizeof n);
    ck_ok(array_parse(o.p, o.n, &a));
    ck_assert(array_number(&a, 0) == -7 && array_number(&a, 1) == 300);
    make(&o, "{'descr': '<f2', 'fortran_order': False, 'shape': (4,), }\n", h, sizeof h);
    ck_ok(array_parse(o.p, o.n, &a));
    ck_assert(array_number(&a, 0) == 1 && array_number(&a, 1) == -2);
    ck_assert_double_eq(array_number(&a, 2), 1.0 / (1 << 24));
    ck_assert(array_number(&a, 3) > 1e300);
    ck_assert_ptr_null(array_lists(&a)); /* infinity */
    make(&o, "{'descr': '|u1', 'fortran_order': False, 'shape': (), }\n", "\x07", 1);
    ck_ok(array_parse(o.p, o.n, &a));
    ck_assert(a.rank == 0 && a.count == 1 && array_number(&a, 0) == 7);
    make(&o, "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 4), }\n", "", 0);
    ck_ok(array_parse(o.p, o.n, &a));
    ck_assert(a.rank == 2 && a.count == 0);
    out_fini(&o);
}
END_TEST

START_TEST(what_is_refused)
{
    static const char *const bad[] = {
        "",
        "{}",
        "{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }",
        "{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551615, 4), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387905,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1, 1, 1), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1",
        "{'descr': '<f4', 'fortran_order': False, 'shape': ",
        "{'descr': '<f4', 'fortran_order': False}",
    };
    struct out o = {0};
    struct array a;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        make(&o, bad[i], "abcd", 4);
        ck_assert_msg(array_parse(o.p, o.n, &a) == -EINVAL, "taken: %s", bad[i]);
    }
    make(&o, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", "abcd", 4);
    ck_ok(array_parse(o.p, o.n, &a));
    for (size_t n = 0; n < o.n;
         n++) { /* cut anywhere; a copy of its own, so that a sanitizer sees a step too far */
        char *cut = malloc(n ? n : 1);
        memcpy(cut, o.p, n);
        ck_assert_int_eq(array_parse(cut, n, &a), -EINVAL);
        free(cut);
    }
    out_fini(&o);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("array");
    TCase *t = tcase_create("array");
    tcase_add_test(t, what_numpy_writes);
    tcase_add_test(t, what_is_refused);
    suite_add_tcase(s, t);
    return s;
}
