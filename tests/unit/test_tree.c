/* SPDX-License-Identifier: Apache-2.0 */
/* The map without a mount: its table, the manual's list of it, and the walk over a small repo. */
#include "fs/npy.h"
#include "fs/tree.h"
#include "tests/unit/trees.h"

static void each_row(void *ctx, const char *path, const char *doc)
{
    out_printf(ctx, ".It Pa %s\n", path);
    ck_assert_msg(*doc, "%s: no doc", path);
    ck_assert_msg(strlen(doc) <= 100, "%s: its doc is no line", path);
}

START_TEST(table_and_manual)
{
    struct out rows = {0};
    size_t n;
    char *man = unit_read_file("man/modelfs.5", &n), *save = NULL;
    ck_ok(tree_verify());
    tree_rows(each_row, &rows);
    struct out pages = {0};
    for (char *line = strtok_r(man, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (strncmp(line, ".It Pa /", 8) == 0)
            out_printf(&pages, "%s\n", line);
    ck_assert_str_eq(out_cstr(&rows), out_cstr(&pages));
    out_fini(&rows);
    out_fini(&pages);
    free(man);
}
END_TEST

static const char *component(const char *name)
{
    static struct out o;
    out_reset(&o);
    tree_component(&o, name);
    return out_cstr(&o);
}

START_TEST(components)
{
    char name[400];
    ck_assert_str_eq(component("layer.0.weight"), "layer.0.weight");
    ck_assert_str_eq(component("a/b%c"), "a%2Fb%25c");
    ck_assert_str_eq(component(".."), "%2E.");
    ck_assert_str_eq(component("x\n\x7f"), "x%0A%7F");
    memset(name, 'a', sizeof name);
    name[200] = 0;
    ck_assert_uint_eq(strlen(component(name)), 200);
    name[200] = 'a', name[399] = 0;
    ck_assert_uint_eq(strlen(component(name)), 217);
    char first[300];
    strcpy(first, component(name));
    name[398] = 'b'; /* differs only in what is cut */
    ck_assert_str_ne(component(name), first);
    for (int i = 0; i < 133; i++)
        memcpy(name + 3 * i, "\xe2\x82\xac", 3); /* never cut inside a character */
    ck_assert(strncmp(component(name) + 198, "~", 1) == 0);
}
END_TEST

START_TEST(npy)
{
    static const uint64_t shape[] = {3, 4};
    uint64_t many[40000];
    struct manifest_tensor t = {.dtype = DTYPE_F32, .rank = 2, .shape = shape};
    struct out o = {0};
    npy_header(&t, &o);
    ck_assert_uint_eq(o.n, 128);
    ck_assert(memcmp(o.p, "\x93NUMPY\1\0\x76\0{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }",
                     68) == 0);
    ck_assert_int_eq(o.p[127], '\n');
    out_reset(&o);
    t.rank = 1, t.dtype = DTYPE_BF16;
    npy_header(&t, &o);
    ck_assert(strstr(out_cstr(&o) + 10, "'<u2'") && strstr(o.p + 10, "(3,)"));
    out_reset(&o);
    t.rank = 0;
    npy_header(&t, &o);
    ck_assert(strstr(out_cstr(&o) + 10, "'shape': ()"));
    out_reset(&o);
    for (size_t i = 0; i < 40000; i++)
        many[i] = 1;
    t.rank = 40000, t.shape = many;
    npy_header(&t, &o);
    ck_assert(o.n % 64 == 0 && o.p[6] == 2 && o.p[o.n - 1] == '\n');
    ck_assert_uint_eq((uint8_t)o.p[8] | (uint8_t)o.p[9] << 8 | (uint8_t)o.p[10] << 16, o.n - 12);
    out_fini(&o);
}
END_TEST

/* ---- a repo of three versions ---- */

static struct repo *repo;

static void commit(const char *dir)
{
    struct out doc = {0};
    const char *paths[] = {dir};
    struct prepare p = {.repo = store_path(repo_store(repo)),
                        .paths = paths,
                        .npaths = 1,
                        .message = "m",
                        .author = "a",
                        .auto_parent = 1};
    struct prepare_owner owner = prepare_direct(repo_store(repo));
    struct commit_result c;
    struct who w;
    who_self(&w);
    ck_ok(prepare_run(&p, &owner, &doc));
    ck_ok(repo_commit(repo, &w, doc.p, doc.n, &c));
    out_fini(&doc);
}

static void setup(void)
{
    static const struct trees_tensor one[] = {{"w", "F32", 4, 6}, {"a/b", "F32", 4, 2}},
                                     two[] = {{"w", "F32", 4, 3}};
    struct who w;
    uint64_t seed = 1;
    size_t n;
    char *dir = trees_path("in"), *path = trees_path("r");
    mkdir(dir, 0755);
    uint8_t *p = trees_safetensors(&seed, one, 2, &n);
    trees_write(dir, "one.safetensors", p, n);
    free(p);
    trees_write(dir, "a/x", "1", 1);
    trees_write(dir, "a-b/x", "2", 1);
    trees_write(dir, "a.b", "3", 1);
    trees_write(dir, "a/b/c", "4", 1);
    ck_ok(store_init(path));
    ck_ok(repo_open(path, 0, &repo));
    commit(dir);
    p = trees_safetensors(&seed, two, 1, &n);
    trees_write(dir, "two.safetensors", p, n);
    free(p);
    commit(dir);
    commit(dir);
    who_self(&w);
    ck_ok(repo_tag(repo, &w, "prod", "v1"));
}

static void teardown(void)
{
    repo_close(repo);
}

static int name(void *ctx, const char *s, const struct place *p)
{
    (void)p;
    out_printf(ctx, "%s ", s);
    return 0;
}

static const char *list(const char *path)
{
    static struct out o;
    struct place p;
    out_reset(&o);
    ck_ok(tree_walk(repo, path, 1, &p));
    ck_ok(tree_list(repo, &p, name, &o));
    place_fini(&p);
    return out_cstr(&o);
}

START_TEST(lists)
{
    ck_assert_str_eq(list("/"), "README.txt v1 v2 v3 latest tags log.txt store.txt info tensors diff eval ");
    ck_assert_str_eq(list("v1"), "a a-b a.b one.safetensors ");
    ck_assert_str_eq(list("latest/a/"), "b x ");
    ck_assert_str_eq(list("tags"), "prod ");
    ck_assert_str_eq(list("tags/prod/a/b"), "c ");
    ck_assert_str_eq(list("tensors/v1"), "a%2Fb.npy w.npy ");
    ck_assert_str_eq(list("tensors/v2"), "a%2Fb.npy one.safetensors two.safetensors ");
    ck_assert_str_eq(list("tensors/v2/two.safetensors"), "w.npy ");
    ck_assert_str_eq(list("diff"), "v1..v2 v2..v3 ");
    ck_assert_str_eq(list("diff/v3..v1"), list("diff/latest..prod"));
}
END_TEST

/* Each place that is listed is found by its name, is the same place, and has a number of its own. */
struct seen {
    const struct place *dir;
    const char *path;
    uint64_t ino[1000];
    size_t *n;
};
static int one(void *ctx, const char *s, const struct place *p)
{
    struct seen *x = ctx, below = *x;
    struct place again;
    struct place_attr attr;
    uint64_t ino;
    ck_ok(tree_lookup(repo, x->dir, s, &again));
    ck_assert_msg(place_equal(p, &again), "%s%s: not the same place", x->path, s);
    place_fini(&again);
    ck_ok(tree_attr(repo, p, &attr));
    ck_assert_int_eq(tree_kind(p, &ino), attr.kind);
    ck_assert_uint_eq(ino, attr.ino);
    for (size_t i = 0; i < *x->n; i++)
        ck_assert_msg(x->ino[i] != ino, "%s%s: its number is another's", x->path, s);
    x->ino[(*x->n)++] = ino;
    if (attr.kind == PLACE_FILE && !attr.size_is_guess) {
        struct content *c;
        ck_ok(content_open(repo, p, NULL, NULL, &c));
        ck_assert_uint_eq(content_size(c), attr.size);
        char *bytes = malloc(attr.size + 1);
        ck_assert_int_eq(content_read(c, 0, bytes, attr.size + 1), (int64_t)attr.size);
        free(bytes);
        content_close(c);
    }
    if (attr.kind != PLACE_DIR)
        return 0;
    char path[300];
    snprintf(path, sizeof path, "%s%s/", x->path, s);
    below.dir = p;
    below.path = path;
    int r = tree_list(repo, p, one, &below);
    memcpy(x->ino, below.ino, sizeof x->ino);
    return r;
}

START_TEST(everything)
{
    struct place root;
    size_t n = 0;
    struct seen x = {.dir = &root, .path = "/", .n = &n};
    tree_root(repo, &root);
    ck_ok(tree_list(repo, &root, one, &x));
    ck_assert_uint_gt(n, 60);
}
END_TEST

START_TEST(names)
{
    static const char *const none[] = {"v0",
                                       "v01",
                                       "v4",
                                       "V1",
                                       "v1x",
                                       "v4294967297",
                                       "latest/nothing",
                                       "v1/a/y",
                                       "tags/nope",
                                       "diff/v1",
                                       "diff/v1..",
                                       "diff/..v1",
                                       "diff/v1..v9",
                                       "diff/v1...v2",
                                       "diff/v1..v2..v3",
                                       "diff/nope..v1",
                                       "tensors/v1/one.safetensors",
                                       "tensors/v2/w.npy",
                                       "eval/spec.json",
                                       "eval/summary.txt.error",
                                       "info/latest",
                                       "nothing/summary.txt",
                                       "summary.txt"};
    static const struct {
        const char *path, *to;
    } links[] = {{"latest", "v3"},
                 {"tags/prod", "../v1"},
                 {"diff/prod..latest", "v1..v3"},
                 {"diff/v2..prod", "v2..v1"}};
    struct place p;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        ck_assert_msg(tree_walk(repo, none[i], 1, &p) == -ENOENT, "%s is there", none[i]);
    ck_assert_int_eq(tree_walk(repo, "v1/a.b/x", 1, &p), -ENOTDIR);
    ck_assert_int_eq(tree_walk(repo, "log.txt/x", 1, &p), -ENOTDIR);
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        struct out o = {0};
        ck_ok(tree_walk(repo, links[i].path, 0, &p));
        ck_ok(tree_link(repo, &p, &o));
        ck_assert_str_eq(out_cstr(&o), links[i].to);
        out_fini(&o);
        place_fini(&p);
    }
    ck_ok(tree_walk(repo, "//diff/../tags/./prod/../v2/a/../a.b", 1, &p));
    ck_assert_str_eq(p.file->path, "a.b");
    ck_assert_uint_eq(p.a->number, 2);
    place_fini(&p);
}
END_TEST

/* README.txt names what is there. */
START_TEST(readme)
{
    struct place p;
    struct content *c;
    char text[4096];
    ck_ok(tree_walk(repo, "README.txt", 1, &p));
    ck_ok(content_open(repo, &p, NULL, NULL, &c));
    int64_t n = content_read(c, 0, text, sizeof text - 1);
    ck_assert_int_gt(n, 0);
    text[n] = 0;
    content_close(c);
    place_fini(&p);
    size_t paths = 0;
    for (char *save = NULL, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char path[128];
        if (strncmp(line, "  ", 2) != 0 || line[2] == ' ' || sscanf(line, " %127s", path) != 1)
            continue;
        ck_assert_msg(tree_walk(repo, path, 1, &p) == 0, "%s: not there", path);
        place_fini(&p);
        paths++;
    }
    ck_assert_uint_ge(paths, 8);
}
END_TEST

/* A text is made once for many, dropped files are made again, other bytes are not believed. */
START_TEST(texts)
{
    const struct text *a, *b;
    struct place p;
    char cmd[400];
    ck_ok(tree_walk(repo, "log.txt", 1, &p));
    place_fini(&p);
    ck_ok(repo_text(repo, &report_log, NULL, NULL, NULL, NULL, NULL, &a));
    ck_ok(repo_text(repo, &report_log, NULL, NULL, NULL, NULL, NULL, &b));
    ck_assert_ptr_eq(a, b);
    text_unref(b);
    repo_close(repo);
    snprintf(
        cmd, sizeof cmd,
        "for f in %s/cache/reports/*; do [ -s $f ] && printf X | dd of=$f conv=notrunc status=none; done",
        trees_path("r"));
    ck_assert_int_eq(system(cmd), 0);
    ck_ok(repo_open(trees_path("r"), 0, &repo));
    ck_ok(repo_text(repo, &report_log, NULL, NULL, NULL, NULL, NULL, &b));
    ck_assert_uint_eq(a->n, b->n);
    ck_assert(memcmp(a->p, b->p, a->n) == 0);
    text_unref(a);
    text_unref(b);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("tree");
    TCase *alone = tcase_create("alone"), *in_repo = tcase_create("repo");
    tcase_add_test(alone, table_and_manual);
    tcase_add_test(alone, components);
    tcase_add_test(alone, npy);
    tcase_add_checked_fixture(in_repo, setup, teardown);
    tcase_add_test(in_repo, lists);
    tcase_add_test(in_repo, everything);
    tcase_add_test(in_repo, names);
    tcase_add_test(in_repo, readme);
    tcase_add_test(in_repo, texts);
    tcase_set_timeout(in_repo, 60);
    suite_add_tcase(s, alone);
    suite_add_tcase(s, in_repo);
    return s;
}
