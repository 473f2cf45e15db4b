/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a new chunk of a tensor may be told from, as the client half of a commit chooses it: the tensor of
 * that name and shape in the parents, or the versions before them, that is nearest by a sample of values, in
 * its own dtype or one that is cast to it. The choice is made at a tensor's first new chunk and holds for the
 * rest of it.
 */
#pragma once
#include "store/chunk.h"
#include "store/format/format.h"
#include "store/pool.h"
#include "store/prepare.h"

struct basis;
int basis_new(const struct prepare *p, const struct prepare_owner *owner, struct basis **ret);
void basis_free(struct basis *b); /* NULL is fine */

struct basis_want {
    const struct tensor *tensor;
    size_t index;  /* of the tensor in its file */
    uint32_t nth;  /* chunk of it */
    const void *p; /* n bytes */
    uint32_t n;
    uint64_t id; /* that the chunk will have */
    struct chunk_hint hint;
    struct digest base_digest; /* of the hint's base */
};
/* A file of ntensors begins: what was chosen for the one before is forgotten. */
int basis_file(struct basis *b, size_t ntensors);
/* Fills in the hints. Their data is b's until the next call. A base that cannot be read is no hint. codec:
 * (threads of the pool) */
int basis_find(struct basis *b, struct pool *pool, struct codec_state *const *codec, struct basis_want *w,
               size_t n);
