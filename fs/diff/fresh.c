/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/diff/fresh.h"
#include "fs/diff/pair.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

static int by_digest(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct digest));
}

struct known { /* digests of A's chunks */
    struct digest *v;
    size_t n, cap;
};

static int know(void *ctx, const struct chunk_info *c)
{
    struct known *k = ctx;
    if (k->n == k->cap) {
        size_t cap = k->cap ? 2 * k->cap : 1024, bytes;
        struct digest *v = __builtin_mul_overflow(cap, sizeof *v, &bytes) ? NULL : realloc(k->v, bytes);
        if (!v)
            return fail(-ENOMEM, "out of memory");
        k->v = v;
        k->cap = cap;
    }
    k->v[k->n++] = c->digest;
    return 0;
}

struct ranges { /* one file of B: its new chunks, in order, apart */
    const struct known *known;
    struct range {
        uint64_t off, end, before; /* before: new bytes in front of it */
    } * v;
    size_t n, cap;
    uint64_t all;
};

static int take(void *ctx, const struct chunk_info *c)
{
    struct ranges *r = ctx;
    if (r->known->n && bsearch(&c->digest, r->known->v, r->known->n, sizeof *r->known->v, by_digest))
        return 0;
    if (r->n == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 256, bytes;
        struct range *v = __builtin_mul_overflow(cap, sizeof *v, &bytes) ? NULL : realloc(r->v, bytes);
        if (!v)
            return fail(-ENOMEM, "out of memory");
        r->v = v;
        r->cap = cap;
    }
    r->v[r->n++] = (struct range){c->off, c->off + c->raw, r->all};
    r->all += c->raw;
    return 0;
}

/* New bytes in front of position x of the file. */
static uint64_t before(const struct ranges *r, uint64_t x)
{
    size_t lo = 0, hi = r->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (r->v[mid].end <= x)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == r->n)
        return r->all;
    return r->v[lo].before + (x > r->v[lo].off ? x - r->v[lo].off : 0);
}

static int by_home(const void *a, const void *b)
{
    const struct diff_tensor *x = *(const struct diff_tensor *const *)a;
    const struct diff_tensor *y = *(const struct diff_tensor *const *)b;
    return (x->file_b > y->file_b) - (x->file_b < y->file_b);
}

int fresh_count(struct diff *d)
{
    struct known known = {0};
    struct ranges r = {.known = &known};
    struct diff_tensor **t = calloc(d->ntensors + 1, sizeof *t);
    size_t n = 0;
    int e = t ? 0 : fail(-ENOMEM, "out of memory"), any = 0;
    for (size_t i = 0; i < d->nfiles; i++)
        any |= d->files[i].b && d->files[i].status & (DIFF_MODIFIED | DIFF_ADDED);
    if (e || !any)
        goto out;
    for (size_t i = 0; e == 0 && i < d->ma->nfiles; i++)
        if (!S_ISDIR(d->ma->files[i].mode))
            e = file_chunks(d->store, &d->ma->files[i], know, &known);
    if (e)
        goto out;
    if (known.n)
        qsort(known.v, known.n, sizeof *known.v, by_digest);
    for (size_t i = 0; i < d->ntensors; i++)
        if (d->tensors[i].b && d->tensors[i].status && d->tensors[i].status != DIFF_RENAMED)
            t[n++] = &d->tensors[i];
    qsort(t, n, sizeof *t, by_home);
    for (size_t i = 0; i < d->nfiles; i++) {
        struct diff_file *f = &d->files[i];
        if (!f->b || !(f->status & (DIFF_MODIFIED | DIFF_ADDED)))
            continue;
        r.n = 0;
        r.all = 0;
        if ((e = file_chunks(d->store, f->b, take, &r)) != 0)
            goto out;
        f->bytes_new = r.all;
        size_t lo = 0, hi = n;
        while (lo < hi) {
            size_t mid = lo + (hi - lo) / 2;
            if (t[mid]->file_b < f->b)
                lo = mid + 1;
            else
                hi = mid;
        }
        for (; lo < n && t[lo]->file_b == f->b; lo++) {
            const struct manifest_tensor *b = t[lo]->b;
            if (pair_home(d->mb, f->b, b) == f->b && b->off <= f->b->size && b->len <= f->b->size - b->off)
                t[lo]->bytes_new = before(&r, b->off + b->len) - before(&r, b->off);
        }
    }
out:
    free(known.v);
    free(r.v);
    free(t);
    return e;
}
