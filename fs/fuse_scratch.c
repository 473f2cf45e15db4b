/* SPDX-License-Identifier: Apache-2.0 */
/* In memory, few, gone with the daemon. All under fs->mutex: they are small and rare. */
#include "fs/fuse_fs.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int fuse_scratch_new(struct fuse_fs *fs, enum place_write dir, const char *name, size_t max,
                     const char *target, struct scratch **ret)
{
    static uint64_t next = UINT64_C(1) << 62; /* (m) */
    struct scratch *s = calloc(1, sizeof *s);
    if (!s || (name && !(s->name = strdup(name))) || (target && !(s->target = strdup(target)))) {
        if (s)
            free(s->name);
        free(s);
        return fail(-ENOMEM, "out of memory");
    }
    s->dir = dir;
    s->max = max;
    s->refs = 1;
    s->mtime_ns = now();
    pthread_mutex_lock(&fs->mutex);
    int full = fs->nscratches >= FUSE_FS_SCRATCH;
    if (!full) {
        fs->nscratches++;
        s->ino = next++;
        if (name) {
            s->refs++; /* its name's */
            LIST_INSERT_HEAD(&fs->scratches, s, all);
        }
    }
    pthread_mutex_unlock(&fs->mutex);
    if (full) {
        free(s->name);
        free(s->target);
        free(s);
        return fail(-ENOSPC, "there are %d scratch files already", FUSE_FS_SCRATCH);
    }
    *ret = s;
    return 0;
}

struct scratch *fuse_scratch_find(struct fuse_fs *fs, enum place_write dir, const char *name)
{
    struct scratch *s;
    pthread_mutex_lock(&fs->mutex);
    LIST_FOREACH(s, &fs->scratches, all)
    if (s->dir == dir && strcmp(s->name, name) == 0)
        break;
    if (s)
        s->refs++;
    pthread_mutex_unlock(&fs->mutex);
    return s;
}

struct scratch *fuse_scratch_ref(struct fuse_fs *fs, struct scratch *s)
{
    pthread_mutex_lock(&fs->mutex);
    s->refs++;
    pthread_mutex_unlock(&fs->mutex);
    return s;
}

void fuse_scratch_unref(struct fuse_fs *fs, struct scratch *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&fs->mutex);
    int dead = --s->refs == 0;
    fs->nscratches -= (unsigned)dead;
    pthread_mutex_unlock(&fs->mutex);
    if (dead) {
        out_fini(&s->data);
        free(s->target);
        free(s);
    }
}

void fuse_scratch_rename(struct fuse_fs *fs, struct scratch *s, const char *name)
{
    char *copy = name ? strdup(name) : NULL;
    pthread_mutex_lock(&fs->mutex);
    char *old = s->name;
    s->name = copy;
    if (old && !copy)
        LIST_REMOVE(s, all);
    pthread_mutex_unlock(&fs->mutex);
    free(old);
    if (old && !copy)
        fuse_scratch_unref(fs, s);
}

static int resize(struct scratch *s, uint64_t n)
{
    static const char zeros[4096];
    if (n > s->max)
        return fail(-EFBIG, "%zu bytes at most", s->max);
    if (n < s->data.n)
        s->data.n = (size_t)n;
    while (s->data.n < n && !out_error(&s->data))
        out_write(&s->data, zeros, n - s->data.n < sizeof zeros ? (size_t)(n - s->data.n) : sizeof zeros);
    s->mtime_ns = now();
    return out_error(&s->data);
}

int fuse_scratch_resize(struct fuse_fs *fs, struct scratch *s, uint64_t n)
{
    pthread_mutex_lock(&fs->mutex);
    int r = resize(s, n);
    pthread_mutex_unlock(&fs->mutex);
    return r;
}

/* off UINT64_MAX: at the end. */
int fuse_scratch_write(struct fuse_fs *fs, struct scratch *s, uint64_t off, const void *p, size_t n)
{
    uint64_t end;
    int r = 0;
    pthread_mutex_lock(&fs->mutex);
    if (off == UINT64_MAX)
        off = s->data.n;
    if (__builtin_add_overflow(off, (uint64_t)n, &end))
        r = -EFBIG;
    else if (end > s->data.n)
        r = resize(s, end);
    if (r == 0 && n) {
        memcpy(s->data.p + off, p, n);
        s->mtime_ns = now();
    }
    pthread_mutex_unlock(&fs->mutex);
    return r;
}

size_t fuse_scratch_read(struct fuse_fs *fs, struct scratch *s, uint64_t off, void *p, size_t n)
{
    pthread_mutex_lock(&fs->mutex);
    size_t left = off < s->data.n ? s->data.n - (size_t)off : 0;
    if (n > left)
        n = left;
    if (n)
        memcpy(p, s->data.p + off, n);
    pthread_mutex_unlock(&fs->mutex);
    return n;
}

int fuse_scratch_copy(struct fuse_fs *fs, struct scratch *s, struct out *ret)
{
    pthread_mutex_lock(&fs->mutex);
    out_write(ret, s->data.p, s->data.n);
    pthread_mutex_unlock(&fs->mutex);
    return out_error(ret);
}

void fuse_scratch_stat(struct fuse_fs *fs, struct scratch *s, struct stat *ret)
{
    pthread_mutex_lock(&fs->mutex);
    ret->st_mode = s->target ? S_IFLNK | 0777 : S_IFREG | 0644;
    ret->st_size = (off_t)(s->target ? strlen(s->target) : s->data.n);
    ret->st_blocks = (ret->st_size + 511) / 512;
    ret->st_nlink = s->name ? 1 : 0;
    ret->st_mtim.tv_sec = s->mtime_ns / 1000000000;
    ret->st_mtim.tv_nsec = s->mtime_ns % 1000000000;
    ret->st_atim = ret->st_ctim = ret->st_mtim;
    pthread_mutex_unlock(&fs->mutex);
}

/* ---- hidden names ---- */

void fuse_scratch_hide(struct fuse_fs *fs, const char *config, int hide)
{
    pthread_mutex_lock(&fs->mutex);
    struct fuse_hidden *x;
    LIST_FOREACH(x, &fs->hidden, all)
    if (strcmp(x->config, config) == 0)
        break;
    if (x && !hide) {
        LIST_REMOVE(x, all);
        free(x);
    } else if (!x && hide && (x = malloc(sizeof *x))) {
        x->config = config;
        LIST_INSERT_HEAD(&fs->hidden, x, all);
    }
    pthread_mutex_unlock(&fs->mutex);
}

int fuse_scratch_hidden(struct fuse_fs *fs, const char *config)
{
    pthread_mutex_lock(&fs->mutex);
    struct fuse_hidden *x;
    LIST_FOREACH(x, &fs->hidden, all)
    if (strcmp(x->config, config) == 0)
        break;
    pthread_mutex_unlock(&fs->mutex);
    return x != NULL;
}

void fuse_scratch_free_all(struct fuse_fs *fs)
{
    for (struct scratch *s; (s = LIST_FIRST(&fs->scratches)) != NULL;)
        fuse_scratch_rename(fs, s, NULL);
    for (struct fuse_hidden *x; (x = LIST_FIRST(&fs->hidden)) != NULL;)
        fuse_scratch_hide(fs, x->config, 0);
}
