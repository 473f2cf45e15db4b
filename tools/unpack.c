/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/unpack.h"
#include "store/base/arena.h"
#include "store/base/fail.h"
#include "store/sweep.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct directory {
    char *path;
    mode_t mode;
    struct timespec mtime;
};

struct unpack {
    char *dir; /* absolute */
    int fd, made, finished;
    uint64_t done;
    struct arena arena;
    struct directory *dirs; /* (ndirs) in the order they came: parents first */
    size_t ndirs, cap;
    /* the file at work */
    int file; /* -1: none */
    struct reply_file head;
    uint64_t written;
    struct hash *hash;
};

/* ---- paths ---- */

static int check_path(const char *path)
{
    for (const char *p = path;;) {
        size_t n = strcspn(p, "/");
        if (n == 0 || n > 255 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return fail(-EBADMSG, "%s: not a path inside a version", path);
        if (!p[n])
            return 0;
        p += n + 1;
    }
}

/* The directory that holds path's last component, made where needed; *ret_name is that component. */
static int open_parent(const struct unpack *u, const char *path, const char **ret_name)
{
    int at = openat(u->fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    char name[256];
    for (size_t n; at >= 0 && path[n = strcspn(path, "/")]; path += n + 1) {
        snprintf(name, sizeof name, "%.*s", (int)n, path);
        if (mkdirat(at, name, 0700) != 0 && errno != EEXIST)
            break;
        int next = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close(at);
        at = next;
    }
    if (at >= 0 && strchr(path, '/')) {
        int err = -errno;
        close(at);
        return err;
    }
    *ret_name = path;
    return at < 0 ? -errno : at;
}

static struct timespec time_of(int64_t ns)
{
    int64_t s = ns / 1000000000, rest = ns % 1000000000;
    return (struct timespec){rest < 0 ? s - 1 : s, rest < 0 ? rest + 1000000000 : rest};
}

static int cannot(const char *path, int err)
{
    return fail(err, "%s: %s", path, strerror(-err));
}

/* ---- files ---- */

static int end_file(struct unpack *u)
{
    if (u->file < 0)
        return 0;
    struct digest d;
    struct timespec t[2] = {{0, UTIME_OMIT}, time_of(u->head.mtime_ns)};
    int err = 0;
    hash_final(u->hash, &d);
    if (u->written != u->head.size || !hash_equal(&d, &u->head.sha256))
        err = fail(-EBADMSG, "%s: not the bytes that were committed", u->head.path);
    else if (fchmod(u->file, (u->head.mode & 0755) | 0600) != 0 || futimens(u->file, t) != 0)
        err = cannot(u->head.path, -errno);
    if (close(u->file) != 0 && err == 0)
        err = cannot(u->head.path, -errno);
    u->file = -1;
    return err;
}

static int add_directory(struct unpack *u, const struct reply_file *f)
{
    const char *name;
    int at = open_parent(u, f->path, &name);
    if (at < 0)
        return cannot(f->path, at);
    int err = mkdirat(at, name, 0700) == 0 || errno == EEXIST ? 0 : cannot(f->path, -errno);
    close(at);
    if (err == 0 && u->ndirs == u->cap) {
        size_t cap = u->cap ? 2 * u->cap : 16;
        void *p = reallocarray(u->dirs, cap, sizeof *u->dirs);
        if (!p)
            return -ENOMEM;
        u->dirs = p;
        u->cap = cap;
    }
    if (err == 0) {
        char *path = arena_strdup(&u->arena, f->path);
        if (!path)
            return -ENOMEM;
        u->dirs[u->ndirs++] = (struct directory){path, (f->mode & 0755) | 0700, time_of(f->mtime_ns)};
    }
    return err;
}

int unpack_file(struct unpack *u, const struct reply_file *f)
{
    int err = end_file(u);
    if (err == 0)
        err = check_path(f->path);
    if (err < 0)
        return err;
    if (S_ISDIR(f->mode))
        return add_directory(u, f);
    if (!S_ISREG(f->mode))
        return fail(-EBADMSG, "%s: neither a file nor a directory", f->path);
    const char *name;
    int at = open_parent(u, f->path, &name);
    if (at < 0)
        return cannot(f->path, at);
    u->file = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    err = u->file < 0 ? cannot(f->path, -errno) : 0;
    close(at);
    u->head = *f;
    u->written = 0;
    if (err == 0 && !(u->head.path = arena_strdup(&u->arena, f->path)))
        err = -ENOMEM;
    return err;
}

int unpack_data(struct unpack *u, const void *p, size_t n)
{
    if (u->file < 0)
        return fail(-EPROTO, "bytes of no file");
    hash_update(u->hash, p, n);
    for (const char *c = p; n;) {
        ssize_t k = write(u->file, c, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return cannot(u->head.path, -errno);
        c += k;
        n -= (size_t)k;
        u->written += (uint64_t)k;
        u->done += (uint64_t)k;
    }
    return 0;
}

int unpack_finish(struct unpack *u)
{
    int err = end_file(u);
    for (size_t i = u->ndirs; err == 0 && i-- > 0;) {
        const struct directory *d = &u->dirs[i];
        struct timespec t[2] = {{0, UTIME_OMIT}, d->mtime};
        const char *name;
        int at = open_parent(u, d->path, &name);
        int fd = at < 0 ? -1 : openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fchmod(fd, d->mode) != 0 || futimens(fd, t) != 0)
            err = cannot(d->path, -errno);
        if (fd >= 0)
            close(fd);
        if (at >= 0)
            close(at);
    }
    u->finished = err == 0;
    return err;
}

uint64_t unpack_done(const struct unpack *u)
{
    return u->done;
}

/* ---- the directory ---- */

/* Calls each with the path of every entry; non-zero stops. */
static int each_entry(const char *dir, int (*each)(const char *path))
{
    DIR *d = opendir(dir);
    int r = d ? 0 : -errno;
    for (struct dirent *e; r == 0 && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        struct out path = {0};
        out_printf(&path, "%s/%s", dir, e->d_name);
        r = out_error(&path) ? -ENOMEM : each(out_cstr(&path));
        out_fini(&path);
    }
    if (d)
        closedir(d);
    return r;
}

static int is_there(const char *path)
{
    (void)path;
    return -ENOTEMPTY;
}

int unpack_open(const char *dir, struct unpack **ret)
{
    struct unpack *u = calloc(1, sizeof *u);
    int err = 0;
    if (!u)
        return -ENOMEM;
    u->fd = u->file = -1;
    if (mkdir(dir, 0777) == 0)
        u->made = 1;
    else if (errno != EEXIST)
        err = cannot(dir, -errno);
    if (err == 0 && !(u->dir = realpath(dir, NULL)))
        err = cannot(dir, -errno);
    if (err == 0 && !u->made && (err = each_entry(u->dir, is_there)) < 0)
        err = err == -ENOTEMPTY ? fail(err, "%s: is not empty", dir) : cannot(dir, err);
    if (err == 0 && (u->fd = open(u->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        err = cannot(dir, -errno);
    if (err == 0 && !(u->hash = hash_new()))
        err = -ENOMEM;
    if (err < 0) {
        u->finished = 1; /* nothing of it is ours */
        unpack_close(u);
    } else {
        *ret = u;
    }
    return err;
}

void unpack_close(struct unpack *u)
{
    if (!u)
        return;
    if (u->file >= 0)
        close(u->file);
    if (u->fd >= 0)
        close(u->fd);
    if (!u->finished && each_entry(u->dir, sweep_tree) == 0 && u->made)
        rmdir(u->dir);
    hash_free(u->hash);
    arena_fini(&u->arena);
    free(u->dirs);
    free(u->dir);
    free(u);
}
