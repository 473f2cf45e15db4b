/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chunk record, little-endian:
 *
 *   u8  version    1
 *   u8  codec      0 raw, 1 zstd, 2 planes
 *   u8  dtype      of the elements (enum dtype), 0: plain bytes
 *   u8  width      bytes an element: 1, 2, 4, 8; planes = width
 *   u8  predictor  0 none
 *   u8  depth      of the chain of bases below it; 0: none
 *   u8  flags      bit 0: elements rotated left by one bit before the split
 *   u8  nstreams   1 to 8
 *   u32 raw        bytes decoded, 1 to 4 MiB
 *   u32 stored     bytes of the streams
 *   u64 xxh3       XXH3-64 of the decoded bytes
 *   u64 base       chunk id, 0: none
 *   u64 scale      chunk id, 0: none
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

enum { VERSION = 1, ROTATED = 1, HEAD = 40, STREAM = 5 };

int chunk_encode(struct codec_state *c, enum dtype t, const void *p, size_t n, uint64_t xxh3, void *check,
                 struct out *ret, struct chunk_head *ret_head)
{
    struct chunk_head h = {.dtype = (uint8_t)t, .raw = (uint32_t)n, .xxh3 = xxh3};
    int64_t stored = codec_encode(c, t, p, n, check, &h.how);
    if (stored < 0)
        return fail((int)stored, "chunk of %zu bytes", n);
    h.stored = (uint32_t)stored;
    size_t at = ret->n;
    wire_put_u8(ret, VERSION);
    wire_put_u8(ret, h.how.codec);
    wire_put_u8(ret, h.dtype);
    wire_put_u8(ret, h.how.width);
    wire_put_u8(ret, 0);
    wire_put_u8(ret, h.depth);
    wire_put_u8(ret, h.how.rotated ? ROTATED : 0);
    wire_put_u8(ret, h.how.nstreams);
    wire_put_u32(ret, h.raw);
    wire_put_u32(ret, h.stored);
    wire_put_u64(ret, h.xxh3);
    wire_put_u64(ret, h.base);
    wire_put_u64(ret, h.scale);
    for (int i = 0; i < h.how.nstreams; i++) {
        wire_put_u8(ret, h.how.stream[i].coder);
        wire_put_u32(ret, h.how.stream[i].n);
    }
    out_write(ret, check, h.stored);
    if (out_error(ret))
        return fail(-ENOMEM, "out of memory");
    int r = chunk_decode(c, ret->p + at, ret->n - at, check, n, xxh3);
    if (r < 0 || memcmp(check, p, n) != 0)
        return fail(-EIO, "an encoded chunk does not decode to what it was made of (faulty memory?)");
    if (ret_head)
        *ret_head = h;
    return 0;
}

int chunk_parse(const void *rec, size_t nrec, struct chunk_head *ret, const void **ret_p)
{
    struct wire w = wire_read(rec, nrec);
    struct chunk_head h = {0};
    uint8_t version = wire_u8(&w);
    h.how.codec = wire_u8(&w);
    h.dtype = wire_u8(&w);
    h.how.width = wire_u8(&w);
    uint8_t predictor = wire_u8(&w);
    h.depth = wire_u8(&w);
    uint8_t flags = wire_u8(&w);
    h.how.rotated = flags & ROTATED;
    h.how.nstreams = wire_u8(&w);
    h.raw = wire_u32(&w);
    h.stored = wire_u32(&w);
    h.xxh3 = wire_u64(&w);
    h.base = wire_u64(&w);
    h.scale = wire_u64(&w);
    if (w.bad)
        return fail(-EBADMSG, "chunk record of %zu bytes is too short", nrec);
    if (version != VERSION || h.how.codec >= CODEC_MAX || predictor != 0 || (flags & ~ROTATED))
        return fail(-ENOTSUP,
                    "chunk record of a newer modelfs (version %u, codec %u, predictor %u, flags %u)", version,
                    h.how.codec, predictor, flags);
    if (h.how.nstreams == 0 || h.how.nstreams > CODEC_MAX_STREAMS || h.depth || h.base || h.scale)
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

int chunk_decode(struct codec_state *c, const void *rec, size_t nrec, void *out, size_t n, uint64_t xxh3)
{
    struct chunk_head h;
    const void *p;
    int r = chunk_parse(rec, nrec, &h, &p);
    if (r < 0)
        return r;
    if (h.raw != n)
        return fail(-EBADMSG, "chunk record holds %u bytes, %zu expected", h.raw, n);
    r = codec_decode(c, &h.how, p, h.stored, out, n);
    if (r < 0)
        return fail(r, "chunk record does not decode");
    if (hash_xxh3(out, n) != xxh3)
        return fail(-EBADMSG, "chunk does not match its checksum");
    return 0;
}
