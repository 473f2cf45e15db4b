/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small records, as they are stored; their grammars are at the top of record.c.
 * What a parser yields points into the record (texts are stored with their NUL). Parsers return -EBADMSG or
 * -ENOTSUP with fail() text; formatters append to an out and leave its error to the caller.
 */
#pragma once
#include "store/base/wire.h"
#include "store/key.h"
#include "store/rows.h"
#include "store/version.h"

struct record_idx {
    uint64_t id;
    uint32_t raw, stored;
    uint8_t codec, depth;
    uint64_t base, scale;
};
void record_idx_format(const struct record_idx *x, struct out *o);
int record_idx_parse(const void *p, size_t n, struct record_idx *ret);

/* The record "ids": the next one, and the greatest in `chunks`. */
void record_ids_format(uint64_t next, uint64_t newest, struct out *o);

/* Texts inside records: a u32 length, the bytes, a NUL that is not counted. */
void record_text_put(struct out *o, const char *s);
const char *record_text_get(struct wire *w); /* sets w->bad when a NUL is missing, or inside */

/* A version's record: the hashed body, then what the store adds. */
struct record_extra {
    struct digest since; /* the page of `since` (pages.h), zero: every tensor is this version's own */
};
void record_body_format(const struct version *v, struct out *o);
void record_version_format(const void *body, size_t nbody, const struct version *v,
                           const struct record_extra *x, struct out *o);
/* One block that holds a copy of all it points at: version_unref frees it. ret_extra may be NULL. */
int record_version_parse(const struct digest *expect, const void *p, size_t n, struct version **ret,
                         struct record_extra *ret_extra);

/* Formats event seq, which follows prev, and yields its hash. */
void record_event_format(const struct digest *prev, uint64_t seq, const char *kind, int64_t time_ns,
                         const void *p, size_t n, struct out *o, struct digest *ret_hash);
/* Verifies the payload against its digest; an erased one is empty. */
int record_event_parse(uint64_t seq, const void *p, size_t n, struct event *ret, struct digest *ret_prev);

void record_move_format(const struct tag_move *m, struct out *o);
int record_move_parse(const void *p, size_t n, struct tag_move *ret);

void record_row_format(const struct stored_row *r, struct out *o);
int record_row_parse(uint64_t seq, const void *p, size_t n, struct stored_row *ret);

/* A digest under a name (tags, numbers, configuration). */
void record_ref_format(const struct digest *d, struct out *o);
int record_ref_parse(const void *p, size_t n, struct digest *ret);

/* Bytes after a version byte (blobs, predictions). */
void record_bytes_format(const void *p, size_t n, struct out *o);
int record_bytes_parse(const void *rec, size_t nrec, const void **ret, size_t *ret_n);
