/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the set grows. Writers that come at the same time share a sync: each judges its lines under the lock,
 * writes without it, and publishes in the order of judging. Whoever meets a row that another is writing waits
 * until it is settled.
 */
#pragma once
#include "fs/eval/set.h"

/* What a line of retire or relabel says. */
struct grow_order {
    json_t *json; /* owned; the others point into it */
    const char *id, *reason;
    const json_t *label; /* relabel */
};

/* One line that somebody offers. */
struct grow_item {
    struct row row; /* json NULL: refused already, or an order */
    struct grow_order order;
    enum row_reason reason;
    char why[256];
    const char *line; /* (n) as it came */
    size_t n;
    int torn; /* the last line, and no newline ends it */
};
void grow_item_fini(struct grow_item *i);

/*
 * Each item is kept, merged into the row of the same input and label, set aside until it has a label, or
 * refused; each order is carried out or refused. One event; durable on return. Items stay the caller's.
 * -EAGAIN: the configuration is no longer `with`, by which the items were parsed; nothing happened.
 */
int grow_add(struct set *s, const struct settings *with, const struct eval_writer *w, enum eval_lines what,
             struct grow_item *items, size_t n, struct eval_added *ret);
