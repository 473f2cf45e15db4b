/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inner loops of a comparison. Written with vectors of eight lanes whose order of additions is fixed, so
 * that every processor gets the same sums.
 */
#pragma once
#include "store/format/dtype.h"

#define KERNEL_BLOCK 1024 /* most elements of one call: what is summed before sums are added pairwise */

struct kernel_sums {
    double aa, bb, dd, ab; /* sums of a^2, b^2, (b-a)^2, ab; not finite where an a or b is not */
    double max;            /* largest |b-a| that is not NaN */
    uint64_t n_val;        /* positions with a != b: NaN differs from all, -0 from nothing */
    uint64_t n_bits;       /* positions whose bits differ */
};

/* n elements of type F64, F32, BF16 or F16 at a and b, any alignment. */
void kernel_compare(enum dtype t, const void *a, const void *b, size_t n, struct kernel_sums *ret);
/* How many of the n elements of `size` bytes differ in any bit. */
uint64_t kernel_bits(const void *a, const void *b, size_t n, size_t size);
/* Rounds to the nearest value of a float type, ties to even, past its largest to infinity (to NaN where it
 * has none). Other types: as they are. */
void kernel_round(enum dtype t, double *x, size_t n);
