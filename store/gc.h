/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives back what no version needs: chunks, tensor records and pages that are reached neither from a version,
 * nor from a manifest that somebody still reads by, nor as the base of such a chunk; and whole table files
 * that a commit brought in before it was cut off. Readers and commits go on meanwhile: a commit that was
 * prepared to lean on something that is gone is refused with -ESTALE, and is to be prepared again.
 */
#pragma once
#include "store/store.h"

struct gc_result {
    uint64_t chunks, bytes; /* freed: chunks, and bytes of their records */
    uint64_t orphans;       /* bytes of table files that nothing knew */
    uint64_t records;       /* tensor records and pages */
    uint64_t rewritten;     /* live bytes that were moved so that the room comes back */
};

/* without (n versions): as if they had been removed; only with dry_run, which changes nothing and counts what
 * would be freed. -EBADMSG when a version cannot be read: then nothing is freed. progress counts versions,
 * non-zero stops (-EINTR); NULL is fine. */
int gc_run(struct store *s, int dry_run, const struct digest *without, size_t n,
           int (*progress)(void *ctx, uint64_t done, uint64_t all), void *ctx, struct gc_result *ret);
