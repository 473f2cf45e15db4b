/* SPDX-License-Identifier: Apache-2.0 */
/* The pages that manifests are made of, each stored once under its SHA-256. Grammars are in page.c. */
#pragma once
#include "store/base/wire.h"
#include "store/manifest.h"

enum page_type { PAGE_ROOT = 1, PAGE_LEAF = 2, PAGE_LAYOUT = 3, PAGE_SINCE = 4 };

/* Opens a page for reading: w stands after its head, *ret_n is the number of its entries (each takes at least
 * one byte of it). -EBADMSG, -ENOTSUP. */
int page_open(const void *p, size_t n, enum page_type type, struct wire *ret, uint32_t *ret_n);
int page_close(const struct wire *w); /* nothing may be left */
void page_head(struct out *o, enum page_type type, uint32_t n);

/* One file of a leaf. Its layout is inside when small, else in pages of its own. */
struct page_file {
    struct manifest_file f; /* without tensors and extents */
    const void *layout;     /* a layout page (nlayout bytes), or NULL */
    size_t nlayout;
    const struct digest *pages; /* (npages) */
    uint32_t npages;
};
void page_file_put(struct out *o, const struct page_file *f);
void page_file_get(struct wire *w, struct page_file *ret);

/* One item of a layout, in file order. */
enum page_kind {
    PAGE_BYTES = 0,  /* a run of plain bytes */
    PAGE_INLINE = 1, /* a few bytes, here */
    PAGE_TENSOR = 2, /* a run that is a tensor */
    PAGE_OTHER = 3,  /* a tensor without bytes of its own: takes no place in the file */
};
struct page_item {
    uint8_t kind;
    uint64_t len;                  /* BYTES, INLINE */
    const void *bytes;             /* INLINE */
    const uint8_t *shape;          /* (tensor.rank) u64, little-endian, where it was parsed */
    int has_stats;                 /* OTHER */
    struct manifest_tensor tensor; /* TENSOR: name, dtype, rank, shape, digest; OTHER: all but since. On
                                      parsing shape is not set: see `shape` */
    struct digest digest;          /* of the run: BYTES, TENSOR */
};
#define PAGE_MAX_INLINE 256
void page_item_put(struct out *o, const struct page_item *x);
void page_item_get(struct wire *w, struct page_item *ret);
