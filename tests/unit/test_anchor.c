/* SPDX-License-Identifier: Apache-2.0 */
/* Damage: bits flipped in the anchor, the MANIFEST, the log, table files; files cut short or gone; a full
 * disk. */
#include "store/anchor.h"
#include "store/db.h"
#include "store/rows.h"
#include "tests/unit/trees.h"
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>

__attribute__((format(printf, 1, 2))) static void sh(const char *fmt, ...)
{
    char cmd[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(cmd, sizeof cmd, fmt, ap);
    va_end(ap);
    ck_assert_msg(system(cmd) == 0, "%s", cmd);
}

/* Two versions, a tag, rows, configuration; the newest records are in the log only. */
static void make_repo(void)
{
    struct store *s = trees_repo("r");
    char *dir = trees_path("t");
    struct trees_tensor t[] = {{"w", "F32", 4, 20000}};
    struct commit_result c;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        uint64_t x = seed;
        size_t n;
        mkdir(dir, 0755);
        uint8_t *p = trees_safetensors(&x, t, 1, &n);
        trees_write(dir, "w.safetensors", p, n);
        free(p);
        ck_ok(trees_try_commit(s, dir, seed == 1 ? "prod" : NULL, &c));
        store_close(s); /* what was written goes into table files when it is opened again */
        s = trees_open("r", 0);
    }
    struct stored_row row = {.state = ROW_ACTIVE, .json = "{\"a\":1}", .n = 7};
    for (int i = 0; i < 5; i++) {
        row.seq = 0;
        ck_ok(rows_write(s, &row, 1, "rows", "{}"));
    }
    ck_ok(config_set(s, "spec.json", "{}", 2, "{}"));
    store_close(s);
}

struct sum {
    struct store *s;
    struct hash *h;
    int err;
};

static int sum_version(void *ctx, const struct version *v)
{
    struct sum *x = ctx;
    const struct manifest *m;
    int r = manifest_get(x->s, v, &m);
    if (r < 0)
        return r;
    hash_update(x->h, &v->digest, sizeof v->digest);
    for (size_t i = 0; i < m->nfiles && r == 0; i++) {
        char *p = malloc(m->files[i].size + 1);
        int64_t n = file_read(x->s, &m->files[i], 0, p, m->files[i].size);
        if (n < 0)
            r = (int)n;
        else
            hash_update(x->h, p, (size_t)n);
        free(p);
    }
    manifest_unref(x->s, m);
    return r;
}

static int sum_tag(void *ctx, const char *name, const struct digest *d)
{
    struct sum *x = ctx;
    hash_update(x->h, name, strlen(name));
    hash_update(x->h, d, sizeof *d);
    return 0;
}

static int sum_row(void *ctx, const struct stored_row *r)
{
    struct sum *x = ctx;
    hash_update(x->h, &r->seq, sizeof r->seq);
    hash_update(x->h, r->json, r->n);
    return 0;
}

/* Everything that can be read of it, in one digest; or an error. */
static int sum_all(struct store *s, struct digest *ret)
{
    struct sum x = {.s = s, .h = hash_new()};
    struct out o = {0};
    int r = version_each(s, sum_version, &x);
    if (r == 0)
        r = tag_each(s, sum_tag, &x);
    if (r == 0)
        r = rows_each(s, 0, sum_row, &x);
    if (r == 0)
        r = config_get(s, "spec.json", &o, NULL);
    if (o.n)
        hash_update(x.h, o.p, o.n);
    hash_final(x.h, ret);
    hash_free(x.h);
    out_fini(&o);
    return r;
}

static int ignore(void *ctx, const char *line)
{
    (void)line;
    return ++*(int *)ctx, 0;
}

struct outcome {
    int refused, identical, reported;
};

/* Opens the damaged copy for writing, which is when RocksDB deletes what it thinks is not needed. */
static void try_damaged(const char *repo, const struct digest *want, struct outcome *o)
{
    static const char list[] = "find . -type f ! -name lock ! -name LOG -printf '%p %s\\n' | sort";
    struct store *s;
    sh("cd %s && %s > ../before", repo, list);
    int r = store_open(repo, 0, &s);
    if (r < 0) {
        ck_assert_msg(r == -EBADMSG || r == -EIO || r == -ENOTSUP, "%d %s", r, fail_text());
        sh("cd %s && %s > ../after && cmp ../before ../after", repo, list); /* it wrote and deleted nothing */
        o->refused++;
        return;
    }
    struct digest got;
    int damages = 0;
    r = sum_all(s, &got);
    if (r == 0) {
        ck_assert_msg(hash_equal(&got, want), "other content, silently");
        o->identical++;
    } else {
        ck_assert_msg(r == -EBADMSG || r == -EIO, "%d %s", r, fail_text());
        ck_assert_int_gt(store_check(s, 1, ignore, NULL, &damages), 0);
        ck_assert_int_gt(damages, 0);
        o->reported++;
    }
    store_close(s);
}

static void flip(const char *path, size_t bit)
{
    int fd = open(path, O_RDWR);
    unsigned char c;
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pread(fd, &c, 1, (off_t)(bit / 8)), 1);
    c ^= (unsigned char)(1 << bit % 8);
    ck_assert_int_eq(pwrite(fd, &c, 1, (off_t)(bit / 8)), 1);
    close(fd);
}

static void want_sum(struct digest *ret)
{
    struct store *s = trees_open("r", STORE_READ_ONLY);
    ck_ok(sum_all(s, ret));
    store_close(s);
}

/* Flips one bit at a time, `times` of the first max bytes (0: all) of the files that match, each in a fresh
 * copy. */
static struct outcome flip_over(const char *pattern, int times, size_t max)
{
    struct outcome o = {0};
    struct digest want;
    const char *repo = trees_path("r"), *copy = trees_path("copy");
    glob_t g;
    uint64_t seed = 77;
    want_sum(&want);
    for (int i = 0; i < times; i++) {
        struct stat st;
        char path[512];
        sh("rm -rf %s && cp -a %s %s", copy, repo, copy);
        snprintf(path, sizeof path, "%s/%s", copy, pattern);
        ck_assert_int_eq(glob(path, 0, NULL, &g), 0);
        const char *file = g.gl_pathv[(size_t)i % g.gl_pathc];
        ck_assert_int_eq(stat(file, &st), 0);
        size_t n = max && (size_t)st.st_size > max ? max : (size_t)st.st_size;
        if (n) {
            flip(file, trees_random(&seed) % (n * 8));
            try_damaged(copy, &want, &o);
        }
        globfree(&g);
    }
    return o;
}

/* Each bit of the slot that holds the newest event: refused, or the older slot, which is still true, is used.
 */
START_TEST(flipped_anchor)
{
    make_repo();
    struct digest want;
    struct outcome o = {0};
    const char *anchor = trees_path("r/anchor");
    want_sum(&want);
    for (size_t byte = 0; byte < 104; byte++)
        for (size_t slot = 0; slot < 2; slot++) {
            size_t bit = (slot * 4096 + byte) * 8 + byte % 8;
            flip(anchor, bit);
            struct store *s;
            struct digest got;
            ck_ok(store_open(trees_path("r"), STORE_READ_ONLY, &s));
            ck_ok(sum_all(s, &got));
            ck_assert(hash_equal(&got, &want));
            store_close(s);
            o.identical++;
            flip(anchor, bit);
        }
    flip(anchor, 100); /* both slots */
    flip(anchor, 4096 * 8 + 300);
    try_damaged(trees_path("r"), &want, &o);
    ck_assert_int_eq(o.refused, 1);
    ck_assert_int_eq(o.identical, 208);
}
END_TEST

/* The anchor of a store with more history, as if the database had lost its tail. */
START_TEST(fewer_events_than_promised)
{
    make_repo();
    struct outcome o = {0};
    struct digest want;
    sh("cp -a %s %s", trees_path("r"), trees_path("old"));
    struct store *s = trees_open("r", 0);
    struct stored_row row = {.state = ROW_ACTIVE, .json = "{}", .n = 2};
    ck_ok(rows_write(s, &row, 1, "rows", "{}"));
    store_close(s);
    want_sum(&want);
    sh("cp %s/anchor %s/anchor", trees_path("r"), trees_path("old"));
    try_damaged(trees_path("old"), &want, &o);
    ck_assert_int_eq(o.refused, 1);
    ck_assert_ptr_nonnull(strstr(fail_text(), "events promised"));
    sh("rm %s/anchor", trees_path("old"));
    try_damaged(trees_path("old"), &want, &o);
    ck_assert_int_eq(o.refused, 2);
}
END_TEST

START_TEST(flipped_manifest)
{
    make_repo();
    struct outcome o = flip_over("db/MANIFEST-*", 40, 0), first = flip_over("db/MANIFEST-*", 30, 100);
    ck_assert_int_gt(o.refused + first.refused, 45);
}
END_TEST

/* The length of each record of the MANIFEST made to reach beyond the end, as if a crash had torn it there. */
START_TEST(flipped_manifest_length)
{
    make_repo();
    struct digest want;
    struct outcome o = {0};
    const char *repo = trees_path("r"), *copy = trees_path("copy");
    char path[512];
    glob_t g;
    size_t n;
    int records = 0;
    want_sum(&want);
    snprintf(path, sizeof path, "%s/db/MANIFEST-*", repo);
    ck_assert_int_eq(glob(path, 0, NULL, &g), 0);
    char *m = unit_read_file(g.gl_pathv[0], &n);
    globfree(&g);
    for (size_t at = 0; at + 7 <= n; records++) { /* u32 checksum, u16 length, u8 type */
        sh("rm -rf %s && cp -a %s %s", copy, repo, copy);
        snprintf(path, sizeof path, "%s/db/MANIFEST-*", copy);
        ck_assert_int_eq(glob(path, 0, NULL, &g), 0);
        flip(g.gl_pathv[0], (at + 5) * 8 + 6);
        try_damaged(copy, &want, &o);
        ck_assert_ptr_nonnull(strstr(fail_text(), "a record's length is wrong"));
        globfree(&g);
        at += 7 + (unsigned char)m[at + 4] + (size_t)256 * (unsigned char)m[at + 5];
    }
    ck_assert_int_gt(records, 20);
    ck_assert_int_eq(o.refused, records);
    free(m);
}
END_TEST

/* What is really torn costs nothing: the log has what the last records were about. */
START_TEST(torn_manifest)
{
    make_repo();
    struct digest want;
    struct outcome o = {0};
    const char *repo = trees_path("r"), *copy = trees_path("copy");
    want_sum(&want);
    sh("cp -a %s %s", repo, copy);
    sh("printf '\\1\\2\\3\\4\\100\\0\\1torn' >>%s/db/MANIFEST-*", copy);
    try_damaged(copy, &want, &o);
    ck_assert_int_eq(o.identical, 1);
}
END_TEST

START_TEST(flipped_log)
{
    make_repo();
    struct outcome o = flip_over("db/*.log", 40, 0);
    ck_assert_int_gt(o.refused, 20);
}
END_TEST

START_TEST(flipped_table)
{
    make_repo();
    struct outcome o = flip_over("db/*.sst", 50, 0);
    ck_assert_int_gt(o.refused + o.reported, 12);
}
END_TEST

/* A chunk's table: named by version, file and tensor. */
static int note_line(void *ctx, const char *line)
{
    snprintf(ctx, 512, "%s", line);
    return 0;
}

START_TEST(check_names_what_is_touched)
{
    make_repo();
    char line[512] = "", cmd[512];
    /* the largest table holds the chunks of v1 or v2 */
    snprintf(cmd, sizeof cmd, "ls -S %s/db/*.sst | head -n 1", trees_path("r"));
    FILE *f = popen(cmd, "r");
    char file[256];
    ck_assert_ptr_nonnull(fgets(file, sizeof file, f));
    pclose(f);
    file[strcspn(file, "\n")] = 0;
    flip(file, 30000 * 8);
    struct store *s = trees_open("r", 0);
    ck_assert_int_eq(store_check(s, 1, note_line, NULL, line), 1);
    ck_assert_msg(strncmp(line, "v", 1) == 0 && strstr(line, "w.safetensors: tensor w, bytes "), "%s", line);
    store_close(s);
}
END_TEST

START_TEST(torn_log_is_the_acknowledged_prefix_or_damaged)
{
    make_repo();
    struct digest want;
    const char *copy = trees_path("copy");
    want_sum(&want);
    int refused = 0, whole = 0;
    for (int cut = 1; cut <= 20; cut++) {
        struct store *s;
        sh("rm -rf %s && cp -a %s %s", copy, trees_path("r"), copy);
        sh("truncate -s -%d $(ls -S %s/db/*.log | head -n 1)", cut * 7, copy);
        int r = store_open(copy, 0, &s);
        if (r == 0) {
            whole++; /* nothing acknowledged may be gone */
            struct digest got;
            ck_ok(sum_all(s, &got));
            ck_assert(hash_equal(&got, &want));
            store_close(s);
        } else {
            ck_assert_int_eq(r, -EBADMSG);
            refused++;
        }
    }
    ck_assert_int_eq(refused, 20);
    ck_assert_int_eq(whole, 0);
    /* what was written and not acknowledged may go: bytes past the last record */
    sh("rm -rf %s && cp -a %s %s && printf 'torn' >> $(ls -S %s/db/*.log | head -n 1)", copy, trees_path("r"),
       copy, copy);
    struct outcome o = {0};
    try_damaged(copy, &want, &o);
    ck_assert_int_eq(o.identical, 1);
}
END_TEST

static void set_features(uint64_t incompat, uint64_t ro)
{
    struct db *db;
    uint8_t rec[25] = {1};
    char path[300];
    snprintf(path, sizeof path, "%s/db", trees_path("r"));
    memcpy(rec + 1, &incompat, 8);
    memcpy(rec + 9, &ro, 8);
    ck_ok(db_open(path, 0, &db));
    struct db_batch *b = db_batch_new();
    db_put(db, b, DB_META, "features", 8, rec, sizeof rec);
    ck_ok(db_write(db, b, 1));
    db_batch_free(b);
    db_close(db);
}

START_TEST(newer_features)
{
    struct store *s;
    store_close(trees_repo("r"));
    set_features(0, 1);
    ck_assert_int_eq(store_open(trees_path("r"), 0, &s), -ENOTSUP);
    ck_ok(store_open(trees_path("r"), STORE_READ_ONLY, &s)); /* may still be read */
    store_close(s);
    set_features(UINT64_C(1) << 40, 0);
    ck_assert_int_eq(store_open(trees_path("r"), 0, &s), -ENOTSUP);
    ck_assert_int_eq(store_open(trees_path("r"), STORE_READ_ONLY, &s), -ENOTSUP);
    set_features(0, 0);
    ck_ok(store_open(trees_path("r"), 0, &s));
    store_close(s);
}
END_TEST

static int mount_small(const char *dir)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("small", dir, "tmpfs", 0, "size=2m") == 0;
}

static int count_row(void *ctx, const struct stored_row *r)
{
    ck_assert_uint_eq(r->n, 20000);
    return ++*(int *)ctx, 0;
}

START_TEST(full_disk)
{
    char *dir = trees_path("small"), path[512];
    struct store *s;
    mkdir(dir, 0755);
    ck_assert(mount_small(dir)); /* main() has tried */
    snprintf(path, sizeof path, "%s/r", dir);
    ck_ok(store_init(path));
    ck_ok(store_open(path, 0, &s));
    char *text = malloc(20000);
    memset(text, 'x', 20000);
    uint64_t acked = 0, seed = 1;
    int r = 0;
    while (acked < 1000) {
        for (int i = 0; i < 20000; i += 8) {
            uint64_t x = trees_random(&seed);
            memcpy(text + i, &x, 8);
        }
        struct stored_row row = {.state = ROW_ACTIVE, .json = text, .n = 20000};
        if ((r = rows_write(s, &row, 1, "rows", "{}")) < 0)
            break;
        acked++;
    }
    ck_assert_msg(r == -ENOSPC, "%d %s", r, fail_text());
    ck_assert_uint_gt(acked, 5);
    int n = 0;
    ck_ok(rows_each(s, 0, count_row, &n)); /* reads go on, and all that was acknowledged is there */
    ck_assert_int_eq(n, (int)acked);
    /* a commit says so too, and leaves nothing */
    struct commit_result c;
    char *tree = trees_path("t");
    mkdir(tree, 0755);
    uint8_t *p = trees_bytes(&seed, 3 << 20, 1);
    trees_write(tree, "noise", p, 3 << 20);
    free(p);
    r = trees_try_commit(s, tree, NULL, &c);
    ck_assert_msg(r == -ENOSPC, "%d %s", r, fail_text());
    /* with room again, writes go on by themselves: RocksDB looks for it every few seconds */
    ck_assert_int_eq(mount("small", dir, "tmpfs", MS_REMOUNT, "size=256m"), 0);
    struct stored_row row = {.state = ROW_ACTIVE, .json = "{}", .n = 2};
    for (int i = 0; i < 300 && (r = rows_write(s, &row, 1, "rows", "{}")) == -ENOSPC; i++)
        nanosleep(&(struct timespec){0, 100000000}, NULL);
    ck_assert_msg(r == 0, "%d %s", r, fail_text());
    ck_assert_int_eq(store_check(s, 1, NULL, NULL, NULL), 0);
    store_close(s);
    ck_ok(store_open(path, 0, &s));
    ck_assert_uint_ge(row.seq, acked + 1);
    ck_assert_int_eq(store_check(s, 1, NULL, NULL, NULL), 0);
    ck_assert_uint_eq(events_last(s, NULL), 1 + row.seq);
    store_close(s);
    free(text);
}
END_TEST

static int may_mount(void)
{
    pid_t pid = fork();
    int status;
    if (pid == 0)
        _exit(mount_small("/tmp") ? 0 : 1);
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

Suite *unit_suite(void)
{
    Suite *suite = suite_create("anchor");
    TCase *t = tcase_create("anchor");
    tcase_set_timeout(t, 200);
    tcase_add_test(t, flipped_anchor);
    tcase_add_test(t, fewer_events_than_promised);
    tcase_add_test(t, flipped_manifest);
    tcase_add_test(t, flipped_manifest_length);
    tcase_add_test(t, torn_manifest);
    tcase_add_test(t, flipped_log);
    tcase_add_test(t, flipped_table);
    tcase_add_test(t, check_names_what_is_touched);
    tcase_add_test(t, torn_log_is_the_acknowledged_prefix_or_damaged);
    tcase_add_test(t, newer_features);
    if (may_mount())
        tcase_add_test(t, full_disk);
    else
        puts("skipped: full_disk (needs the right to mount)");
    suite_add_tcase(suite, t);
    return suite;
}
