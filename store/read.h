/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks out of the database. For the files of this folder only. */
#pragma once
#include "store/codec.h"
#include "store/core.h"

struct codec_state *read_codec(void); /* the thread's own, freed with it; NULL: out of memory */
int read_chunk(void *store, const struct cache_chunk *c, void *p); /* a cache_fetch */
/* The first extent that ends after off. */
struct manifest_extents;
size_t read_extent_at(const struct manifest_extents *x, uint64_t off);
