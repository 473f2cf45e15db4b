/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/tensors.h"
#include "fs/tree.h"
#include "store/base/arena.h"
#include "store/base/fail.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct index {
    struct tensors t; /* first: tensors_unref gets it back */
    struct digest version;
    struct arena arena;
    atomic_uint refs;
};

enum { KEEP = 8 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct index *kept[KEEP]; /* (mutex) most recently used first; each holds a reference */

const struct manifest_file *tensors_bytes(const struct manifest *m, const struct manifest_file *f,
                                          const struct manifest_tensor *t)
{
    uint64_t len, end;
    if (t->flags & (TENSOR_STRIDED | TENSOR_INLINE) || !dtype_size(t->dtype))
        return NULL;
    if (t->flags & TENSOR_EXTERNAL) {
        struct out path = {0};
        const char *slash = strrchr(f->path, '/');
        if (slash)
            out_write(&path, f->path, (size_t)(slash - f->path) + 1);
        out_str(&path, t->location);
        f = manifest_find(m, out_cstr(&path));
        out_fini(&path);
    }
    if (!f || __builtin_mul_overflow(t->count, (uint64_t)dtype_size(t->dtype), &len) || len != t->len ||
        __builtin_add_overflow(t->off, len, &end) || end > f->size)
        return NULL;
    return f;
}

static int by_place(const void *a, const void *b)
{
    const struct tensors_name *x = a, *y = b;
    if (x->in_dir != y->in_dir)
        return x->in_dir < y->in_dir ? -1 : 1;
    if (x->in_dir && x->file != y->file)
        return x->file < y->file ? -1 : 1;
    int c = strcmp(x->name, y->name);
    if (c == 0 && x->file != y->file)
        return x->file < y->file ? -1 : 1;
    return c ? c : (x->tensor > y->tensor) - (x->tensor < y->tensor);
}

static char *component(struct arena *a, const char *name, const char *suffix)
{
    struct out o = {0};
    tree_component(&o, name);
    out_str(&o, suffix);
    char *s = out_error(&o) ? NULL : arena_strndup(a, o.p, o.n);
    out_fini(&o);
    return s;
}

/* Moves names that are in more than one file into their files' directories, and drops what a file holds twice
 * under one name but for the first. v is sorted. */
static size_t settle(struct tensors_name *v, size_t n)
{
    size_t kept_n = 0;
    for (size_t i = 0, end; i < n; i = end) {
        int files = 0;
        for (end = i; end < n && strcmp(v[end].name, v[i].name) == 0; end++)
            files += end == i || v[end].file != v[end - 1].file;
        for (size_t k = i; k < end; k++) {
            if (k > i && v[k].file == v[k - 1].file)
                continue;
            struct tensors_name x = v[k];
            x.in_dir = files > 1;
            v[kept_n++] = x;
        }
    }
    return kept_n;
}

static int build(struct index *x, const struct manifest *m)
{
    size_t cap = 0, n = 0;
    for (size_t i = 0; i < m->nfiles; i++)
        cap += m->files[i].ntensors + 1;
    struct tensors_name *v = arena_array(&x->arena, cap ? cap : 1, sizeof *v);
    if (!v)
        return fail(-ENOMEM, "out of memory");
    for (size_t i = 0; i < m->nfiles; i++)
        for (size_t k = 0; k < m->files[i].ntensors; k++) {
            const struct manifest_tensor *t = &m->files[i].tensors[k];
            if (!tensors_bytes(m, &m->files[i], t))
                continue;
            v[n] = (struct tensors_name){
                .name = component(&x->arena, t->name, ".npy"), .file = (uint32_t)i, .tensor = (uint32_t)k};
            if (!v[n++].name)
                return fail(-ENOMEM, "out of memory");
        }
    if (n)
        qsort(v, n, sizeof *v, by_place);
    n = settle(v, n);
    size_t tensors = n;
    uint32_t *seen = calloc(m->nfiles ? m->nfiles : 1, sizeof *seen);
    for (size_t i = 0; seen && i < tensors; i++)
        if (v[i].in_dir && !seen[v[i].file]++) {
            v[n] = (struct tensors_name){.name = component(&x->arena, m->files[v[i].file].path, ""),
                                         .file = v[i].file,
                                         .tensor = UINT32_MAX};
            if (!v[n++].name)
                break;
        }
    int r = !seen || (n && !v[n - 1].name) ? fail(-ENOMEM, "out of memory") : 0;
    free(seen);
    if (n && r == 0)
        qsort(v, n, sizeof *v, by_place);
    x->t = (struct tensors){v, n};
    return r;
}

void tensors_unref(const struct tensors *t)
{
    struct index *x = (struct index *)t;
    if (x && atomic_fetch_sub(&x->refs, 1) == 1) {
        arena_fini(&x->arena);
        free(x);
    }
}

/* Puts a reference to x at the front of the kept ones. Under the mutex. */
static void keep_index(struct index *x, size_t at)
{
    if (at == KEEP && kept[--at])
        tensors_unref(&kept[at]->t);
    memmove(kept + 1, kept, at * sizeof *kept);
    kept[0] = x;
}

int tensors_get(const struct version *v, const struct manifest *m, const struct tensors **ret)
{
    struct index *x = NULL;
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < KEEP && kept[i] && !x; i++)
        if (hash_equal(&kept[i]->version, &v->digest)) {
            x = kept[i];
            keep_index(x, i);
            atomic_fetch_add(&x->refs, 1);
        }
    pthread_mutex_unlock(&mutex);
    if (x) {
        *ret = &x->t;
        return 0;
    }
    if (!(x = calloc(1, sizeof *x)))
        return fail(-ENOMEM, "out of memory");
    atomic_init(&x->refs, 2); /* the list's and the caller's */
    x->version = v->digest;
    int r = build(x, m);
    if (r < 0) {
        arena_fini(&x->arena);
        free(x);
        return r;
    }
    pthread_mutex_lock(&mutex);
    size_t at = 0; /* another thread may have put the same there: then it is there twice, and one goes */
    while (at < KEEP && kept[at])
        at++;
    keep_index(x, at);
    pthread_mutex_unlock(&mutex);
    *ret = &x->t;
    return 0;
}

/* The first name of this directory, or of one after it. */
static size_t first_in(const struct tensors *t, uint32_t in_dir, uint32_t file)
{
    size_t lo = 0, hi = t->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct tensors_name *x = &t->v[mid];
        if (x->in_dir < in_dir || (in_dir && x->file < file))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const struct tensors_name *tensors_dir(const struct tensors *t, uint32_t dir, size_t *ret_n)
{
    int top = dir == UINT32_MAX;
    size_t first = top ? 0 : first_in(t, 1, dir);
    *ret_n = first_in(t, 1, top ? 0 : dir + 1) - first;
    return t->v + first;
}

const struct tensors_name *tensors_find(const struct tensors *t, uint32_t dir, const char *name)
{
    size_t n, lo = 0;
    const struct tensors_name *v = tensors_dir(t, dir, &n);
    for (size_t hi = n; lo < hi;) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcmp(v[mid].name, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && strcmp(v[lo].name, name) == 0 ? &v[lo] : NULL;
}
