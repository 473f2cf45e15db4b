/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one way to change a store: a write adds its records to a batch and says what happened; the batch, with
 * the event that records it in the chain, is synced, then the anchor. Writes that wait at the same time and
 * need no look at each other's records share one sync.
 */
#pragma once
#include "store/core.h"

struct write {
    const char *kind; /* of the event */
    /* Adds records to b and the event's payload (a JSON object) to event. Called in the order of the events,
     * by whichever thread writes; may change s->state. seq is that of the event. 0 or -errno. */
    int (*build)(struct store *s, void *ctx, uint64_t seq, struct db_batch *b, struct out *event);
    void *ctx;
    int alone; /* it reads records that others may be writing: never in one batch with them */

    int result, done; /* write.c's */
    char *text;
    struct write *next;
};
int write_submit(struct store *s, struct write *w);

int64_t write_now(void);                            /* nanoseconds since 1970 */
void write_json_text(struct out *o, const char *s); /* a JSON string; invalid UTF-8 becomes U+FFFD */
void write_json_digest(struct out *o, const struct digest *d);
