/* SPDX-License-Identifier: Apache-2.0 */
/* The prepared commit, as it passes from the client half to the owner. Drawn in doc.c. */
#pragma once
#include "store/base/wire.h"
#include "store/staging.h"

struct doc_list { /* n entries in bytes, read by doc_* */
    uint64_t n;
    const void *p;
    size_t bytes;
};
struct doc_chunk { /* a new one; id with CHUNK_SMALL where it belongs there */
    struct digest digest;
    uint64_t id;
    uint8_t codec, depth;
    uint32_t raw, stored; /* stored: the whole record */
    uint64_t base;        /* id, 0: none */
    struct digest base_digest;
};
struct doc {
    const char *staging; /* "" when kind is STAGING_NONE */
    uint8_t kind;        /* enum staging_kind */
    uint32_t files;
    struct doc_list created; /* doc_chunk */
    struct doc_list reused;  /* digest, u64 id */
    struct doc_list runs;    /* digest, bytes run record */
    struct doc_list pages;   /* bytes */
    struct doc_list blobs;   /* bytes */
    struct digest root;
    uint64_t nfiles, bytes;
    const char *message, *author, *lineage, *tag; /* tag "": none */
    int64_t time_ns;
    uint8_t auto_parent, foreign;
    uint32_t nparents;
    const struct digest *parents;
};
void doc_format(const struct doc *d, struct out *ret);
int doc_parse(const void *p, size_t n, struct doc *ret); /* points into p; -EBADMSG */

#define DOC_CHUNK 90 /* bytes of one; its id stands after the digest */
void doc_chunk_put(struct out *o, const struct doc_chunk *c);
void doc_chunk_get(struct wire *w, struct doc_chunk *ret);
