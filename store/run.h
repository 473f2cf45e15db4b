/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run: bytes that are cut into chunks together: a tensor, or the bytes between tensors. Its digest is
 * SHA-256 over dtype, shape and the SHA-256 of each chunk, so that it means the same in any store; its record
 * says where the chunks are in this one.
 */
#pragma once
#include "store/base/wire.h"
#include "store/manifest.h"

struct run_chunk {
    uint64_t id;
    uint32_t n; /* raw bytes */
    uint64_t xxh3;
    struct digest digest; /* SHA-256 of the raw bytes */
};
struct run {
    uint8_t dtype; /* DTYPE_NONE: plain bytes */
    uint32_t nchunks;
    const uint8_t *chunks; /* (nchunks) records of 52 bytes, read by run_chunk_at */
    int has_stats;
    struct tensor_stats stats;
};

/* Plain bytes: DTYPE_NONE, rank 1, shape {their number}. */
int run_digest(enum dtype t, uint32_t rank, const uint64_t *shape, const struct run_chunk *chunks,
               size_t nchunks, struct digest *ret);
/* Does the record belong under the digest? -EBADMSG when not. */
int run_verify(const struct run *r, uint32_t rank, const uint64_t *shape, const struct digest *expect);
void run_format(enum dtype t, const struct run_chunk *chunks, size_t nchunks,
                const struct tensor_stats *stats, struct out *o); /* stats NULL: none */
int run_parse(const void *p, size_t n, struct run *ret);          /* points into p */
struct run_chunk run_chunk_at(const struct run *r, uint32_t i);

/* Where the ids stand in a record that run_format made. */
size_t run_id_offset(uint32_t i);

void run_stats_put(struct out *o, const struct tensor_stats *s);
void run_stats_get(struct wire *w, struct tensor_stats *ret);
