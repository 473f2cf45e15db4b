/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list := { u32 version, bytes name, u8 dtype, u32 rank, u64 shape..., u32 n, n x chunk }...
 * chunk := u64 id, u32 raw bytes, u64 xxh3, 32 digest
 */
#include "store/bases.h"
#include "store/base/fail.h"
#include "store/dmap.h"
#include "store/idx.h"
#include "store/load.h"
#include "store/read.h"
#include "store/version.h"

enum { VERSIONS = 8, TENSORS = 200000 };

void bases_chunk_put(struct out *o, const struct run_chunk *c)
{
    wire_put_u64(o, c->id);
    wire_put_u32(o, c->n);
    wire_put_u64(o, c->xxh3);
    wire_put_digest(o, &c->digest);
}

void bases_chunk_get(struct wire *w, struct run_chunk *ret)
{
    ret->id = wire_u64(w);
    ret->n = wire_u32(w);
    ret->xxh3 = wire_u64(w);
    wire_digest(w, &ret->digest);
}

int bases_next(struct wire *w, struct bases_tensor *ret)
{
    if (wire_left(w) == 0)
        return wire_done(w) < 0 ? -EBADMSG : 0;
    struct bases_tensor t = {.version = wire_u32(w)};
    t.name = wire_bytes(w, &t.nname);
    t.dtype = wire_u8(w);
    t.rank = wire_u32(w);
    t.shape = wire_get(w, (size_t)t.rank * 8);
    t.nchunks = wire_u32(w);
    t.chunks = wire_get(w, (size_t)t.nchunks * BASES_CHUNK);
    if (w->bad)
        return -EBADMSG;
    *ret = t;
    return 1;
}

struct listing {
    struct store *s;
    struct out *to;
    struct dmap seen; /* digests of tensors listed */
    size_t n;         /* tensors looked at */
};

static int one_tensor(struct listing *l, uint32_t version, const struct manifest_file *f,
                      const struct manifest_tensor *t)
{
    l->n++;
    if (!(t->flags & TENSOR_SEGMENT) || !dtype_is_float(t->dtype) || t->len == 0 ||
        dmap_get(&l->seen, &t->digest))
        return 0;
    int r = dmap_put(&l->seen, &t->digest, 1);
    if (r < 0)
        return fail(r, "out of memory");
    wire_put_u32(l->to, version);
    wire_put_str(l->to, t->name);
    wire_put_u8(l->to, (uint8_t)t->dtype);
    wire_put_u32(l->to, t->rank);
    for (uint32_t i = 0; i < t->rank; i++)
        wire_put_u64(l->to, t->shape[i]);
    const struct manifest_extents *x = f->extents;
    size_t first = read_extent_at(x, t->off), end = first;
    while (end < x->n && x->e[end].off < t->off + t->len)
        end++;
    wire_put_u32(l->to, (uint32_t)(end - first));
    for (size_t i = first; i < end; i++) {
        const struct load_extent *e = &x->e[i];
        struct run_chunk c = {.id = e->id, .n = e->n, .xxh3 = e->xxh3, .digest = e->digest};
        bases_chunk_put(l->to, &c);
    }
    return 0;
}

static int one_version(struct listing *l, uint32_t number, const struct version *v)
{
    const struct manifest *m;
    int r = manifest_get(l->s, v, &m);
    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < m->nfiles; i++)
        for (size_t k = 0; r == 0 && k < m->files[i].ntensors; k++)
            r = one_tensor(l, number, &m->files[i], &m->files[i].tensors[k]);
    manifest_unref(l->s, m);
    return r;
}

int bases_list(struct store *s, const struct digest *from, size_t n, struct out *ret)
{
    struct listing l = {.s = s, .to = ret};
    const struct version *queue[VERSIONS] = {NULL};
    size_t at = 0, end = 0;
    int r = 0;
    if (n == 0 && (r = version_latest(s, &queue[0])) == 0)
        end = 1;
    for (size_t i = 0; r == 0 && i < n && end < VERSIONS; i++)
        if ((r = version_get(s, &from[i], &queue[end])) == 0)
            end++;
    if (r == -ENOENT)
        r = 0; /* nothing to lean on */
    for (; r == 0 && at < end && l.n < TENSORS; at++) {
        const struct version *v = queue[at];
        r = one_version(&l, (uint32_t)at, v);
        for (size_t i = 0; r == 0 && i < v->nparents && end < VERSIONS; i++) {
            int known = 0;
            for (size_t k = 0; k < end; k++)
                known |= hash_equal(&queue[k]->digest, &v->parents[i]);
            if (!known && (r = version_get(s, &v->parents[i], &queue[end])) == 0)
                end++;
            if (r == -ENOENT)
                r = 0; /* it was removed */
        }
    }
    for (size_t i = 0; i < end; i++)
        version_unref(queue[i]);
    dmap_fini(&l.seen);
    return r < 0 ? r : out_error(ret);
}

int bases_read(struct store *s, const void *list, size_t nlist,
               int (*give)(void *ctx, const void *p, size_t n), void *ctx)
{
    struct wire w = wire_read(list, nlist);
    struct run_chunk c;
    while (wire_left(&w)) {
        bases_chunk_get(&w, &c);
        struct cache_chunk k = {c.id, c.n, c.xxh3};
        if (!w.bad && c.id && c.n <= CODEC_MAX_RAW)
            cache_prefetch(s->cache, &k);
    }
    if (wire_done(&w) < 0)
        return fail(-EPROTO, "not a list of chunks");
    w = wire_read(list, nlist);
    int r = 0;
    while (r == 0 && wire_left(&w)) {
        struct record_idx x;
        struct cache_entry *e;
        bases_chunk_get(&w, &c);
        struct cache_chunk k = {c.id, c.n, c.xxh3};
        if (c.n > CODEC_MAX_RAW)
            return fail(-EPROTO, "a chunk of %u bytes", c.n);
        if ((r = idx_must_get(s, &c.digest, c.id, &x)) < 0 || (r = cache_get(s->cache, &k, &e)) < 0)
            break;
        r = give(ctx, &x.depth, 1);
        if (r == 0)
            r = give(ctx, cache_data(e), c.n);
        cache_put(s->cache, e);
    }
    return r;
}
