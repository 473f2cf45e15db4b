/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoded chunks, shared by all readers and bounded in bytes. Each chunk is fetched by one thread at a time
 * while others that want it wait; no lock is held while it is fetched. An entry in use is not counted out.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct cache;
struct cache_chunk { /* what a reader asks for, as its referrer knows it */
    uint64_t id;
    uint32_t n; /* raw bytes */
    uint64_t xxh3;
};
struct cache_entry;

/* Fills p (c->n bytes), verified against c->xxh3; 0 or -errno with fail() text. */
typedef int (*cache_fetch)(void *ctx, const struct cache_chunk *c, void *p);
struct cache *cache_new(uint64_t limit, cache_fetch fetch, void *ctx); /* NULL: out of memory */
void cache_free(struct cache *c); /* nothing may be in use; NULL is fine */
void cache_limit(struct cache *c, uint64_t bytes);

/* The chunk, held until cache_put. -errno as fetch said. */
int cache_get(struct cache *c, const struct cache_chunk *chunk, struct cache_entry **ret);
const void *cache_data(const struct cache_entry *e);
void cache_put(struct cache *c, struct cache_entry *e);
/* Asks for it in the background: by one of nproc threads, started by the first call. Forgotten when too many
 * wait. */
void cache_prefetch(struct cache *c, const struct cache_chunk *chunk);

struct cache_counts {
    uint64_t bytes, hits, fetches;
};
void cache_counts(struct cache *c, struct cache_counts *ret);
