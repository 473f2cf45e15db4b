/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the set grows. Writers that come at the same time share a sync: each judges its lines under the lock,
 * writes without it, and publishes in the order of judging. Whoever meets a row that another is writing waits
 * until it is settled.
 */
#pragma once
#include "fs/eval/set.h"

/* One line that somebody offers. */
struct grow_item {
    struct row row; /* json NULL: refused already */
    enum row_reason reason;
    char why[256];
    const char *line; /* (n) as it came */
    size_t n;
    int torn; /* the last line, and no newline ends it */
};
void grow_item_fini(struct grow_item *i);

/*
 * Each item is kept, merged into the row of the same input and label, set aside until it has a label, or
 * refused; one event; durable on return. Items stay the caller's.
 * -EAGAIN: the configuration is no longer `with`, by which the items were parsed; nothing happened.
 */
int grow_add(struct set *s, const struct settings *with, const struct eval_writer *w, struct grow_item *items,
             size_t n, struct eval_added *ret);
