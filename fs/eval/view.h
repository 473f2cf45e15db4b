/* SPDX-License-Identifier: Apache-2.0 */
/* The set at one moment: rows that never change, shared by whoever looks. */
#pragma once
#include "fs/eval/set.h"

/* What a view is made of. */
struct view_parts {
    struct settings *settings;
    const struct set_revision *revision;
    struct set_row *const *rows; /* (nrows) by seq; the view takes references of its own */
    size_t nrows;
    uint64_t retired, rejected;
    struct out *erased; /* what is told of rows that are no more, a line each, taken; NULL: none */
};
int view_make(const struct view_parts *p, const struct eval_set **ret);
int view_of(struct set *s, const struct eval_set **ret);
const char *view_erased(const struct eval_set *v);
const struct eval_set *view_ref(const struct eval_set *v);
void view_unref(const struct eval_set *v);
void view_forget(struct set *s); /* with the set's lock: the next view is made anew */

struct settings *view_settings(const struct eval_set *v);
const struct row *view_find(const struct eval_set *v, const char *id); /* active or waiting; NULL */
int view_index(const struct eval_set *v, const char *id, size_t *ret); /* of an active one; -ENOENT */
const struct row_stamp *view_stamp(const struct eval_set *v, size_t i);
/* The stored form of row i on one line, without a newline; of the i-th that waits for a label, -ENOENT past
 * the last. */
void view_text(const struct eval_set *v, size_t i, struct out *o);
int view_unlabelled(const struct eval_set *v, size_t i, struct out *o);
