/* SPDX-License-Identifier: Apache-2.0 */
/* Names: tags and their history, versions by number, digest and prefix, removal; and who may open a repo. */
#include "tests/unit/trees.h"
#include <fcntl.h>
#include <sys/wait.h>

static struct store *three_versions(struct commit_result c[3])
{
    struct store *s = trees_repo("r");
    char *dir = trees_path("t");
    mkdir(dir, 0755);
    for (int i = 0; i < 3; i++) {
        trees_write(dir, "x", &i, sizeof i);
        c[i] = trees_commit(s, dir);
    }
    return s;
}

START_TEST(names_that_are_tags)
{
    static const char *const good[] = {"prod", "a",     "2024-06", "v1.2",  "v1-rc",    "x_y+z",
                                       "E",    "abcde", "v01x",    "A.b.c", "deadbee.f"};
    static const char *const bad[] = {"",       "v1",     "v12345", "latest",   "E1",   "E12.3",
                                      "abcdef", "123456", ".a",     "a.",       "a..b", "-a",
                                      "_a",     "a/b",    "a b",    "\xc3\xa9", "tags", "eval",
                                      "diff",   "runs",   "new",    "commit",   "info", "a\nb"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(tag_valid(good[i]) == 0, "%s: %s", good[i], fail_text());
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(tag_valid(bad[i]) == -EINVAL, "%s", bad[i]);
    char longest[66];
    memset(longest, 'x', 65);
    longest[65] = 0;
    ck_assert_int_eq(tag_valid(longest), -EINVAL);
    ck_assert_int_eq(tag_valid(longest + 1), 0);
}
END_TEST

struct moves {
    int n;
    struct tag_move last;
    char name[65];
};

static int note_move(void *ctx, const struct tag_move *m)
{
    struct moves *x = ctx;
    x->n++;
    x->last = *m;
    snprintf(x->name, sizeof x->name, "%s", m->name);
    return 0;
}

static int count_tag(void *ctx, const char *name, const struct digest *d)
{
    (void)name, (void)d;
    return ++*(int *)ctx, 0;
}

START_TEST(every_move_is_kept)
{
    struct commit_result c[3];
    struct store *s = three_versions(c);
    struct digest none = {{0}}, d;
    ck_ok(tag_set(s, "prod", &c[0].digest, &none, "me"));
    ck_assert_int_eq(tag_set(s, "prod", &c[1].digest, &none, "me"), -EEXIST);
    ck_ok(tag_set(s, "prod", &c[1].digest, &c[0].digest, "me"));
    ck_ok(tag_set(s, "other", &c[2].digest, NULL, "you"));
    ck_assert_int_eq(tag_set(s, "nothing", &none, NULL, "me"), -ENOENT); /* no such version */
    ck_assert_int_eq(tag_set(s, "missing", NULL, NULL, "me"), -ENOENT);
    store_close(s);
    s = trees_open("r", 0);
    ck_ok(tag_get(s, "prod", &d));
    ck_assert(hash_equal(&d, &c[1].digest));
    ck_ok(tag_set(s, "prod", NULL, NULL, "him"));
    ck_assert_int_eq(tag_get(s, "prod", &d), -ENOENT);
    int tags = 0;
    ck_ok(tag_each(s, count_tag, &tags));
    ck_assert_int_eq(tags, 1);
    struct moves m = {0};
    ck_ok(tag_moves_each(s, note_move, &m));
    ck_assert_int_eq(m.n, 4);
    ck_assert_str_eq(m.name, "prod");
    ck_assert(hash_equal(&m.last.from, &c[1].digest) && hash_is_zero(&m.last.to));
    store_close(s);
}
END_TEST

static void resolves(struct store *s, const char *name, uint32_t number, int movable)
{
    const struct version *v;
    int m = -1;
    ck_assert_msg(version_resolve(s, name, &v, &m) == 0, "%s: %s", name, fail_text());
    ck_assert_uint_eq(v->number, number);
    ck_assert_int_eq(m, movable);
    version_unref(v);
}

START_TEST(one_name_one_version)
{
    struct commit_result c[3];
    struct store *s = three_versions(c);
    const struct version *v;
    char hex[HASH_HEX];
    ck_ok(tag_set(s, "prod", &c[1].digest, NULL, "me"));
    resolves(s, "v1", 1, 0);
    resolves(s, "latest", 3, 1);
    resolves(s, "prod", 2, 1);
    hash_hex(&c[2].digest, hex);
    resolves(s, hex, 3, 0);
    hex[8] = 0;
    resolves(s, hex, 3, 1);
    ck_assert_int_eq(version_resolve(s, "v4", &v, NULL), -ENOENT);
    ck_assert_ptr_nonnull(strstr(fail_text(), "v1, v2, v3, prod"));
    ck_assert_int_eq(version_resolve(s, "000000", &v, NULL), -ENOENT);
    ck_assert_int_eq(version_resolve(s, "v01", &v, NULL), -ENOENT);
    ck_assert_int_eq(version_resolve(s, "", &v, NULL), -ENOENT);
    store_close(s);
}
END_TEST

static int count_version(void *ctx, const struct version *v)
{
    (void)v;
    return ++*(int *)ctx, 0;
}

START_TEST(removed_numbers_are_not_given_again)
{
    struct commit_result c[3], again;
    struct store *s = three_versions(c);
    const struct version *v;
    int n = 0;
    struct digest d;
    ck_ok(tag_set(s, "prod", &c[2].digest, NULL, "me"));
    ck_assert_int_eq(version_remove(s, &c[2].digest, 0, "me"), -EBUSY);
    ck_assert_ptr_nonnull(strstr(fail_text(), "prod"));
    ck_ok(version_remove(s, &c[2].digest, 1, "me"));
    ck_assert_int_eq(tag_get(s, "prod", &d), -ENOENT);
    ck_assert_int_eq(version_by_number(s, 3, &v), -ENOENT);
    ck_assert_ptr_nonnull(strstr(fail_text(), "removed"));
    ck_assert_int_eq(version_remove(s, &c[2].digest, 1, "me"), -ENOENT);
    store_close(s);
    s = trees_open("r", 0);
    again = trees_commit(s, trees_path("t"));
    ck_assert_uint_eq(again.number, 4);
    ck_assert_uint_eq(again.bytes_new, 0); /* its chunks were still there */
    ck_ok(version_each(s, count_version, &n));
    ck_assert_int_eq(n, 3);
    ck_assert_int_eq(store_check(s, 1, NULL, NULL, NULL), 0);
    store_close(s);
}
END_TEST

START_TEST(one_owner_at_a_time)
{
    struct store *s = trees_repo("r"), *other;
    char pid[64];
    snprintf(pid, sizeof pid, "in use by process %ld", (long)getpid());
    ck_assert_int_eq(store_open(trees_path("r"), 0, &other), -EBUSY);
    ck_assert_ptr_nonnull(strstr(fail_text(), pid));
    ck_assert_int_eq(store_open(trees_path("r"), STORE_READ_ONLY, &other), -EBUSY);
    store_close(s);
    s = trees_open("r", STORE_READ_ONLY);
    ck_ok(store_open(trees_path("r"), STORE_READ_ONLY, &other)); /* readers may be many */
    ck_assert(hash_equal(store_id(s), store_id(other)));
    store_close(other);
    ck_assert_int_eq(store_open(trees_path("r"), 0, &other), -EBUSY);
    store_close(s);
}
END_TEST

START_TEST(where_no_store_is)
{
    struct store *s;
    char *dir = trees_path("d"), *file = trees_path("f");
    mkdir(dir, 0755);
    unit_write_file(file, "x", 1);
    ck_assert_int_eq(store_open(trees_path("nowhere"), 0, &s), -ENOENT);
    ck_assert_int_eq(store_open(dir, 0, &s), -ENOENT);
    ck_assert_int_eq(store_open(file, 0, &s), -ENOENT);
    ck_assert_int_eq(store_init(file), -EEXIST);
    ck_ok(store_init(dir)); /* an empty directory is room enough */
    ck_assert_int_eq(store_init(dir), -EEXIST);
    ck_ok(store_open(dir, 0, &s));
    struct stat st;
    ck_assert_int_eq(stat(dir, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0700);
    const struct version *v;
    ck_assert_int_eq(version_latest(s, &v), -ENOENT);
    store_close(s);
    ck_assert_int_eq(store_init(trees_path("no/such/parent")), -ENOENT);
}
END_TEST

/* An init that is killed leaves no repo, and the next one clears its rest away. */
START_TEST(killed_init_leaves_nothing)
{
    char *repo = trees_path("r"), tmp[256];
    pid_t pid = fork(); /* a process that is gone */
    if (pid == 0)
        _exit(0);
    waitpid(pid, NULL, 0);
    snprintf(tmp, sizeof tmp, "%s/.r.init-%ld", unit_tmpdir(), (long)pid);
    mkdir(tmp, 0700);
    trees_write(tmp, "db/000001.log", "x", 1);
    ck_ok(store_init(repo));
    ck_assert_int_eq(access(tmp, F_OK), -1);
    store_close(trees_open("r", 0));
}
END_TEST

Suite *unit_suite(void)
{
    Suite *suite = suite_create("names");
    TCase *t = tcase_create("names");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, names_that_are_tags);
    tcase_add_test(t, every_move_is_kept);
    tcase_add_test(t, one_name_one_version);
    tcase_add_test(t, removed_numbers_are_not_given_again);
    tcase_add_test(t, one_owner_at_a_time);
    tcase_add_test(t, where_no_store_is);
    tcase_add_test(t, killed_init_leaves_nothing);
    suite_add_tcase(suite, t);
    return suite;
}
