/* SPDX-License-Identifier: Apache-2.0 */
#include "store/core.h"
#include "store/doc.h"
#include "store/run.h"
#include "tests/unit/trees.h"
#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>

static char *tree(const char *name)
{
    char *dir = trees_path(name);
    mkdir(dir, 0755);
    return dir;
}

static void add_weights(const char *dir, const char *name, uint64_t seed, size_t count)
{
    struct trees_tensor t[] = {{"w", "F32", 4, count}, {"b", "BF16", 2, count / 2}};
    size_t n;
    uint8_t *p = trees_safetensors(&seed, t, 2, &n);
    trees_write(dir, name, p, n);
    free(p);
}

static int entries(const char *dir)
{
    DIR *d = opendir(dir);
    int n = 0;
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static int staged(struct store *s)
{
    char path[4600];
    snprintf(path, sizeof path, "%s/staging", store_path(s));
    return entries(path);
}

static int complain(void *ctx, const char *line)
{
    (void)ctx;
    fprintf(stderr, "check: %s\n", line);
    return 0;
}

static void ck_whole(struct store *s)
{
    ck_assert_int_eq(store_check(s, 1, complain, NULL, NULL), 0);
}

START_TEST(equal_bytes_are_stored_once)
{
    struct store *s = trees_repo("r");
    char *dir = tree("t");
    add_weights(dir, "a.safetensors", 1, 300000);
    struct commit_result a = trees_commit(s, dir);
    add_weights(dir, "copy/of/a.safetensors", 1, 300000);
    struct commit_result b = trees_commit(s, dir);
    ck_assert_uint_eq(b.bytes_new, 0); /* the same tensors, and the same short header */
    ck_assert_uint_eq(b.bytes, 2 * a.bytes);
    /* a tensor of which one element changed: one chunk of it is new */
    size_t n;
    char path[4600];
    snprintf(path, sizeof path, "%s/a.safetensors", dir);
    char *p = unit_read_file(path, &n);
    p[n - 300000 - 4] ^= 1; /* the end of w */
    unit_write_file(path, p, n);
    free(p);
    struct commit_result c = trees_commit(s, dir);
    ck_assert_uint_eq(c.bytes_new, (300000 - 2 * 131072) * 4);
    struct store_usage u;
    ck_ok(store_usage(s, &u));
    ck_assert_uint_eq(u.versions, 3);
    ck_assert_uint_eq(u.raw_unique, a.bytes_new + c.bytes_new);
    ck_assert_uint_eq(u.stored, a.stored_new + c.stored_new);
    ck_assert_uint_eq(u.logical, a.bytes + b.bytes + c.bytes);
    trees_compare(s, 3, dir);
    ck_whole(s);
    store_close(s);
}
END_TEST

START_TEST(tags_and_parents)
{
    struct store *s = trees_repo("r");
    char *dir = tree("t");
    trees_write(dir, "x", "1", 1);
    struct commit_result a = trees_commit(s, dir), b, bad;
    ck_ok(trees_try_commit(s, dir, "prod", &b));
    struct digest d;
    ck_ok(tag_get(s, "prod", &d));
    ck_assert(hash_equal(&d, &b.digest));
    ck_assert_int_eq(trees_try_commit(s, dir, "v1", &bad), -EINVAL);
    const struct version *v;
    ck_ok(version_get(s, &b.digest, &v));
    ck_assert_uint_eq(v->nparents, 1);
    ck_assert(hash_equal(&v->parents[0], &a.digest));
    ck_assert_str_eq(v->message, "a message");
    version_unref(v);

    struct digest nowhere = {{9}};
    const char *paths[] = {dir};
    struct prepare p = {
        .repo = store_path(s), .paths = paths, .npaths = 1, .parents = &nowhere, .nparents = 1};
    struct prepare_owner owner = prepare_direct(s);
    struct out doc = {0};
    ck_ok(prepare_run(&p, &owner, &doc));
    ck_assert_int_eq(commit_apply(s, doc.p, doc.n, &bad), -ENOENT);
    out_fini(&doc);
    ck_assert_int_eq(staged(s), 0);
    store_close(s);
}
END_TEST

START_TEST(inputs_that_are_refused)
{
    struct store *s = trees_repo("r");
    struct commit_result c;
    char path[4600], target[4600];
    char *dir = tree("t");
    ck_assert_int_eq(trees_try_commit(s, dir, NULL, &c), -EINVAL); /* empty */
    ck_assert_int_eq(trees_try_commit(s, trees_path("nowhere"), NULL, &c), -ENOENT);
    ck_assert_int_eq(trees_try_commit(s, unit_tmpdir(), NULL, &c), -EINVAL); /* holds the repo */
    ck_assert_ptr_nonnull(strstr(fail_text(), "repo itself"));
    snprintf(path, sizeof path, "%s/fifo", dir);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(trees_try_commit(s, dir, NULL, &c), -EINVAL);
    unlink(path);
    snprintf(path, sizeof path, "%s/loop", dir);
    ck_assert_int_eq(symlink(".", path), 0);
    ck_assert_int_eq(trees_try_commit(s, dir, NULL, &c), -ELOOP);
    unlink(path);
    ck_assert_int_eq(symlink("nothing", path), 0);
    ck_assert_int_eq(trees_try_commit(s, dir, NULL, &c), -ENOENT);
    unlink(path);

    /* a symlink to a file, and one to a directory, are what they point at */
    trees_write(tree("elsewhere"), "w/f", "content", 7);
    snprintf(target, sizeof target, "%s/elsewhere/w/f", unit_tmpdir());
    snprintf(path, sizeof path, "%s/link", dir);
    ck_assert_int_eq(symlink(target, path), 0);
    snprintf(target, sizeof target, "%s/elsewhere/w", unit_tmpdir());
    snprintf(path, sizeof path, "%s/dirlink", dir);
    ck_assert_int_eq(symlink(target, path), 0);
    c = trees_commit(s, dir);
    ck_assert_uint_eq(c.files, 2);
    trees_compare(s, 1, dir);
    ck_assert_int_eq(staged(s), 0);
    store_close(s);
}
END_TEST

struct meddler {
    char path[4600];
    int calls, kill_at;
};

static int meddle(void *ctx, const struct prepare_progress *p)
{
    struct meddler *m = ctx;
    (void)p;
    if (m->kill_at && m->calls + 1 == m->kill_at)
        raise(SIGKILL);
    if (m->calls++ == 0 && m->path[0]) {
        FILE *f = fopen(m->path, "ab");
        fputc('x', f);
        fclose(f);
    }
    return 0;
}

START_TEST(file_changed_while_read_is_busy)
{
    struct store *s = trees_repo("r");
    char *dir = tree("t");
    uint64_t seed = 4;
    size_t n = 20 << 20;
    uint8_t *p = trees_bytes(&seed, n, 2);
    trees_write(dir, "big", p, n);
    free(p);
    struct meddler m = {0};
    snprintf(m.path, sizeof m.path, "%s/big", dir);
    const char *paths[] = {dir};
    struct prepare prep = {
        .repo = store_path(s), .paths = paths, .npaths = 1, .progress = meddle, .progress_ctx = &m};
    struct prepare_owner owner = prepare_direct(s);
    struct out doc = {0};
    ck_assert_int_eq(prepare_run(&prep, &owner, &doc), -EBUSY);
    ck_assert_int_gt(m.calls, 0);
    ck_assert_uint_eq(doc.n, 0);
    ck_assert_ptr_nonnull(strstr(fail_text(), "big: changed while it was read"));
    ck_assert_int_eq(staged(s), 0);
    store_close(s);
}
END_TEST

static int stop(void *ctx, const struct prepare_progress *p)
{
    (void)ctx;
    return p->done > 0;
}

START_TEST(interrupted_leaves_nothing)
{
    struct store *s = trees_repo("r");
    char *dir = tree("t");
    add_weights(dir, "w", 3, 100000);
    const char *paths[] = {dir};
    struct prepare prep = {.repo = store_path(s), .paths = paths, .npaths = 1, .progress = stop};
    struct prepare_owner owner = prepare_direct(s);
    struct out doc = {0};
    ck_assert_int_eq(prepare_run(&prep, &owner, &doc), -EINTR);
    ck_assert_int_eq(staged(s), 0);
    prep.progress = NULL;
    ck_ok(prepare_run(&prep, &owner, &doc));
    ck_assert_int_eq(staged(s), 1);
    prepare_discard(store_path(s), doc.p, doc.n);
    ck_assert_int_eq(staged(s), 0);
    out_fini(&doc);
    store_close(s);
}
END_TEST

/* More than a pack holds: table files, linked in. */
START_TEST(large_commit_by_table_files)
{
    struct store *s = trees_repo("r");
    char *dir = tree("t");
    uint64_t seed = 5;
    size_t n = 70 << 20;
    uint8_t *p = trees_bytes(&seed, n, 1);
    trees_write(dir, "noise.bin", p, n);
    free(p);
    add_weights(dir, "w.safetensors", 6, 200000);
    struct commit_result a = trees_commit(s, dir);
    ck_assert_uint_gt(a.stored_new, n);
    trees_compare(s, 1, dir);
    struct commit_result b = trees_commit(s, dir);
    ck_assert_uint_eq(b.bytes_new, 0);
    ck_assert_int_eq(staged(s), 0);
    store_close(s);
    s = trees_open("r", 0);
    trees_compare(s, 2, dir);
    ck_whole(s);
    store_close(s);
}
END_TEST

/* The version can be loaded, and its bytes are right or an error (a flipped checksum is only seen then). */
static int right_or_error(void *ctx, const struct version *v)
{
    struct store *s = ctx;
    const struct manifest *m;
    ck_ok(manifest_get(s, v, &m));
    for (size_t i = 0; i < m->nfiles; i++) {
        const struct manifest_file *f = &m->files[i];
        uint8_t *p = malloc(f->size + 1);
        int64_t n = file_read(s, f, 0, p, f->size);
        struct digest d;
        if (n >= 0) {
            ck_assert_int_eq(n, (int64_t)f->size);
            hash_sha256(p, f->size, &d);
            ck_assert(hash_equal(&d, &f->sha256));
        } else {
            ck_assert_int_eq(n, -EIO);
        }
        free(p);
    }
    manifest_unref(s, m);
    return 0;
}

/* The document is checked like any foreign bytes: whatever is flipped or cut, the commit is refused or makes
 * a version that can be read. */
START_TEST(flipped_document_is_refused)
{
    struct store *s = trees_repo("r");
    char *dir = tree("t");
    const char *paths[] = {dir};
    struct prepare prep = {.repo = store_path(s), .paths = paths, .npaths = 1, .message = "m"};
    struct prepare_owner owner = prepare_direct(s);
    struct commit_result c;
    uint64_t seed = 8;
    int refused = 0, cut_refused = 0;
    for (int i = 0; i < 400; i++) {
        struct out doc = {0};
        add_weights(dir, "w", (uint64_t)i / 4, 1000);
        trees_write(dir, "text", &i, sizeof i);
        ck_ok(prepare_run(&prep, &owner, &doc));
        size_t at = trees_random(&seed) % doc.n;
        if (i % 4 == 0) {
            cut_refused += commit_apply(s, doc.p, at, &c) < 0;
        } else {
            doc.p[at] ^= (char)(1 << trees_random(&seed) % 8);
            refused += commit_apply(s, doc.p, doc.n, &c) < 0;
        }
        out_fini(&doc);
    }
    ck_assert_int_eq(cut_refused, 100);
    ck_assert_int_gt(refused, 100);
    ck_ok(version_each(s, right_or_error, s));
    store_close(s);
}
END_TEST

START_TEST(applied_twice_is_refused)
{
    struct store *s = trees_repo("r");
    char *dir = tree("t");
    add_weights(dir, "w", 9, 1000);
    const char *paths[] = {dir};
    struct prepare prep = {.repo = store_path(s), .paths = paths, .npaths = 1};
    struct prepare_owner owner = prepare_direct(s);
    struct commit_result c;
    struct out doc = {0}, later = {0};
    ck_ok(prepare_run(&prep, &owner, &doc));
    ck_ok(prepare_run(&prep, &owner, &later));
    ck_ok(commit_apply(s, doc.p, doc.n, &c));
    ck_assert_int_eq(commit_apply(s, doc.p, doc.n, &c), -ESTALE);
    ck_ok(
        commit_apply(s, later.p, later.n, &c)); /* prepared when the chunks were not there yet: kept twice */
    trees_compare(s, 2, dir);
    ck_whole(s);
    out_reset(&doc);
    add_weights(dir, "w2", 10, 1000);
    ck_ok(prepare_run(&prep, &owner, &doc));
    store_close(s);
    s = trees_open("r", 0); /* another owner did not give these ids */
    ck_assert_int_eq(commit_apply(s, doc.p, doc.n, &c), -ESTALE);
    out_fini(&doc);
    out_fini(&later);
    store_close(s);
}
END_TEST

/* Between the two halves a chunk that was found is removed: the owner says so, and a second attempt works. */
START_TEST(chunk_removed_meanwhile)
{
    struct store *s = trees_repo("r");
    char *dir = tree("t");
    add_weights(dir, "w", 12, 1000);
    trees_commit(s, dir);
    const char *paths[] = {dir};
    struct prepare prep = {.repo = store_path(s), .paths = paths, .npaths = 1};
    struct prepare_owner owner = prepare_direct(s);
    struct commit_result c;
    struct out doc = {0};
    struct doc d;
    ck_ok(prepare_run(&prep, &owner, &doc));
    ck_ok(doc_parse(doc.p, doc.n, &d));
    ck_assert_uint_eq(d.reused.n, 2);
    struct db_batch *b = db_batch_new();
    db_delete(s->db, b, DB_IDX, d.reused.p, 32);
    ck_ok(db_write(s->db, b, 1));
    db_batch_free(b);
    ck_assert_int_eq(commit_apply(s, doc.p, doc.n, &c), -ESTALE);
    c = trees_commit(s, dir);
    ck_assert_uint_gt(c.bytes_new, 0);
    trees_compare(s, 2, dir);
    out_fini(&doc);
    store_close(s);
}
END_TEST

/* A tensor record may only name chunks that the commit itself brings or was told to be there. */
START_TEST(foreign_chunk_is_refused)
{
    struct store *s = trees_repo("r");
    char *dir = tree("t");
    add_weights(dir, "w", 13, 1000);
    const char *paths[] = {dir};
    struct prepare prep = {.repo = store_path(s), .paths = paths, .npaths = 1};
    struct prepare_owner owner = prepare_direct(s);
    struct commit_result c;
    struct out doc = {0};
    struct doc d;
    ck_ok(prepare_run(&prep, &owner, &doc));
    ck_ok(doc_parse(doc.p, doc.n, &d));
    doc.p[(const char *)d.runs.p - doc.p + 32 + 4 + (ptrdiff_t)run_id_offset(0)] ^= 64;
    ck_assert_int_eq(commit_apply(s, doc.p, doc.n, &c), -EBADMSG);
    ck_assert_ptr_nonnull(strstr(fail_text(), "not part of the commit"));
    prepare_discard(store_path(s), doc.p, doc.n);
    ck_assert_int_eq(staged(s), 0);
    out_fini(&doc);
    store_close(s);
}
END_TEST

/* A child commits one tree after another and tells each acknowledged number; it is killed at some moment. */
static void commit_until_killed(const char *repo, int pipe, int kill_at)
{
    struct store *s;
    if (store_open(repo, 0, &s) < 0)
        _exit(1);
    for (uint64_t i = 1;; i++) {
        char dir[256]; /* in the parent's directory, which it removes */
        snprintf(dir, sizeof dir, "%s-tree-%llu", repo, (unsigned long long)i);
        mkdir(dir, 0755);
        add_weights(dir, "w", i, 20000);
        const char *paths[] = {dir};
        struct meddler m = {.kill_at = i == 3 ? kill_at : 0};
        struct prepare p = {
            .repo = repo, .paths = paths, .npaths = 1, .progress = meddle, .progress_ctx = &m};
        struct prepare_owner owner = prepare_direct(s);
        struct out doc = {0};
        struct commit_result c;
        if (prepare_run(&p, &owner, &doc) < 0 || commit_apply(s, doc.p, doc.n, &c) < 0)
            _exit(2);
        out_fini(&doc);
        if (write(pipe, &c.number, sizeof c.number) != sizeof c.number)
            _exit(3);
    }
}

/* The newest version of a store that opens, is whole and has nothing staged; else 0. */
static uint32_t newest_of_whole(const char *repo)
{
    struct store *s;
    const struct version *v;
    if (store_open(repo, 0, &s) < 0 || version_latest(s, &v) < 0 || staged(s) != 0 ||
        store_check(s, 1, complain, NULL, NULL) != 0)
        return 0;
    uint32_t n = v->number;
    version_unref(v);
    store_close(s);
    return n;
}

/* Runs in a child, so that this process, which forks, never has had a database open. */
static pid_t child(int fds[2], const char *repo, int look, int kill_at)
{
    ck_assert_int_eq(pipe(fds), 0);
    pid_t pid = fork();
    if (pid != 0) {
        close(fds[1]);
        return pid;
    }
    close(fds[0]);
    if (!look)
        commit_until_killed(repo, fds[1], kill_at);
    uint32_t n = newest_of_whole(repo);
    _exit(write(fds[1], &n, sizeof n) == sizeof n ? 0 : 1);
}

START_TEST(killed_commit_leaves_a_whole_store)
{
    char *repo = trees_path("r");
    int fds[2], status;
    uint32_t acked = 0, n;
    pid_t pid = fork();
    if (pid == 0)
        _exit(store_init(repo) == 0 ? 0 : 1);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    for (int round = 0; round < 6; round++) {
        pid = child(fds, repo, 0, round % 2); /* odd: in the middle of the third preparation */
        for (int i = 0; i < 2 + round && read(fds[0], &n, sizeof n) == sizeof n; i++)
            acked = n;
        kill(pid, SIGKILL);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "exit status %d", status);
        while (read(fds[0], &n, sizeof n) == sizeof n)
            acked = n;
        close(fds[0]);

        pid = child(fds, repo, 1, 0);
        ck_assert_int_eq(read(fds[0], &n, sizeof n), sizeof n);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
        close(fds[0]);
        ck_assert_uint_ge(n, acked); /* what was acknowledged is there; one more may be */
        ck_assert_uint_le(n, acked + 1);
        acked = n;
    }
    ck_assert_uint_gt(acked, 12);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *suite = suite_create("commit");
    TCase *t = tcase_create("commit");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, equal_bytes_are_stored_once);
    tcase_add_test(t, tags_and_parents);
    tcase_add_test(t, inputs_that_are_refused);
    tcase_add_test(t, file_changed_while_read_is_busy);
    tcase_add_test(t, interrupted_leaves_nothing);
    tcase_add_test(t, large_commit_by_table_files);
    tcase_add_test(t, flipped_document_is_refused);
    tcase_add_test(t, applied_twice_is_refused);
    tcase_add_test(t, chunk_removed_meanwhile);
    tcase_add_test(t, foreign_chunk_is_refused);
    tcase_add_test(t, killed_commit_leaves_a_whole_store);
    suite_add_tcase(suite, t);
    return suite;
}
