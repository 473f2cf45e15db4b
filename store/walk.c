/* SPDX-License-Identifier: Apache-2.0 */
#include "store/walk.h"
#include "store/base/fail.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct above { /* the directories on the way down */
    const struct above *up;
    dev_t dev;
    ino_t ino;
};

struct walker {
    struct walk *w;
    struct stat repo;
    int has_repo;
};

static int push(struct walk *w, const char *path, const char *source, const struct stat *st)
{
    if (w->n == w->cap) {
        size_t cap = w->cap ? 2 * w->cap : 64;
        struct walk_entry *e = reallocarray(w->e, cap, sizeof *e);
        if (!e)
            return fail(-ENOMEM, "out of memory");
        w->e = e;
        w->cap = cap;
    }
    w->e[w->n++] = (struct walk_entry){path, source, *st};
    return 0;
}

static int directory(struct walker *k, const char *path, const char *source, const struct stat *st,
                     const struct above *up);

/* path "": the root itself, which is no entry */
static int one(struct walker *k, const char *path, const char *source, const struct above *up)
{
    struct stat st;
    if (stat(source, &st) != 0)
        return fail(-errno, "%s: %s", source, strerror(errno));
    if (S_ISDIR(st.st_mode)) {
        int r = *path ? push(k->w, path, source, &st) : 0;
        return r < 0 ? r : directory(k, path, source, &st, up);
    }
    if (S_ISREG(st.st_mode))
        return push(k->w, path, source, &st);
    return fail(-EINVAL, "%s: neither a regular file nor a directory", source);
}

static int directory(struct walker *k, const char *path, const char *source, const struct stat *st,
                     const struct above *up)
{
    for (const struct above *a = up; a; a = a->up)
        if (a->dev == st->st_dev && a->ino == st->st_ino)
            return fail(-ELOOP, "%s: a symlink makes this directory contain itself", source);
    if (k->has_repo && st->st_dev == k->repo.st_dev && st->st_ino == k->repo.st_ino)
        return fail(-EINVAL, "%s: is the repo itself", source);
    if (strlen(path) > 4096)
        return fail(-ENAMETOOLONG, "%s: path too long", source);
    struct above here = {up, st->st_dev, st->st_ino};
    DIR *d = opendir(source);
    if (!d)
        return fail(-errno, "%s: %s", source, strerror(errno));
    int r = 0;
    struct dirent *e;
    while (r == 0 && (errno = 0, e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        struct arena *a = &k->w->arena;
        char *to = *path ? arena_printf(a, "%s/%s", path, e->d_name) : arena_strdup(a, e->d_name);
        char *from = arena_printf(a, "%s/%s", source, e->d_name);
        r = to && from ? one(k, to, from, &here) : fail(-ENOMEM, "out of memory");
    }
    if (r == 0 && errno)
        r = fail(-errno, "%s: %s", source, strerror(errno));
    closedir(d);
    return r;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct walk_entry *)a)->path, ((const struct walk_entry *)b)->path);
}

static int top(struct walker *k, const char *given)
{
    struct arena *a = &k->w->arena;
    size_t n = strlen(given);
    while (n > 1 && given[n - 1] == '/')
        n--;
    char *source = arena_strndup(a, given, n);
    struct stat st;
    if (!source)
        return fail(-ENOMEM, "out of memory");
    if (stat(given, &st) != 0)
        return fail(-errno, "%s: %s", given, strerror(errno));
    const char *slash = strrchr(source, '/');
    return one(k, S_ISDIR(st.st_mode) ? "" : slash ? slash + 1 : source, source, NULL);
}

int walk_paths(const char *repo, const char *const *paths, size_t npaths, struct walk *ret)
{
    struct walk w = {0};
    struct walker k = {.w = &w};
    k.has_repo = repo && stat(repo, &k.repo) == 0;
    int r = 0;
    for (size_t i = 0; r == 0 && i < npaths; i++)
        r = top(&k, paths[i]);
    if (r == 0 && w.n == 0)
        r = fail(-EINVAL, "%s: nothing to commit", npaths ? paths[0] : "no path given");
    if (r == 0)
        qsort(w.e, w.n, sizeof *w.e, by_path);
    for (size_t i = 1; r == 0 && i < w.n; i++)
        if (strcmp(w.e[i - 1].path, w.e[i].path) == 0)
            r = fail(-EEXIST, "%s: given twice (%s and %s)", w.e[i].path, w.e[i - 1].source, w.e[i].source);
    if (r < 0)
        walk_fini(&w);
    else
        *ret = w;
    return r;
}

void walk_fini(struct walk *w)
{
    free(w->e);
    arena_fini(&w->arena);
    *w = (struct walk){0};
}
