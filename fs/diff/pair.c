/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/diff/pair.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct digest none;

static int no_memory(void)
{
    return fail(-ENOMEM, "out of memory");
}

/* ---- two sides, and pairs out of them ---- */

struct item {
    const char *model, *name;
    const struct manifest_file *file;
    const struct manifest_tensor *tensor; /* NULL: the item is the file */
    const struct digest *digest;
};
struct side {
    struct item *v;
    size_t n;
};
typedef int order(const struct item *a, const struct item *b);
typedef void emit(void *ctx, const struct item *a, const struct item *b); /* one may be NULL */

static int by_place(const struct item *a, const struct item *b)
{
    int c = strcmp(a->model, b->model);
    return c ? c : strcmp(a->name, b->name);
}

static int by_name(const struct item *a, const struct item *b)
{
    return strcmp(a->name, b->name);
}

static int by_digest(const struct item *a, const struct item *b)
{
    return memcmp(a->digest->b, b->digest->b, sizeof a->digest->b);
}

static int by_digest_and_leaf(const struct item *a, const struct item *b)
{
    const char *x = strrchr(a->name, '.'), *y = strrchr(b->name, '.');
    int c = by_digest(a, b);
    return c ? c : strcmp(x ? x : a->name, y ? y : b->name);
}

/* By the key, then by place: a total order. */
static int total(const void *a, const void *b, void *key)
{
    const struct item *x = a, *y = b;
    int c = (*(order **)key)(x, y);
    if (c == 0)
        c = by_place(x, y);
    if (c == 0)
        c = strcmp(x->file->path, y->file->path);
    return c || !x->tensor ? c : (x->tensor > y->tensor) - (x->tensor < y->tensor);
}

/*
 * Pairs items that are equal in `key`, in the order of their places; with unique, only where both sides have
 * exactly one. What is left over stays in the sides.
 */
static void match(struct side *a, struct side *b, order *key, int unique, emit *pair, void *ctx)
{
    size_t i = 0, j = 0, left_a = 0, left_b = 0;
    qsort_r(a->v, a->n, sizeof *a->v, total, &key);
    qsort_r(b->v, b->n, sizeof *b->v, total, &key);
    while (i < a->n || j < b->n) {
        int c = i == a->n ? 1 : j == b->n ? -1 : key(&a->v[i], &b->v[j]);
        size_t ei = i, ej = j;
        while (c <= 0 && ei < a->n && (ei == i || key(&a->v[ei], &a->v[i]) == 0))
            ei++;
        while (c >= 0 && ej < b->n && (ej == j || key(&b->v[ej], &b->v[j]) == 0))
            ej++;
        if (!unique || (ei - i == 1 && ej - j == 1))
            while (i < ei && j < ej)
                pair(ctx, &a->v[i++], &b->v[j++]);
        while (i < ei)
            a->v[left_a++] = a->v[i++];
        while (j < ej)
            b->v[left_b++] = b->v[j++];
    }
    a->n = left_a;
    b->n = left_b;
}

/* Those that equal digests say nothing about: with no digest, and (drop_small) single numbers, which are
 * equal by chance. */
static void give_up(struct side *s, int is_b, int drop_small, emit *pair, void *ctx)
{
    size_t left = 0;
    for (size_t i = 0; i < s->n; i++)
        if (by_digest(&s->v[i], &(struct item){.digest = &none}) == 0 ||
            (drop_small && s->v[i].tensor && s->v[i].tensor->count <= 1))
            pair(ctx, is_b ? NULL : &s->v[i], is_b ? &s->v[i] : NULL);
        else
            s->v[left++] = s->v[i];
    s->n = left;
}

static void give_up_all(struct side *a, struct side *b, emit *pair, void *ctx)
{
    for (size_t i = 0; i < a->n; i++)
        pair(ctx, &a->v[i], NULL);
    for (size_t i = 0; i < b->n; i++)
        pair(ctx, NULL, &b->v[i]);
}

/* ---- files ---- */

static int side_of_files(const struct manifest *m, struct arena *a, struct side *ret)
{
    if (!(ret->v = arena_array(a, m->nfiles, sizeof *ret->v)))
        return no_memory();
    for (size_t i = 0; i < m->nfiles; i++)
        if (!S_ISDIR(m->files[i].mode))
            ret->v[ret->n++] = (struct item){
                .model = "", .name = m->files[i].path, .file = &m->files[i], .digest = &m->files[i].sha256};
    return 0;
}

static void emit_file(void *ctx, const struct item *a, const struct item *b)
{
    struct diff *d = ctx;
    struct diff_file *f = &d->files[d->nfiles++];
    f->a = a ? a->file : NULL;
    f->b = b ? b->file : NULL;
    f->path = b ? f->b->path : f->a->path;
    f->status = !a ? DIFF_ADDED : !b ? DIFF_DELETED : 0;
    if (a && b)
        f->status = (by_digest(a, b) ? DIFF_MODIFIED : 0) | (strcmp(a->name, b->name) ? DIFF_RENAMED : 0);
}

static int by_path(const void *a, const void *b)
{
    const struct diff_file *x = a, *y = b;
    int c = strcmp(x->path, y->path);
    return c ? c : (x->b == NULL) - (y->b == NULL);
}

int pair_files(const struct manifest *ma, const struct manifest *mb, struct arena *arena, struct diff *ret)
{
    struct side a = {0}, b = {0};
    int r = side_of_files(ma, arena, &a);
    if (r < 0 || (r = side_of_files(mb, arena, &b)) < 0)
        return r;
    ret->nfiles = 0;
    if (!(ret->files = arena_array(arena, a.n + b.n, sizeof *ret->files)))
        return no_memory();
    match(&a, &b, by_name, 0, emit_file, ret);
    match(&a, &b, by_digest, 0, emit_file, ret);
    give_up_all(&a, &b, emit_file, ret);
    qsort(ret->files, ret->nfiles, sizeof *ret->files, by_path);
    return 0;
}

/* ---- tensors ---- */

const char *pair_model(struct arena *a, const char *path)
{
    /* NAME-<digits>-of-<digits>.EXT */
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const char *of = strstr(base, "-of-"), *from = of, *to;
    if (!of)
        return path;
    while (from > base && from[-1] >= '0' && from[-1] <= '9')
        from--;
    to = of + 4 + strspn(of + 4, "0123456789");
    if (from == of || from <= base + 1 || from[-1] != '-' || to == of + 4 || *to != '.')
        return path;
    return arena_printf(a, "%.*s%s", (int)(from - 1 - path), path, to);
}

const struct manifest_file *pair_home(const struct manifest *m, const struct manifest_file *f,
                                      const struct manifest_tensor *t)
{
    char path[4096];
    if (!(t->flags & TENSOR_EXTERNAL) || !t->location)
        return f;
    const char *slash = strrchr(f->path, '/'), *name = t->location;
    while (strncmp(name, "./", 2) == 0)
        name += 2;
    int dir = slash ? (int)(slash + 1 - f->path) : 0;
    int n = snprintf(path, sizeof path, "%.*s%s", dir, f->path, name);
    return n < 0 || n >= (int)sizeof path ? NULL : manifest_find(m, path);
}

int pair_listed_elsewhere(const struct manifest *m, const struct manifest_file *f,
                          const struct manifest_tensor *t)
{
    const struct manifest_file *home = pair_home(m, f, t);
    return home && home != f && home->ntensors > 0;
}

static int side_of_tensors(const struct manifest *m, struct arena *arena, struct side *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < m->nfiles; i++)
        n += m->files[i].ntensors;
    if (!(ret->v = arena_array(arena, n, sizeof *ret->v)))
        return no_memory();
    for (size_t i = 0; i < m->nfiles; i++) {
        const struct manifest_file *f = &m->files[i];
        const char *model = pair_model(arena, f->path);
        if (!model)
            return no_memory();
        for (size_t k = 0; k < f->ntensors; k++)
            if (!pair_listed_elsewhere(m, f, &f->tensors[k]))
                ret->v[ret->n++] = (struct item){.model = model,
                                                 .name = f->tensors[k].name,
                                                 .file = f,
                                                 .tensor = &f->tensors[k],
                                                 .digest = &f->tensors[k].digest};
    }
    return 0;
}

struct tensors {
    struct diff *d;
    const struct manifest *ma, *mb;
};

/* Equal bytes, as far as records tell: by digest, or because they lie at one place in equal files. */
static int same_bytes(const struct tensors *c, const struct item *a, const struct item *b)
{
    const struct manifest_tensor *ta = a->tensor, *tb = b->tensor;
    if (memcmp(&ta->digest, &none, sizeof none) && memcmp(&tb->digest, &none, sizeof none))
        return by_digest(a, b) == 0;
    const struct manifest_file *ha = pair_home(c->ma, a->file, ta), *hb = pair_home(c->mb, b->file, tb);
    return ha && hb && memcmp(&ha->sha256, &hb->sha256, sizeof none) == 0 && ta->off == tb->off &&
           ta->len == tb->len && ta->flags == tb->flags;
}

static void emit_tensor(void *ctx, const struct item *a, const struct item *b)
{
    struct tensors *c = ctx;
    struct diff_tensor *t = &c->d->tensors[c->d->ntensors++];
    *t = (struct diff_tensor){.l2_a = NAN,
                              .l2_b = NAN,
                              .l2_d = NAN,
                              .rel_l2 = NAN,
                              .cos = NAN,
                              .max_abs = NAN,
                              .spec_d = NAN,
                              .spec_a = NAN,
                              .srank_d = NAN};
    if (a)
        t->file_a = a->file, t->a = a->tensor, t->model = a->model;
    if (b)
        t->file_b = b->file, t->b = b->tensor, t->model = b->model;
    if (!a || !b) {
        t->status = a ? DIFF_DELETED : DIFF_ADDED;
        return;
    }
    if (strcmp(a->name, b->name))
        t->status |= DIFF_RENAMED;
    if (t->a->dtype != t->b->dtype)
        t->status |= DIFF_DTYPE;
    if (t->a->rank != t->b->rank ||
        (t->a->rank && memcmp(t->a->shape, t->b->shape, t->a->rank * sizeof *t->a->shape)))
        t->status |= DIFF_SHAPE;
    if (!(t->status & (DIFF_DTYPE | DIFF_SHAPE)) && !same_bytes(c, a, b))
        t->status |= DIFF_MODIFIED;
}

static const char *name_of(const struct diff_tensor *t)
{
    return t->b ? t->b->name : t->a->name;
}

static int by_model(const void *a, const void *b)
{
    const struct diff_tensor *x = a, *y = b;
    int c = strcmp(x->model, y->model);
    if (c == 0)
        c = strcmp(name_of(x), name_of(y));
    return c ? c : (x->b == NULL) - (y->b == NULL);
}

int pair_tensors(const struct manifest *ma, const struct manifest *mb, struct arena *arena, struct diff *ret)
{
    struct side a = {0}, b = {0};
    struct tensors c = {ret, ma, mb};
    int r = side_of_tensors(ma, arena, &a);
    if (r < 0 || (r = side_of_tensors(mb, arena, &b)) < 0)
        return r;
    ret->ntensors = 0;
    ret->tensors_a = a.n;
    ret->tensors_b = b.n;
    if (!(ret->tensors = arena_array(arena, a.n + b.n, sizeof *ret->tensors)))
        return no_memory();
    match(&a, &b, by_place, 0, emit_tensor, &c);
    match(&a, &b, by_name, 1, emit_tensor, &c);
    give_up(&a, 0, 0, emit_tensor, &c);
    give_up(&b, 1, 0, emit_tensor, &c);
    match(&a, &b, by_digest_and_leaf, 0, emit_tensor, &c);
    give_up(&a, 0, 1, emit_tensor, &c);
    give_up(&b, 1, 1, emit_tensor, &c);
    match(&a, &b, by_digest, 0, emit_tensor, &c);
    give_up_all(&a, &b, emit_tensor, &c);
    qsort(ret->tensors, ret->ntensors, sizeof *ret->tensors, by_model);
    return 0;
}
