/* SPDX-License-Identifier: Apache-2.0 */
/* A new repo: built beside its place under a temporary name, synced, renamed. */
#include "store/base/fail.h"
#include "store/core.h"
#include "store/sweep.h"
#include "store/write.h"
#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static int sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail(-errno, "%s: %s", path, strerror(errno));
    int r = fsync(fd) == 0 ? 0 : fail(-errno, "%s: sync: %s", path, strerror(errno));
    close(fd);
    return r;
}

static void put_meta(struct db *db, struct db_batch *b, const char *key, struct out *o, int *err)
{
    db_put(db, b, DB_META, key, strlen(key), o->p, o->n);
    *err |= out_error(o);
    out_reset(o);
}

/* The first records and the first event. */
static int fill(const char *path, int dirfd)
{
    struct anchor a = {.seq = 1};
    if (getrandom(&a.store_id, sizeof a.store_id, 0) != sizeof a.store_id)
        return fail(-EIO, "no random bytes");
    struct db *db;
    int r = db_create(path);
    if (r == 0)
        r = db_open(path, 0, &db);
    if (r < 0)
        return r;
    struct db_batch *b = db_batch_new();
    struct out o = {0};
    int err = b ? 0 : -ENOMEM;
    if (b) {
        wire_put_u8(&o, 1);
        wire_put_u64(&o, 0); /* each is set when it is first made use of */
        wire_put_u64(&o, CORE_ROCOMPAT);
        wire_put_u64(&o, 0);
        put_meta(db, b, "features", &o, &err);
        wire_put_u8(&o, 1);
        wire_put_digest(&o, &a.store_id);
        put_meta(db, b, "id", &o, &err);
        wire_put_u8(&o, 1);
        wire_put_u64(&o, 1);
        wire_put_u64(&o, 0);
        put_meta(db, b, "ids", &o, &err);
        static const struct digest none;
        struct key k = key_id(1);
        record_event_format(&none, 1, "init", write_now(), "{}", 2, &o, &a.hash);
        err |= out_error(&o);
        db_put(db, b, DB_EVENTS, k.b, k.n, o.p, o.n);
    }
    r = err ? fail(-ENOMEM, "out of memory") : db_write(db, b, 1);
    db_batch_free(b);
    out_fini(&o);
    db_close(db);
    return r < 0 ? r : anchor_create(dirfd, &a);
}

static int build(const char *tmp)
{
    int dirfd = sweep_hold(tmp);
    if (dirfd < 0)
        return dirfd;
    int r = 0, lock = openat(dirfd, "lock", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
    if (lock < 0 || mkdirat(dirfd, "staging", 0770) != 0 || mkdirat(dirfd, "cache", 0770) != 0)
        r = fail(-errno, "%s: %s", tmp, strerror(errno));
    if (lock >= 0)
        close(lock);
    struct out path = {0};
    out_printf(&path, "%s/db", tmp);
    if (r == 0)
        r = fill(out_cstr(&path), dirfd);
    if (r == 0)
        r = sync_dir(out_cstr(&path));
    if (r == 0)
        r = sync_dir(tmp);
    out_fini(&path);
    close(dirfd);
    return r;
}

static int is_empty(const char *path)
{
    DIR *d = opendir(path);
    if (!d)
        return 0;
    int n = 0;
    for (struct dirent *e; (e = readdir(d));)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n == 0;
}

int store_init(const char *repo)
{
    struct stat st;
    if (lstat(repo, &st) == 0 && !(S_ISDIR(st.st_mode) && is_empty(repo)))
        return fail(-EEXIST, "%s: already exists", repo);
    char *a = strdup(repo), *b = strdup(repo), *parent = a ? dirname(a) : NULL,
         *name = b ? basename(b) : NULL;
    struct out tmp = {0}, prefix = {0};
    int r = parent && name ? 0 : fail(-ENOMEM, "out of memory");
    if (r == 0) {
        out_printf(&prefix, ".%s.init-", name);
        out_printf(&tmp, "%s/%s%ld", parent, out_cstr(&prefix), (long)getpid());
        sweep_dead(parent, out_cstr(&prefix)); /* of an init that was killed */
        if (mkdir(out_cstr(&tmp), 0700) != 0)
            r = fail(-errno, "%s: %s", parent, strerror(errno));
    }
    if (r == 0) {
        r = build(out_cstr(&tmp));
        if (r == 0 && rename(out_cstr(&tmp), repo) != 0)
            r = errno == ENOTEMPTY || errno == EEXIST ? fail(-EEXIST, "%s: already exists", repo)
                                                      : fail(-errno, "%s: %s", repo, strerror(errno));
        if (r == 0)
            r = sync_dir(parent);
        else
            sweep_tree(out_cstr(&tmp));
    }
    out_fini(&tmp);
    out_fini(&prefix);
    free(a);
    free(b);
    return r;
}
