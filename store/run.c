/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tensors: digest -> run record, little-endian
 *
 *   u8  version    1
 *   u8  dtype      0: plain bytes
 *   u32 n          chunks, in order
 *   n x { u64 chunk id; u32 raw bytes; u64 XXH3-64 of them; 32 SHA-256 of them }
 *   u8  stats      1: follow; 0: none
 *       f64 norm, mean, std, min, max; u64 nan, inf, zeros
 *
 * digest = SHA-256("run1", u8 dtype, u32 rank, u64 shape..., 32-byte chunk digests...)
 */
#include "store/run.h"
#include "store/base/fail.h"

enum { VERSION = 1, CHUNK = 52 };

static int begin(enum dtype t, uint32_t rank, const uint64_t *shape, struct hash **ret)
{
    struct out head = {0};
    struct hash *h = hash_new();
    wire_put(&head, "run1", 4);
    wire_put_u8(&head, (uint8_t)t);
    wire_put_u32(&head, rank);
    for (uint32_t i = 0; i < rank; i++)
        wire_put_u64(&head, shape[i]);
    int r = h ? out_error(&head) : -ENOMEM;
    if (r == 0) {
        hash_update(h, head.p, head.n);
        *ret = h;
    } else {
        hash_free(h);
    }
    out_fini(&head);
    return r < 0 ? fail(r, "out of memory") : 0;
}

int run_digest(enum dtype t, uint32_t rank, const uint64_t *shape, const struct run_chunk *chunks,
               size_t nchunks, struct digest *ret)
{
    struct hash *h;
    int r = begin(t, rank, shape, &h);
    if (r < 0)
        return r;
    for (size_t i = 0; i < nchunks; i++)
        hash_update(h, chunks[i].digest.b, sizeof chunks[i].digest.b);
    hash_final(h, ret);
    hash_free(h);
    return 0;
}

int run_verify(const struct run *run, uint32_t rank, const uint64_t *shape, const struct digest *expect)
{
    struct hash *h;
    struct digest got;
    int r = begin((enum dtype)run->dtype, rank, shape, &h);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < run->nchunks; i++)
        hash_update(h, run->chunks + (size_t)i * CHUNK + CHUNK - 32, 32);
    hash_final(h, &got);
    hash_free(h);
    return hash_equal(&got, expect) ? 0 : fail(-EBADMSG, "a tensor record does not match its digest");
}

void run_stats_put(struct out *o, const struct tensor_stats *s)
{
    wire_put_f64(o, s->norm);
    wire_put_f64(o, s->mean);
    wire_put_f64(o, s->std);
    wire_put_f64(o, s->min);
    wire_put_f64(o, s->max);
    wire_put_u64(o, s->nan);
    wire_put_u64(o, s->inf);
    wire_put_u64(o, s->zeros);
}

void run_stats_get(struct wire *w, struct tensor_stats *ret)
{
    ret->norm = wire_f64(w);
    ret->mean = wire_f64(w);
    ret->std = wire_f64(w);
    ret->min = wire_f64(w);
    ret->max = wire_f64(w);
    ret->nan = wire_u64(w);
    ret->inf = wire_u64(w);
    ret->zeros = wire_u64(w);
}

void run_format(enum dtype t, const struct run_chunk *chunks, size_t nchunks,
                const struct tensor_stats *stats, struct out *o)
{
    wire_put_u8(o, VERSION);
    wire_put_u8(o, (uint8_t)t);
    wire_put_u32(o, (uint32_t)nchunks);
    for (size_t i = 0; i < nchunks; i++) {
        wire_put_u64(o, chunks[i].id);
        wire_put_u32(o, chunks[i].n);
        wire_put_u64(o, chunks[i].xxh3);
        wire_put_digest(o, &chunks[i].digest);
    }
    wire_put_u8(o, stats != NULL);
    if (stats)
        run_stats_put(o, stats);
}

int run_parse(const void *p, size_t n, struct run *ret)
{
    struct wire w = wire_read(p, n);
    uint8_t version = wire_u8(&w);
    if (!w.bad && version != VERSION)
        return fail(-ENOTSUP, "tensor record of a newer modelfs (version %u)", version);
    struct run r = {.dtype = wire_u8(&w)};
    r.nchunks = wire_u32(&w);
    r.chunks = wire_get(&w, (size_t)r.nchunks * CHUNK);
    r.has_stats = wire_u8(&w);
    if (r.has_stats)
        run_stats_get(&w, &r.stats);
    if (wire_done(&w) < 0)
        return fail(-EBADMSG, "tensor record does not hold together");
    *ret = r;
    return 0;
}

struct run_chunk run_chunk_at(const struct run *r, uint32_t i)
{
    struct run_chunk c = {0};
    if (i < r->nchunks) {
        struct wire w = wire_read(r->chunks + (size_t)i * CHUNK, CHUNK);
        c.id = wire_u64(&w);
        c.n = wire_u32(&w);
        c.xxh3 = wire_u64(&w);
        wire_digest(&w, &c.digest);
    }
    return c;
}

size_t run_id_offset(uint32_t i)
{
    return 6 + (size_t)i * CHUNK;
}
