/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of which rank the change of a matrix is, apart from the rounding of what stores it. A convolution's kernel
 * counts as out x (in * height * width).
 */
#pragma once
#include "fs/diff/values.h"

#define RANK_MORE 65 /* a rank beyond those that are looked for */

/* After values_compare: sets spec_d, spec_a, srank_d, rank_d and low_rank of tensors that are matrices of
 * floats of one shape and have changed. -EINTR when stop says so. */
int rank_measure(const struct values_side *a, const struct values_side *b, int (*stop)(void *ctx),
                 void *stop_ctx, struct diff_tensor *ret);
