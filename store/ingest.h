/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bulk of a commit's work: files are read in windows, cut, hashed, summed up, compared with what the
 * store has; what is new is encoded and staged. The processor's cores share each window; memory is bounded by
 * it.
 */
#pragma once
#include "store/base/arena.h"
#include "store/doc.h"
#include "store/format/format.h"
#include "store/manifest.h"
#include "store/prepare.h"

struct ingest;
int ingest_new(const struct prepare *p, const struct prepare_owner *owner, uint64_t all, struct ingest **ret);
void ingest_free(struct ingest *g, int keep); /* keep: what was staged stays for the owner; NULL is fine */

struct ingest_segment {   /* what became of a segment */
    struct digest digest; /* of its run */
    const void *bytes;    /* not NULL: short, kept in the manifest itself; in the caller's arena */
    int has_stats;
    struct tensor_stats stats;
};
/* Takes the whole of `in`, whose layout is given, in; ret is (l->nsegments). -EBUSY when it ends early. */
int ingest_file(struct ingest *g, const struct input *in, const struct layout *l, struct arena *a,
                struct digest *ret_sha256, struct ingest_segment *ret);
/* The digest and statistics of a tensor whose bytes belong to other segments of the file. */
int ingest_view(struct ingest *g, const struct input *in, const struct tensor *t, struct ingest_segment *ret);

/* Ends it: fills the doc's staging, created, reused and runs, which point into g. */
int ingest_finish(struct ingest *g, struct doc *ret);
