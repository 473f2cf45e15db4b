/* SPDX-License-Identifier: Apache-2.0 */
/* From pages to a manifest in memory. Everything read is checked: digests of pages, order and form of paths,
 * sums of lengths; -EBADMSG with a text that names the file. */
#pragma once
#include "store/base/arena.h"
#include "store/core.h"
#include "store/manifest.h"

struct load_extent {
    uint64_t off; /* in the file */
    uint32_t n;
    uint64_t id; /* of the chunk; 0: the bytes are at `bytes` */
    uint64_t xxh3;
    struct digest digest; /* SHA-256; not of bytes */
    const void *bytes;
};
struct manifest_extents {
    const struct load_extent *e; /* (n), in order, without gaps */
    size_t n;
};

/* Where pages and tensor records come from: the database, or a commit that is not in it yet. */
struct load_source {
    int (*get)(void *ctx, enum db_cf cf, const struct digest *d, struct db_value *ret);
    void *ctx;
};
struct load_source load_from(struct store *s);

/* since: the page of `since`, or zero. Everything in ret lives in a. */
int load_manifest(const struct load_source *src, const struct digest *root, const struct digest *since,
                  struct arena *a, struct manifest *ret);
