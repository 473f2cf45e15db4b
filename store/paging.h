/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a manifest: entries into pages, cut by content; pages and documents collected, each once. */
#pragma once
#include "store/dmap.h"
#include "store/format/format.h"
#include "store/ingest.h"
#include "store/page.h"

struct paging {
    struct out pages, blobs; /* as the lists of a doc */
    uint64_t npages, nblobs;
    struct dmap seen;
    struct out leaf; /* the one at work: its files */
    uint32_t in_leaf;
    struct out leaves; /* digests of those that are complete */
};
void paging_fini(struct paging *g);

/* A document under its digest. */
int paging_blob(struct paging *g, const void *p, size_t n, struct digest *ret);
/* The next file in order of paths: f without tensors and extents; its layout, and what became of its segments
 * (l->nsegments) and of its tensors that have none (l->ntensors). A directory has an empty layout. */
int paging_file(struct paging *g, const struct manifest_file *f, const struct layout *l,
                const struct ingest_segment *segments, const struct ingest_segment *others);
int paging_finish(struct paging *g, struct digest *ret_root);
