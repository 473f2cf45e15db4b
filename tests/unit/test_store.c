/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/trees.h"
#include <math.h>

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

/* Really trained checkpoints, of every format there is a parser for. */
START_TEST(real_checkpoints_come_back)
{
    struct store *s = trees_repo("r");
    struct commit_result c = trees_commit(s, "tests/data"), again = trees_commit(s, "tests/data");
    trees_compare(s, 1, "tests/data");
    ck_assert_uint_eq(again.bytes_new, 0);
    ck_assert_int_eq(again.unchanged, 1);
    ck_assert_uint_lt(c.stored_new, c.bytes);
    int formats[FORMAT_MAX] = {0};
    const struct version *v;
    const struct manifest *m;
    ck_ok(version_latest(s, &v));
    ck_ok(manifest_get(s, v, &m));
    for (size_t i = 0; i < m->nfiles; i++) {
        const struct manifest_file *f = &m->files[i];
        if (!S_ISREG(f->mode))
            continue;
        if (strcmp(f->path, "onnx/reads_a_file.onnx") != 0) /* the one that is malformed on purpose */
            ck_assert_msg(!f->problem, "%s: %s", f->path, f->problem);
        formats[f->format]++;
        if (!hash_is_zero(&f->structure)) {
            struct out o = {0};
            ck_ok(blob_get(s, &f->structure, &o));
            ck_assert(o.n > 1 && o.p[0] == '{');
            out_fini(&o);
        }
    }
    for (int f = FORMAT_SAFETENSORS; f < FORMAT_MAX; f++)
        ck_assert_msg(formats[f] > 0, "%s", format_name((enum format)f));
    manifest_unref(s, m);
    version_unref(v);
    ck_assert_int_eq(store_check(s, 1, NULL, NULL, NULL), 0);
    store_close(s);
}
END_TEST

static const struct manifest_tensor *tensor_named(const struct manifest *m, const char *name)
{
    for (size_t i = 0; i < m->nfiles; i++)
        for (size_t k = 0; k < m->files[i].ntensors; k++)
            if (strcmp(m->files[i].tensors[k].name, name) == 0)
                return &m->files[i].tensors[k];
    return NULL;
}

/* The same tensors saved five ways: one copy of them, and equal digests. */
START_TEST(every_format_shares_its_tensors)
{
    static const char *const files[] = {"w.safetensors", "w.pt", "w.npz", "w.gguf", "weight.npy"};
    static const char *const names[] = {"layer.weight", "layer.bias", "half", "steps"};
    struct store *s = trees_repo("r");
    struct digest first[4];
    for (uint32_t i = 0; i < 5; i++) {
        size_t n;
        char path[128], dir[8];
        snprintf(path, sizeof path, "tests/data/arrays/%s", files[i]);
        snprintf(dir, sizeof dir, "d%u", i);
        char *p = unit_read_file(path, &n);
        mkdir(trees_path(dir), 0755);
        trees_write(trees_path(dir), files[i], p, n);
        free(p);
        struct commit_result c = trees_commit(s, trees_path(dir));
        if (i)
            ck_assert_msg(c.bytes_new < 2000, "%s: %llu new bytes", files[i],
                          (unsigned long long)c.bytes_new);
        const struct version *v;
        const struct manifest *m;
        ck_ok(version_by_number(s, i + 1, &v));
        ck_ok(manifest_get(s, v, &m));
        for (int k = 0; k < 4 && (i < 4 || k < 1); k++) {
            const struct manifest_tensor *t = tensor_named(m, i < 4 ? names[k] : "array");
            ck_assert_ptr_nonnull(t);
            if (i == 0)
                first[k] = t->digest;
            ck_assert_msg(hash_equal(&t->digest, &first[k]), "%s: %s", files[i], names[k]);
        }
        manifest_unref(s, m);
        version_unref(v);
        trees_compare(s, i + 1, trees_path(dir));
    }
    store_close(s);
}
END_TEST

/* NaN, infinities, zeros, and a mean far from zero. */
START_TEST(statistics_of_a_tensor)
{
    struct store *s = trees_repo("r");
    char *dir = trees_path("t");
    static const struct trees_tensor t[] = {{"x", "F32", 4, 300000}};
    uint64_t seed = 4;
    size_t n;
    mkdir(dir, 0755);
    uint8_t *p = trees_safetensors(&seed, t, 1, &n);
    float *x = malloc(4 * 300000);
    double sum = 0, sum2 = 0, var = 0;
    for (int i = 0; i < 300000; i++)
        x[i] = i == 7 ? NAN : i == 200001 ? -INFINITY : i % 1000 == 0 ? 0 : 1000 + (float)(i % 17) / 16;
    for (int i = 0; i < 300000; i++)
        if (isfinite(x[i])) {
            sum += x[i];
            sum2 += (double)x[i] * x[i];
        }
    double mean = sum / 299998;
    for (int i = 0; i < 300000; i++)
        var += isfinite(x[i]) ? (x[i] - mean) * (x[i] - mean) / 299998 : 0;
    memcpy(p + n - 4 * 300000, x, 4 * 300000);
    trees_write(dir, "m", p, n);
    trees_commit(s, dir);
    const struct version *v;
    const struct manifest *m;
    ck_ok(version_latest(s, &v));
    ck_ok(manifest_get(s, v, &m));
    const struct tensor_stats *got = &m->files[0].tensors[0].stats;
    ck_assert_uint_eq(got->nan, 1);
    ck_assert_uint_eq(got->inf, 1);
    ck_assert_uint_eq(got->zeros, 300);
    ck_assert_double_eq_tol(got->mean, mean, 1e-9 * mean);
    ck_assert_double_eq_tol(got->std, sqrt(var), 1e-9 * sqrt(var));
    ck_assert_double_eq_tol(got->norm, sqrt(sum2), 1e-12 * sqrt(sum2));
    ck_assert_double_eq(got->min, 0);
    ck_assert_double_eq(got->max, 1001);
    manifest_unref(s, m);
    version_unref(v);
    store_close(s);
    free(p);
    free(x);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *suite = suite_create("store");
    TCase *t = tcase_create("store");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, every_format_shares_its_tensors);
    tcase_add_test(t, every_byte_comes_back);
    tcase_add_test(t, unchanged_stores_nothing_new);
    tcase_add_test(t, tensors_know_since_when);
    tcase_add_test(t, real_checkpoints_come_back);
    tcase_add_test(t, statistics_of_a_tensor);
    suite_add_tcase(suite, t);
    return suite;
}
