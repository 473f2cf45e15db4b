/* SPDX-License-Identifier: Apache-2.0 */
/* The engine over a store: the digits series against numbers that numpy recorded, and made-up versions. */
#include "fs/diff/diff.h"
#include "tests/unit/trees.h"
#include <math.h>

static struct store *repo_of(const char *const *paths, size_t n)
{
    struct store *s = trees_repo("r");
    for (size_t i = 0; i < n; i++)
        trees_commit(s, paths[i]);
    return s;
}

static int compare(struct store *s, uint32_t a, uint32_t b, int values, struct arena *arena,
                   int (*stop)(void *), struct diff *ret)
{
    const struct version *va, *vb;
    ck_ok(version_by_number(s, a, &va));
    ck_ok(version_by_number(s, b, &vb));
    int r = diff_versions(s, va, vb, values, arena, stop, NULL, ret);
    version_unref(va);
    version_unref(vb);
    return r;
}

static const struct diff_tensor *tensor(const struct diff *d, const char *name)
{
    for (size_t i = 0; i < d->ntensors; i++)
        if (strcmp((d->tensors[i].b ? d->tensors[i].b : d->tensors[i].a)->name, name) == 0)
            return &d->tensors[i];
    ck_abort_msg("no tensor %s", name);
}

static const struct diff_block *block(const struct diff *d, const char *name)
{
    for (size_t i = 0; i < d->nblocks; i++)
        if (strcmp(d->blocks[i].name, name) == 0)
            return &d->blocks[i];
    ck_abort_msg("no block %s", name);
}

static const char *const digits[] = {"tests/data/digits/v1-baseline", "tests/data/digits/v2-longer",
                                     "tests/data/digits/v3-finetune", "tests/data/digits/v4-lowrank",
                                     "tests/data/digits/v5-cast"};

static uint32_t number_of(const char *folder)
{
    return (uint32_t)(folder[1] - '0'); /* "v3-finetune" */
}

#define ck_near(x, y) \
    ck_assert_msg(fabs((x) - (y)) <= 1e-12 * fabs(y), "%s %s: %.17g, not %.17g", f[2], #x, x, y)

START_TEST(digits_as_numpy_says)
{
    struct store *s = repo_of(digits, 5);
    char *csv = unit_read_file("tests/data/diffs.csv", NULL), *line = strchr(csv, '\n') + 1;
    struct arena arena = {0};
    struct diff d = {0};
    char now[64] = "";
    int lines = 0;
    for (char *end; (end = strchr(line, '\n')); line = end + 1, lines++) {
        char *f[11], *at = line, pair[64];
        *end = 0;
        for (int i = 0; i < 11; i++)
            f[i] = strsep(&at, ",");
        snprintf(pair, sizeof pair, "%s %s", f[0], f[1]);
        if (strcmp(pair, now)) {
            diff_fini(&d);
            ck_ok(compare(s, number_of(f[0]), number_of(f[1]), 1, &arena, NULL, &d));
            strcpy(now, pair);
        }
        const struct diff_tensor *t = tensor(&d, f[2]);
        ck_assert_uint_eq(t->n_cmp, strtoull(f[3], NULL, 10));
        ck_assert_uint_eq(t->n_val, strtoull(f[4], NULL, 10));
        double aa = atof(f[5]), bb = atof(f[6]), dd = atof(f[7]), ab = atof(f[10]);
        ck_near(t->max_abs, atof(f[8]));
        if (t->status & DIFF_MODIFIED)
            ck_assert_uint_eq(t->max_at, strtoull(f[9], NULL, 10));
        if (!dtype_is_float(t->b->dtype))
            continue;
        ck_near(t->l2_a, aa);
        ck_near(t->l2_b, bb);
        ck_near(t->l2_d, dd);
        if (aa > 0) {
            ck_near(t->rel_l2, dd / aa);
            ck_assert(fabs(t->cos - ab / aa / bb) < 1e-12);
        }
    }
    ck_assert_int_eq(lines, 60);
    diff_fini(&d);
    arena_fini(&arena);
    free(csv);
    store_close(s);
}
END_TEST

START_TEST(digits_in_blocks)
{
    struct store *s = repo_of(digits, 5);
    struct arena arena = {0};
    struct diff d;
    ck_ok(compare(s, 2, 3, 1, &arena, NULL, &d)); /* the head was retrained */
    ck_assert_uint_eq(d.nblocks, 6);
    for (size_t i = 0; i < d.nblocks; i++)
        ck_assert_uint_eq(d.blocks[i].changed, strcmp(d.blocks[i].name, "head") == 0 ? 2 : 0);
    ck_assert_str_eq(d.blocks[5].name, "head");
    const struct diff_tensor *w = tensor(&d, "head.weight"), *b = tensor(&d, "head.bias");
    ck_assert(fabs(d.blocks[5].rel_l2 - hypot(w->l2_d, b->l2_d) / hypot(w->l2_a, b->l2_a)) < 1e-15);
    ck_assert_uint_eq(d.changed_tensors, 2);
    ck_assert_uint_eq(d.changed_bytes, 2600);
    ck_assert_uint_eq(d.tensors_b, 15);
    ck_assert_uint_eq(d.params_b, 42506);
    ck_assert_uint_eq(w->bytes_new, 2560);
    ck_assert_int_eq(d.same, 0);
    diff_fini(&d);
    ck_ok(compare(s, 4, 5, 1, &arena, NULL, &d)); /* the cast */
    for (size_t i = 0; i < d.ntensors; i++) {
        int cast = dtype_is_float(d.tensors[i].b->dtype);
        ck_assert_uint_eq(d.tensors[i].status, cast ? DIFF_DTYPE : 0);
        ck_assert_int_eq(d.tensors[i].cast, cast);
    }
    diff_fini(&d);
    ck_ok(compare(s, 3, 3, 1, &arena, NULL, &d));
    ck_assert_int_eq(d.same, 1);
    ck_assert_uint_eq(d.changed_tensors, 0);
    diff_fini(&d);
    ck_ok(compare(s, 2, 3, 0, &arena, NULL, &d)); /* without values: who changed, not by how much */
    ck_assert_uint_eq(d.changed_tensors, 2);
    ck_assert_uint_eq(tensor(&d, "head.weight")->n_cmp, 0);
    diff_fini(&d);
    arena_fini(&arena);
    store_close(s);
}
END_TEST

static int always(void *ctx)
{
    (void)ctx;
    return 1;
}

START_TEST(stops_when_nobody_waits)
{
    struct store *s = repo_of(digits, 2);
    struct arena arena = {0};
    struct diff d = {0};
    ck_assert_int_eq(compare(s, 1, 2, 1, &arena, always, &d), -EINTR);
    ck_ok(compare(s, 1, 1, 1, &arena, always, &d)); /* nothing to read */
    diff_fini(&d);
    arena_fini(&arena);
    store_close(s);
}
END_TEST

/* A safetensors file of f32 tensors whose values are first + i; a negative first makes the last one NaN. */
struct ramp {
    const char *name;
    const char *shape;
    size_t count;
    float first;
};
static void write_ramps(const char *dir, const char *file, const struct ramp *r, size_t n)
{
    struct out head = {0}, body = {0};
    out_char(&head, '{');
    for (size_t i = 0; i < n; i++) {
        out_printf(&head, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
                   i ? "," : "", r[i].name, r[i].shape, body.n, body.n + 4 * r[i].count);
        for (size_t k = 0; k < r[i].count; k++) {
            float x = r[i].first < 0 && k == r[i].count - 1 ? NAN : fabsf(r[i].first) + (float)k;
            out_write(&body, &x, 4);
        }
    }
    out_char(&head, '}');
    struct out all = {0};
    uint64_t len = head.n;
    out_write(&all, &len, 8);
    out_write(&all, head.p, head.n);
    out_write(&all, body.p, body.n);
    trees_write(dir, file, all.p, all.n);
    out_fini(&head);
    out_fini(&body);
    out_fini(&all);
}

START_TEST(everything_that_may_happen)
{
    char *a = trees_path("a"), *b = trees_path("b");
    mkdir(a, 0755);
    mkdir(b, 0755);
    write_ramps(a, "model.safetensors",
                (struct ramp[]){{"bert.embeddings.w", "8", 8, 1},
                                {"bert.layer.2.w", "4", 4, 2},
                                {"bert.layer.10.w", "4", 4, 3},
                                {"bert.layer.10.old", "5", 5, 4},
                                {"bert.layer.10.gone", "3", 3, 5},
                                {"head.w", "2,4", 8, 6},
                                {"head.b", "2", 2, 7}},
                7);
    trees_write(a, "notes.txt", "one\n", 4);
    trees_write(a, "moved.bin", "the same bytes", 14);
    write_ramps(b, "model-00001-of-00002.safetensors", /* sharded now */
                (struct ramp[]){{"bert.layer.10.w", "4", 4, -3}, {"bert.embeddings.w", "8", 8, 1}}, 2);
    write_ramps(b, "model-00002-of-00002.safetensors",
                (struct ramp[]){{"bert.layer.2.w", "4", 4, 2},
                                {"bert.layer.10.new", "5", 5, 4},
                                {"bert.layer.10.more", "6", 6, -9},
                                {"head.w", "3,4", 12, 6},
                                {"head.b", "3", 3, 8}},
                5);
    trees_write(b, "notes.txt", "two\n", 4);
    trees_write(b, "dir/moved.bin", "the same bytes", 14);
    struct store *s = repo_of((const char *[]){a, b}, 2);
    struct arena arena = {0};
    struct diff d;
    ck_ok(compare(s, 1, 2, 1, &arena, NULL, &d));
    ck_assert_uint_eq(d.ntensors, 8);
    ck_assert_uint_eq(tensor(&d, "bert.embeddings.w")->status, 0);
    ck_assert_uint_eq(tensor(&d, "bert.layer.2.w")->status, 0);
    ck_assert_str_eq(tensor(&d, "bert.layer.2.w")->model, "model.safetensors");
    ck_assert_uint_eq(tensor(&d, "bert.layer.10.w")->status, DIFF_MODIFIED);
    ck_assert_uint_eq(tensor(&d, "bert.layer.10.w")->nan_new, 1);
    ck_assert_uint_eq(tensor(&d, "bert.layer.10.new")->status, DIFF_RENAMED);
    ck_assert_str_eq(tensor(&d, "bert.layer.10.new")->a->name, "bert.layer.10.old");
    ck_assert_uint_eq(tensor(&d, "bert.layer.10.gone")->status, DIFF_DELETED);
    ck_assert_uint_eq(tensor(&d, "bert.layer.10.more")->status, DIFF_ADDED);
    ck_assert_uint_eq(tensor(&d, "head.w")->status, DIFF_SHAPE); /* old rows untouched */
    ck_assert_uint_eq(tensor(&d, "head.w")->n_cmp, 8);
    ck_assert_uint_eq(tensor(&d, "head.b")->status, DIFF_SHAPE | DIFF_MODIFIED);
    ck_assert_uint_eq(d.nan_new, 2); /* one more in the added tensor */
    ck_assert_uint_eq(d.nonfinite_tensors, 2);
    ck_assert_uint_eq(d.tensors_a, 7);
    ck_assert_uint_eq(d.tensors_b, 7);
    ck_assert_uint_eq(d.changed_tensors, 4);
    ck_assert_uint_eq(d.params_a, 34);
    ck_assert_uint_eq(d.params_b, 42);
    static const char *const order[] = {"embeddings", "layer 2", "layer 10", "head"};
    ck_assert_uint_eq(d.nblocks, 4);
    for (int i = 0; i < 4; i++)
        ck_assert_str_eq(d.blocks[i].name, order[i]);
    ck_assert_uint_eq(block(&d, "layer 10")->added, 1);
    ck_assert_uint_eq(block(&d, "layer 10")->deleted, 1);
    ck_assert_uint_eq(block(&d, "layer 10")->nan_new, 2);
    static const struct {
        const char *path;
        unsigned status;
    } files[] = {{"dir/moved.bin", DIFF_RENAMED},
                 {"model-00001-of-00002.safetensors", DIFF_ADDED},
                 {"model-00002-of-00002.safetensors", DIFF_ADDED},
                 {"model.safetensors", DIFF_DELETED},
                 {"notes.txt", DIFF_MODIFIED}};
    ck_assert_uint_eq(d.nfiles, 5);
    for (int i = 0; i < 5; i++) {
        ck_assert_str_eq(d.files[i].path, files[i].path);
        ck_assert_uint_eq(d.files[i].status, files[i].status);
    }
    ck_assert_uint_eq(d.files[4].bytes_new, 4);
    diff_fini(&d);
    ck_ok(compare(s, 2, 1, 1, &arena, NULL, &d)); /* and back */
    ck_assert_uint_eq(tensor(&d, "bert.layer.10.w")->nan_new, 0);
    ck_assert_uint_eq(d.nan_new, 0);
    ck_assert_uint_eq(tensor(&d, "bert.layer.10.w")->nonfinite_moved, 1);
    diff_fini(&d);
    arena_fini(&arena);
    store_close(s);
}
END_TEST

/* The same tensors in another file: known by their names. */
START_TEST(another_file_name)
{
    char *a = trees_path("a"), *b = trees_path("b");
    mkdir(a, 0755);
    mkdir(b, 0755);
    write_ramps(a, "old.safetensors", (struct ramp[]){{"w", "4", 4, 1}, {"v", "4", 4, 2}}, 2);
    write_ramps(b, "new.safetensors", (struct ramp[]){{"w", "4", 4, 1}, {"v", "4", 4, 3}}, 2);
    struct store *s = repo_of((const char *[]){a, b}, 2);
    struct arena arena = {0};
    struct diff d;
    ck_ok(compare(s, 1, 2, 1, &arena, NULL, &d));
    ck_assert_uint_eq(d.ntensors, 2);
    ck_assert_uint_eq(tensor(&d, "w")->status, 0);
    ck_assert_uint_eq(tensor(&d, "v")->status, DIFF_MODIFIED);
    diff_fini(&d);
    arena_fini(&arena);
    store_close(s);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("diff_versions");
    TCase *c = tcase_create("versions");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, digits_as_numpy_says);
    tcase_add_test(c, digits_in_blocks);
    tcase_add_test(c, stops_when_nobody_waits);
    tcase_add_test(c, everything_that_may_happen);
    tcase_add_test(c, another_file_name);
    suite_add_tcase(s, c);
    return s;
}
