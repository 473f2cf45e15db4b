/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chunk record, little-endian:
 *
 *   u8  version    1
 *   u8  codec      0 raw, 1 zstd, 2 planes; of what the base does not predict: 3 delta, 4 ctx, 5 exact
 *   u8  dtype      of the elements (enum dtype), 0: plain bytes
 *   u8  width      bytes an element: 1, 2, 4, 8; planes = width
 *   u8  predictor  0 none, else how the base becomes the prediction: 1 as it is, 2 f32 -> bf16, 3 f32 -> f16,
 *                  4 bf16 -> f16, 5 bf16 -> f32
 *   u8  depth      of the chain of differences; 0: none
 *   u8  flags      bit 0: elements rotated left by one bit before the split
 *   u8  nstreams   0 to 17
 *   u32 raw        bytes decoded, 1 to 4 MiB
 *   u32 stored     bytes of the streams
 *   u64 xxh3       XXH3-64 of the decoded bytes
 *   u64 base       chunk id, 0: none
 *   u64 scale      chunk id, 0: none
 *   with a base: u32 its raw bytes, u64 their xxh3
 *   nstreams x { u8 coder: 0 raw, 1 zstd (magicless frame); u32 length }
 *   the streams' bytes
 *
 * A code that is not listed was written by a newer modelfs: -ENOTSUP.
 */
#include "store/chunk.h"
#include "store/base/fail.h"
#include "store/base/wire.h"
#include <errno.h>
#include <string.h>

enum { VERSION = 1, ROTATED = 1, STREAM = 5, BASE = 12 };

static void head_put(struct out *o, const struct chunk_head *h)
{
    wire_put_u8(o, VERSION);
    wire_put_u8(o, h->how.codec);
    wire_put_u8(o, h->dtype);
    wire_put_u8(o, h->how.width);
    wire_put_u8(o, h->cast);
    wire_put_u8(o, h->depth);
    wire_put_u8(o, h->how.rotated ? ROTATED : 0);
    wire_put_u8(o, h->how.nstreams);
    wire_put_u32(o, h->raw);
    wire_put_u32(o, h->stored);
    wire_put_u64(o, h->xxh3);
    wire_put_u64(o, h->base.id);
    wire_put_u64(o, h->scale);
    if (h->base.id) {
        wire_put_u32(o, h->base.n);
        wire_put_u64(o, h->base.xxh3);
    }
    for (int i = 0; i < h->how.nstreams; i++) {
        wire_put_u8(o, h->how.stream[i].coder);
        wire_put_u32(o, h->how.stream[i].n);
    }
}

/* Below this the streams' heads count. */
enum { SMALL = 16384 };

/* Is the difference, h, which leads to n bytes of streams, worth it beside what p is by itself? */
static int64_t worth(struct codec_state *c, enum dtype t, const void *p, const struct chunk_head *h,
                     int64_t n)
{
    struct codec_result alone;
    void *room = codec_spare(c);
    if (!room)
        return -ENOMEM;
    if (h->depth > CHUNK_DEPTH_MAX)
        return 0;
    if (h->how.codec == CODEC_EXACT || (h->depth <= CHUNK_DEPTH_SOFT && h->raw >= SMALL))
        return n < h->raw;
    int64_t k = codec_encode(c, t, p, h->raw, room, &alone);
    if (k < 0)
        return k;
    n += STREAM * (h->how.nstreams - alone.nstreams) + BASE;
    return h->depth > CHUNK_DEPTH_SOFT ? n * 5 < k * 3 : n < k; /* a key frame, unless that is large */
}

/* Tries the hint: 1 when the streams of it are in check, and the head in h. */
static int64_t encode_hinted(struct codec_state *c, enum dtype t, const void *p, const struct chunk_hint *x,
                             void *check, struct chunk_head *h)
{
    if (!x || x->cast == CAST_NONE || cast_base_bytes(x->cast, h->raw) != x->base.n)
        return 0;
    const void *predicted = cast_predict(x->cast, x->data, h->raw, codec_room(c));
    int64_t n = codec_encode_delta(c, t, x->fast, p, predicted, h->raw, check, &h->how), r;
    if (n < 0 || n >= h->raw)
        return n < 0 ? n : 0;
    h->depth = (uint8_t)(x->base.depth + (h->how.codec != CODEC_EXACT));
    if ((r = worth(c, t, p, h, n)) <= 0)
        return r;
    h->stored = (uint32_t)n;
    h->base = x->base;
    h->cast = (uint8_t)x->cast;
    return 1;
}

int chunk_encode(struct codec_state *c, enum dtype t, const void *p, size_t n, uint64_t xxh3,
                 const struct chunk_hint *hint, void *check, struct out *ret, struct chunk_head *ret_head)
{
    struct chunk_head h = {.dtype = (uint8_t)t, .raw = (uint32_t)n, .xxh3 = xxh3};
    int64_t r = encode_hinted(c, t, p, hint, check, &h);
    if (r == 0) {
        h.depth = 0;
        r = codec_encode(c, t, p, n, check, &h.how);
        h.stored = (uint32_t)r;
    }
    if (r < 0)
        return fail((int)r, "chunk of %zu bytes", n);
    size_t at = ret->n;
    head_put(ret, &h);
    out_write(ret, check, h.stored);
    if (out_error(ret))
        return fail(-ENOMEM, "out of memory");
    r = chunk_decode(c, ret->p + at, ret->n - at, h.base.id ? hint->data : NULL, check, n, xxh3);
    if (r < 0 || memcmp(check, p, n) != 0)
        return fail(-EIO, "an encoded chunk does not decode to what it was made of (faulty memory?)");
    if (ret_head)
        *ret_head = h;
    return 0;
}

/* The parts of a head must fit each other. */
static int fits(const struct chunk_head *h)
{
    int predicted = codec_predicted(h->how.codec);
    if (h->scale || (h->how.nstreams == 0) != (h->how.codec == CODEC_EXACT) ||
        h->how.nstreams > CODEC_MAX_STREAMS)
        return 0;
    if (!predicted)
        return !h->base.id && !h->cast && !h->depth;
    return h->base.id && h->cast && h->depth <= CHUNK_DEPTH_MAX && h->base.n <= CODEC_MAX_RAW &&
           cast_base_bytes((enum cast)h->cast, h->raw) == h->base.n && h->base.n > 0;
}

int chunk_parse(const void *rec, size_t nrec, struct chunk_head *ret, const void **ret_p)
{
    struct wire w = wire_read(rec, nrec);
    struct chunk_head h = {0};
    uint8_t version = wire_u8(&w);
    h.how.codec = wire_u8(&w);
    h.dtype = wire_u8(&w);
    h.how.width = wire_u8(&w);
    h.cast = wire_u8(&w);
    h.depth = wire_u8(&w);
    uint8_t flags = wire_u8(&w);
    h.how.rotated = flags & ROTATED;
    h.how.nstreams = wire_u8(&w);
    h.raw = wire_u32(&w);
    h.stored = wire_u32(&w);
    h.xxh3 = wire_u64(&w);
    h.base.id = wire_u64(&w);
    h.scale = wire_u64(&w);
    if (h.base.id) {
        h.base.n = wire_u32(&w);
        h.base.xxh3 = wire_u64(&w);
    }
    if (w.bad)
        return fail(-EBADMSG, "chunk record of %zu bytes is too short", nrec);
    if (version != VERSION || h.how.codec >= CODEC_MAX || h.cast >= CAST_MAX || (flags & ~ROTATED))
        return fail(-ENOTSUP,
                    "chunk record of a newer modelfs (version %u, codec %u, predictor %u, flags %u)", version,
                    h.how.codec, h.cast, flags);
    if (!fits(&h))
        return fail(-EBADMSG, "chunk record's head does not hold together");
    for (int i = 0; i < h.how.nstreams; i++) {
        h.how.stream[i].coder = wire_u8(&w);
        h.how.stream[i].n = wire_u32(&w);
        if (!w.bad && h.how.stream[i].coder >= CODER_MAX)
            return fail(-ENOTSUP, "chunk record of a newer modelfs (coder %u)", h.how.stream[i].coder);
    }
    const void *p = wire_get(&w, h.stored);
    if (wire_done(&w) < 0)
        return fail(-EBADMSG, "chunk record's lengths do not add up");
    *ret = h;
    *ret_p = p;
    return 0;
}

int chunk_decode(struct codec_state *c, const void *rec, size_t nrec, const void *base, void *out, size_t n,
                 uint64_t xxh3)
{
    struct chunk_head h;
    const void *p;
    int r = chunk_parse(rec, nrec, &h, &p);
    if (r < 0)
        return r;
    if (h.raw != n)
        return fail(-EBADMSG, "chunk record holds %u bytes, %zu expected", h.raw, n);
    if (n > CODEC_MAX_RAW || (h.base.id != 0) != (base != NULL))
        return fail(-EBADMSG, "chunk record with a base that is not at hand");
    const void *predicted = base ? cast_predict((enum cast)h.cast, base, n, codec_room(c)) : NULL;
    r = codec_decode(c, (enum dtype)h.dtype, &h.how, p, h.stored, predicted, out, n);
    if (r < 0)
        return fail(r, "chunk record does not decode");
    if (hash_xxh3(out, n) != xxh3)
        return fail(-EBADMSG, "chunk does not match its checksum");
    return 0;
}

int chunk_older(uint64_t base, uint64_t id)
{
    return base && (base & ~CHUNK_SMALL) < (id & ~CHUNK_SMALL);
}
