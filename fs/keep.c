/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/keep.h"
#include "fs/texts.h"
#include "store/base/fail.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_LEN = 64 + 1 + 16, BUCKETS = 4096 };

struct held { /* a text with its references */
    struct text t;
    atomic_uint refs;
};

struct entry {
    struct digest key;
    uint64_t xxh3, size;
    const struct text *text; /* (m) NULL: only a file */
    int file;                /* (m) */
    TAILQ_ENTRY(entry) memory, disk;
    LIST_ENTRY(entry) same;
};

TAILQ_HEAD(entries, entry);
struct keep {
    pthread_mutex_t mutex;                    /* (m) */
    int dir;                                  /* -1: no files */
    struct entries memory, disk;              /* (m) most recently used first */
    uint64_t memory_bytes, disk_bytes, files; /* (m) */
    LIST_HEAD(, entry) bucket[BUCKETS];       /* (m) */
};

const struct text *text_ref(const struct text *t)
{
    if (t)
        atomic_fetch_add(&((struct held *)t)->refs, 1);
    return t;
}

void text_unref(const struct text *t)
{
    if (t && atomic_fetch_sub(&((struct held *)t)->refs, 1) == 1) {
        free((void *)t->p);
        free((void *)t);
    }
}

/* Takes p, which it frees on failure. */
static const struct text *text_new(const struct digest *key, char *p, size_t n)
{
    struct held *h = p ? malloc(sizeof *h) : NULL;
    if (!h) {
        free(p);
        return NULL;
    }
    *h = (struct held){.t = {.p = p, .n = n, .digest = *key}};
    atomic_init(&h->refs, 1);
    return &h->t;
}

static void file_name(const struct entry *e, char ret[NAME_LEN + 1])
{
    hash_hex(&e->key, ret);
    snprintf(ret + 64, 1 + 16 + 1, "-%016llx", (unsigned long long)e->xxh3);
}

static struct entry *find(struct keep *k, const struct digest *key) /* (m) */
{
    struct entry *e;
    LIST_FOREACH(e, &k->bucket[(key->b[0] | key->b[1] << 8) % BUCKETS], same)
    if (hash_equal(&e->key, key))
        return e;
    return NULL;
}

static struct entry *add(struct keep *k, const struct digest *key) /* (m) */
{
    struct entry *e = calloc(1, sizeof *e);
    if (e) {
        e->key = *key;
        LIST_INSERT_HEAD(&k->bucket[(key->b[0] | key->b[1] << 8) % BUCKETS], e, same);
    }
    return e;
}

static void drop_text(struct keep *k, struct entry *e) /* (m) */
{
    if (!e->text)
        return;
    k->memory_bytes -= e->text->n;
    TAILQ_REMOVE(&k->memory, e, memory);
    text_unref(e->text);
    e->text = NULL;
}

static void drop_file(struct keep *k, struct entry *e) /* (m) */
{
    if (!e->file)
        return;
    char name[NAME_LEN + 1];
    file_name(e, name);
    unlinkat(k->dir, name, 0);
    k->disk_bytes -= e->size;
    k->files--;
    TAILQ_REMOVE(&k->disk, e, disk);
    e->file = 0;
}

static void drop_unused(struct entry *e) /* (m) */
{
    if (e->text || e->file)
        return;
    LIST_REMOVE(e, same);
    free(e);
}

static void set_text(struct keep *k, struct entry *e, const struct text *t) /* (m) */
{
    e->text = text_ref(t);
    e->size = t->n;
    k->memory_bytes += t->n;
    TAILQ_INSERT_HEAD(&k->memory, e, memory);
    for (struct entry *last;
         k->memory_bytes > TEXTS_MEMORY && (last = TAILQ_LAST(&k->memory, entries)) != e;) {
        drop_text(k, last);
        drop_unused(last);
    }
}

static void set_file(struct keep *k, struct entry *e) /* (m) */
{
    e->file = 1;
    k->disk_bytes += e->size;
    k->files++;
    TAILQ_INSERT_HEAD(&k->disk, e, disk);
    for (struct entry *last; (k->disk_bytes > TEXTS_DISK || k->files > TEXTS_FILES) &&
                             (last = TAILQ_LAST(&k->disk, entries)) != e;) {
        drop_file(k, last);
        drop_unused(last);
    }
}

/* ---- files ---- */

static char *read_file(int dir, const char *name, size_t n, uint64_t xxh3)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char *p = malloc(n + 1);
    size_t got = 0;
    ssize_t k = -1;
    if (fd >= 0 && p)
        while ((k = read(fd, p + got, n + 1 - got)) > 0)
            got += (size_t)k;
    if (fd >= 0)
        close(fd);
    if (k < 0 || got != n || hash_xxh3(p, n) != xxh3) {
        free(p);
        return NULL;
    }
    return p;
}

static int write_file(int dir, const char *name, const struct text *t)
{
    char tmp[NAME_LEN + 8];
    snprintf(tmp, sizeof tmp, ".%s.tmp", name); /* one writer a key at a time: single flight */
    int fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    size_t at = 0;
    ssize_t k = 0;
    while (at < t->n && (k = write(fd, t->p + at, t->n - at)) > 0)
        at += (size_t)k;
    close(fd);
    if (at < t->n || renameat(dir, tmp, dir, name) < 0) {
        unlinkat(dir, tmp, 0);
        return -EIO;
    }
    return 0;
}

struct found {
    struct digest key;
    uint64_t xxh3, size;
    int64_t mtime_ns;
};

static int by_time(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    return (x->mtime_ns > y->mtime_ns) - (x->mtime_ns < y->mtime_ns);
}

/* What an earlier process left: texts by their names; anything else is of a process that died. */
static int load(struct keep *k)
{
    int fd = openat(k->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d)
        return fail(-errno, "cache/reports: %m");
    struct found *v = NULL;
    size_t n = 0, cap = 0;
    int r = 0;
    for (struct dirent *ent; r == 0 && (ent = readdir(d));) {
        struct stat st;
        struct found f;
        char hex[65] = "", *end = NULL;
        if (!strcmp(ent->d_name, ".") || !strcmp(ent->d_name, ".."))
            continue;
        if (strlen(ent->d_name) == NAME_LEN && ent->d_name[64] == '-') {
            memcpy(hex, ent->d_name, 64);
            if (hash_parse(hex, &f.key) == 0)
                f.xxh3 = strtoull(ent->d_name + 65, &end, 16);
        }
        if (!end || *end || fstatat(k->dir, ent->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISREG(st.st_mode) || st.st_size < 0 || st.st_size > TEXTS_DISK) {
            unlinkat(k->dir, ent->d_name, 0);
            continue;
        }
        f.size = (uint64_t)st.st_size;
        f.mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
        if (n == cap) {
            struct found *more = reallocarray(v, cap = cap ? cap * 2 : 256, sizeof *v);
            if (!more) {
                r = fail(-ENOMEM, "out of memory");
                break;
            }
            v = more;
        }
        v[n++] = f;
    }
    closedir(d);
    if (n)
        qsort(v, n, sizeof *v, by_time);
    for (size_t i = 0; r == 0 && i < n; i++) {
        struct entry *e = find(k, &v[i].key) ? NULL : add(k, &v[i].key);
        if (!e)
            continue;
        e->xxh3 = v[i].xxh3;
        e->size = v[i].size;
        set_file(k, e);
    }
    free(v);
    return r;
}

int keep_open(const char *dir, struct keep **ret)
{
    struct keep *k = calloc(1, sizeof *k);
    if (!k)
        return fail(-ENOMEM, "out of memory");
    k->dir = -1;
    TAILQ_INIT(&k->memory);
    TAILQ_INIT(&k->disk);
    pthread_mutex_init(&k->mutex, NULL);
    int r = 0;
    if (dir && (k->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0)
        r = fail(-errno, "%s: %m", dir);
    if (r < 0 || (dir && (r = load(k)) < 0)) {
        keep_close(k);
        return r;
    }
    *ret = k;
    return 0;
}

void keep_close(struct keep *k)
{
    if (!k)
        return;
    for (int i = 0; i < BUCKETS; i++)
        for (struct entry *e; (e = LIST_FIRST(&k->bucket[i])) != NULL;) {
            LIST_REMOVE(e, same);
            text_unref(e->text);
            free(e);
        }
    if (k->dir >= 0)
        close(k->dir);
    pthread_mutex_destroy(&k->mutex);
    free(k);
}

void keep_clear(struct keep *k)
{
    pthread_mutex_lock(&k->mutex);
    for (int i = 0; i < BUCKETS; i++)
        for (struct entry *e = LIST_FIRST(&k->bucket[i]), *next; e; e = next) {
            next = LIST_NEXT(e, same);
            drop_text(k, e);
            drop_file(k, e);
            drop_unused(e);
        }
    pthread_mutex_unlock(&k->mutex);
}

int keep_find(struct keep *k, const struct digest *key, const struct text **ret)
{
    pthread_mutex_lock(&k->mutex);
    struct entry *e = find(k, key);
    if (e && !e->text && e->file) {
        char name[NAME_LEN + 1];
        file_name(e, name);
        const struct text *t = text_new(key, read_file(k->dir, name, e->size, e->xxh3), e->size);
        if (t) {
            utimensat(k->dir, name, NULL, 0); /* the next process drops the least recently used */
            TAILQ_REMOVE(&k->disk, e, disk);
            TAILQ_INSERT_HEAD(&k->disk, e, disk);
            set_text(k, e, t);
            text_unref(t);
        } else { /* gone, or not what was written */
            drop_file(k, e);
            drop_unused(e);
            e = NULL;
        }
    } else if (e && e->text) {
        TAILQ_REMOVE(&k->memory, e, memory);
        TAILQ_INSERT_HEAD(&k->memory, e, memory);
    }
    if (e)
        *ret = text_ref(e->text);
    pthread_mutex_unlock(&k->mutex);
    return e ? 0 : -ENOENT;
}

int keep_pass(const struct digest *key, struct out *o, const struct text **ret)
{
    size_t n = 0;
    char *p = out_take(o, &n);
    return (*ret = text_new(key, p, n)) ? 0 : fail(-ENOMEM, "out of memory");
}

int keep_add(struct keep *k, const struct digest *key, struct out *o, int file, const struct text **ret)
{
    size_t n = 0;
    char *p = out_take(o, &n);
    const struct text *t = text_new(key, p, n);
    if (!t)
        return fail(-ENOMEM, "out of memory");
    pthread_mutex_lock(&k->mutex);
    struct entry *e = find(k, key);
    if (!e && !(e = add(k, key))) {
        pthread_mutex_unlock(&k->mutex); /* it can be used all the same */
        *ret = t;
        return 0;
    }
    drop_text(k, e);
    drop_file(k, e);
    e->xxh3 = hash_xxh3(t->p, t->n);
    set_text(k, e, t);
    if (file && k->dir >= 0 && n <= TEXTS_DISK / 4) {
        char name[NAME_LEN + 1];
        file_name(e, name);
        if (write_file(k->dir, name, t) == 0)
            set_file(k, e);
    }
    pthread_mutex_unlock(&k->mutex);
    *ret = t;
    return 0;
}
