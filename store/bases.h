/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the owner tells the client half of a commit about chunks that new ones may lean on: the tensors of the
 * parents and of the versions before them, and their bytes.
 */
#pragma once
#include "store/base/wire.h"
#include "store/format/dtype.h"
#include "store/run.h"
#include "store/store.h"

struct bases_tensor {
    uint32_t version; /* 0 the nearest, counted up with the distance */
    const char *name; /* (nname) bytes, not NUL-terminated */
    size_t nname;
    uint8_t dtype;
    uint32_t rank, nchunks;
    const void *shape;  /* (rank) u64, little-endian */
    const void *chunks; /* (nchunks) of BASES_CHUNK bytes, for bases_chunk_get */
};
#define BASES_CHUNK 52

/* Appends the float tensors of the versions `from` (n; none: the newest) and of their ancestors, breadth
 * first: a few versions, each tensor's bytes once. */
int bases_list(struct store *s, const struct digest *from, size_t n, struct out *ret);
int bases_next(struct wire *list, struct bases_tensor *ret); /* 1, 0 at the end, -EBADMSG */

void bases_chunk_put(struct out *o, const struct run_chunk *c);
void bases_chunk_get(struct wire *w, struct run_chunk *ret);

/* For each chunk of the list (chunks as above): u8 depth and its bytes, decoded, given piece by piece. */
int bases_read(struct store *s, const void *list, size_t nlist,
               int (*give)(void *ctx, const void *p, size_t n), void *ctx);
