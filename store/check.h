/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of store_check. For check*.c only. */
#pragma once
#include "store/core.h"
#include "store/dmap.h"
#include "store/manifest.h"

struct check {
    struct store *s;
    double read_data;
    int (*each)(void *ctx, const char *line);
    int (*progress)(void *ctx, uint64_t done, uint64_t all);
    void *ctx;
    int damages;
    int stopped; /* 0, or the -errno that ends the check itself */

    struct dmap expected; /* version digest -> its number, as the events have it; 0: removed */
    struct check_chunk *chunks;
    size_t nchunks, cap;
    uint64_t *ids; /* (nids) of the chunks in the index, ascending */
    size_t nids;
    struct dmap seen; /* check_key of a chunk -> its index in chunks */
};
struct check_chunk { /* something refers to it */
    struct cache_chunk chunk;
    struct digest digest;
    char *damage; /* NULL, or what is wrong */
};

/* One line of damage. */
void check_damage(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What an error means: non-zero when it is the machine's (no memory, no descriptors, interrupted) and ends
 * the check; 0 when it is damage. */
int check_ours(struct check *c, int r);

void check_events(struct check *c);   /* the chain, and which versions it promises */
void check_versions(struct check *c); /* these, and all they refer to but chunks' bytes */
void check_rows(struct check *c);     /* the evaluation's records */
void check_chunks(struct check *c);   /* index and bytes of the chunks, then who is touched by damaged ones */
/* Digest and id in one: a second copy of the same bytes has another id. */
struct digest check_key(const struct digest *d, uint64_t id);
/* Calls each with every version's number and manifest that can be loaded; damage is told when `tell`. */
void check_manifests(struct check *c, int tell,
                     void (*each)(struct check *c, const struct version *v, const struct manifest *m));
