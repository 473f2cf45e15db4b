/* SPDX-License-Identifier: Apache-2.0 */
/* The chunk record: what lies under a chunk's id. Its grammar is at the top of chunk.c. */
#pragma once
#include "store/base/out.h"
#include "store/cast.h"
#include "store/codec.h"

/* Ids count up from 1; the top bit says in which column family the record is: set in `small`. */
#define CHUNK_SMALL (UINT64_C(1) << 63)

/* Differences upon differences: how many. Beyond CHUNK_DEPTH_SOFT only where it saves much. */
#define CHUNK_DEPTH_SOFT 3
#define CHUNK_DEPTH_MAX  6

struct chunk_base { /* the chunk that another one leans on */
    uint64_t id;
    uint32_t n; /* raw bytes */
    uint64_t xxh3;
    uint8_t depth;
};
struct chunk_head {
    uint8_t dtype, depth;   /* depth: of differences below it; an exact copy in another dtype adds none */
    uint8_t cast;           /* enum cast */
    uint32_t raw, stored;   /* bytes decoded, and of the streams */
    uint64_t xxh3;          /* of the raw bytes */
    struct chunk_base base; /* id 0: none; its depth is not in the record */
    uint64_t scale;         /* chunk id, 0: none */
    struct codec_result how;
};

/* A chunk that another one may be told from. */
struct chunk_hint {
    struct chunk_base base;
    enum cast cast;   /* CAST_NONE: there is no hint */
    const void *data; /* base.n bytes */
    int fast;         /* fewer bytes (0), or faster */
};

/* Appends the record of n raw bytes to ret, after it was decoded and compared. `check` has room for n bytes.
 * xxh3 is that of p. hint: NULL for none; taken where it makes the record smaller. */
int chunk_encode(struct codec_state *c, enum dtype t, const void *p, size_t n, uint64_t xxh3,
                 const struct chunk_hint *hint, void *check, struct out *ret, struct chunk_head *ret_head);

/* The record's head; *ret_p are its streams (ret->stored bytes). -EBADMSG, -ENOTSUP with fail() text. */
int chunk_parse(const void *rec, size_t nrec, struct chunk_head *ret, const void **ret_p);

/* Decodes the record into out: exactly n bytes whose xxh3 is given by who refers to it. base: the decoded
 * bytes of the base that chunk_parse names, or NULL where it names none. -EBADMSG, -ENOTSUP. */
int chunk_decode(struct codec_state *c, const void *rec, size_t nrec, const void *base, void *out, size_t n,
                 uint64_t xxh3);

/* Was base made before the chunk? So no chain of bases has an end that is its beginning. */
int chunk_older(uint64_t base, uint64_t id);
