/* SPDX-License-Identifier: Apache-2.0 */
/* Two tensors, value by value, streamed: memory is two windows of 131,072 elements. */
#pragma once
#include "fs/diff/diff.h"
#include "store/format/input.h"

#define VALUES_WINDOW 131072 /* elements; the store cuts tensors there */

struct values_side {
    const struct manifest_tensor *tensor;
    const struct input *in; /* the file that holds its bytes, at tensor->off */
    /* or NULL: told that [off, off + n) of in is read soon */
    void (*ahead)(const struct input *in, uint64_t off, uint64_t n);
};

struct values;                   /* the windows; reused from tensor to tensor */
struct values *values_new(void); /* NULL: out of memory */
void values_free(struct values *w);

/* NULL, or why its values cannot be read: "not read: strided", … */
const char *values_unreadable(const struct manifest_tensor *t);

/* Expected rel_l2 of one rounding to the coarser of two float types. */
double values_rounding(enum dtype a, enum dtype b);

/*
 * Fills the numbers of ret (n_cmp … cast, note). Same shape: all elements. Shapes that differ in exactly one
 * dimension (a class added, a vocabulary grown): the common prefix of that dimension, note "overlap_only".
 * Else, or when one of them is unreadable: n_cmp = 0 and the note says why.
 * Sums run over the positions that are finite in both, in blocks of 1024 that are added pairwise.
 */
int values_compare(struct values *w, const struct values_side *a, const struct values_side *b,
                   int (*stop)(void *ctx), void *stop_ctx, struct diff_tensor *ret);
