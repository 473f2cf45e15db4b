/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/trees.h"

static const struct trees_tensor every_dtype[] = {
    {"a.bool", "BOOL", 1, 1000}, {"a.u8", "U8", 1, 200000},     {"a.i8", "I8", 1, 131072},
    {"a.u16", "U16", 2, 7},      {"a.i16", "I16", 2, 131073},   {"a.u32", "U32", 4, 1},
    {"a.i32", "I32", 4, 300000}, {"a.u64", "U64", 8, 131072},   {"a.i64", "I64", 8, 5},
    {"a.f16", "F16", 2, 262145}, {"a.bf16", "BF16", 2, 400000}, {"a.f32", "F32", 4, 500000},
    {"a.f64", "F64", 8, 140000}, {"a.e4m3", "F8_E4M3", 1, 99},  {"a.e5m2", "F8_E5M2", 1, 131071},
    {"a.none", "F32", 4, 0}};

static char *make_tree(const char *name, uint64_t seed)
{
    char *dir = trees_path(name);
    static const char *const names[] = {"README.md",          "sub/deep/x.bin", "sub/y",     "with\nnewline",
                                        "\xff\xfe not utf-8", "empty",          "zeros.bin", "text.json"};
    mkdir(dir, 0755);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n = strcmp(names[i], "empty") == 0 ? 0 : trees_random(&seed) % (i == 1 ? 3000000 : 60000) + 1;
        uint8_t *p = trees_bytes(&seed, n, (int)(i % 4));
        trees_write(dir, names[i], p, n);
        free(p);
    }
    char empty_dir[4600];
    snprintf(empty_dir, sizeof empty_dir, "%s/void", dir);
    mkdir(empty_dir, 0700);
    size_t n;
    uint8_t *p = trees_safetensors(&seed, every_dtype, sizeof every_dtype / sizeof *every_dtype, &n);
    trees_write(dir, "model.safetensors", p, n);
    free(p);
    return dir;
}

START_TEST(every_byte_comes_back)
{
    struct store *s = trees_repo("r");
    char *dir = make_tree("t", 1);
    struct commit_result c = trees_commit(s, dir);
    ck_assert_uint_eq(c.number, 1);
    ck_assert_uint_eq(c.files, 9);
    trees_compare(s, 1, dir);
    store_close(s);
    s = trees_open("r", 0); /* from the disk */
    trees_compare(s, 1, dir);
    store_close(s);
    s = trees_open("r", STORE_READ_ONLY);
    trees_compare(s, 1, dir);
    ck_assert_int_eq(trees_try_commit(s, dir, NULL, &c), -EROFS);
    store_close(s);
}
END_TEST

START_TEST(unchanged_stores_nothing_new)
{
    struct store *s = trees_repo("r");
    char *dir = make_tree("t", 2);
    struct commit_result a = trees_commit(s, dir), b = trees_commit(s, dir), c = trees_commit(s, dir);
    ck_assert_uint_gt(a.bytes_new, 0);
    ck_assert_int_eq(a.unchanged, 0);
    ck_assert_uint_eq(b.number, 2);
    ck_assert_uint_eq(b.bytes_new, 0);
    ck_assert_uint_eq(b.stored_new, 0);
    ck_assert_int_eq(b.unchanged, 1);
    ck_assert_int_eq(c.unchanged, 1);
    ck_assert(!hash_equal(&a.digest, &b.digest));
    trees_compare(s, 3, dir);
    store_close(s);
}
END_TEST

START_TEST(tensors_know_since_when)
{
    struct store *s = trees_repo("r");
    char *dir = trees_path("t");
    mkdir(dir, 0755);
    static const struct trees_tensor t[] = {{"w", "F32", 4, 1000}, {"b", "F32", 4, 10}};
    uint64_t seed = 3;
    size_t n;
    uint8_t *p = trees_safetensors(&seed, t, 2, &n);
    trees_write(dir, "m.safetensors", p, n);
    struct commit_result v1 = trees_commit(s, dir);
    p[n - 1] ^= 1; /* b, in v2 */
    trees_write(dir, "m.safetensors", p, n);
    struct commit_result v2 = trees_commit(s, dir);
    trees_write(dir, "other", "x", 1);
    trees_commit(s, dir);
    static const struct digest own;
    const struct digest *want[3][2] = {{&own, &own}, {&v1.digest, &own}, {&v1.digest, &v2.digest}};
    for (uint32_t i = 0; i < 3; i++) {
        const struct version *v;
        const struct manifest *m;
        ck_ok(version_by_number(s, i + 1, &v));
        ck_ok(manifest_get(s, v, &m));
        const struct manifest_file *f = manifest_find(m, "m.safetensors");
        ck_assert_ptr_nonnull(f);
        ck_assert_uint_eq(f->ntensors, 2);
        ck_assert_uint_eq(m->params, 1010);
        for (size_t k = 0; k < 2; k++) {
            ck_assert_str_eq(f->tensors[k].name, t[k].name);
            ck_assert_uint_eq(f->tensors[k].count, t[k].count);
            ck_assert(hash_equal(&f->tensors[k].since, want[i][k]));
            ck_assert(f->tensors[k].stats.norm > 0 && f->tensors[k].stats.std > 0);
        }
        manifest_unref(s, m);
        version_unref(v);
    }
    free(p);
    store_close(s);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *suite = suite_create("store");
    TCase *t = tcase_create("store");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, every_byte_comes_back);
    tcase_add_test(t, unchanged_stores_nothing_new);
    tcase_add_test(t, tensors_know_since_when);
    suite_add_tcase(suite, t);
    return suite;
}
