/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table from digests to numbers. Zero-initialised is empty. */
#pragma once
#include "store/base/hash.h"

struct dmap {
    struct dmap_entry {
        struct digest key;
        uint64_t value;
        uint64_t used;
    } * e; /* (cap) */
    size_t n, cap;
};
/* The value of d, or NULL; valid until the next dmap_put. */
uint64_t *dmap_get(const struct dmap *m, const struct digest *d);
int dmap_put(struct dmap *m, const struct digest *d, uint64_t value); /* 0, or -ENOMEM; replaces */
void dmap_fini(struct dmap *m);
