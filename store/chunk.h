/* SPDX-License-Identifier: Apache-2.0 */
/* The chunk record: what lies under a chunk's id. Its grammar is at the top of chunk.c. */
#pragma once
#include "store/base/out.h"
#include "store/codec.h"

/* Ids count up from 1; the top bit says in which column family the record is: set in `small`. */
#define CHUNK_SMALL (UINT64_C(1) << 63)

struct chunk_head {
    uint8_t dtype, depth;
    uint32_t raw, stored; /* bytes decoded, and of the streams */
    uint64_t xxh3;        /* of the raw bytes */
    uint64_t base, scale; /* chunk ids, 0: none */
    struct codec_result how;
};

/* Appends the record of n raw bytes to ret, after it was decoded and compared. `check` has room for n bytes.
 * xxh3 is that of p. */
int chunk_encode(struct codec_state *c, enum dtype t, const void *p, size_t n, uint64_t xxh3, void *check,
                 struct out *ret, struct chunk_head *ret_head);

/* The record's head; *ret_p are its streams (ret->stored bytes). -EBADMSG, -ENOTSUP with fail() text. */
int chunk_parse(const void *rec, size_t nrec, struct chunk_head *ret, const void **ret_p);

/* Decodes the record into out: exactly n bytes whose xxh3 is given by who refers to it. -EBADMSG, -ENOTSUP.
 */
int chunk_decode(struct codec_state *c, const void *rec, size_t nrec, void *out, size_t n, uint64_t xxh3);
