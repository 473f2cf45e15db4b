/* SPDX-License-Identifier: Apache-2.0 */
/* What a version says of an input that need not be in the set. Labels and task are told by the whole set, as
 * for its own rows. */
#pragma once
#include "fs/eval/state.h"

struct guess {
    char pred[256];    /* "" not known; cut when it is longer */
    double p;          /* probability of that; NaN unknown */
    int right;         /* 1, 0; -1 not known */
    char problem[256]; /* why pred is not known */
};
/* 0 also when nothing is known. */
int guess_make(struct eval *e, const struct version *v, enum eval_want want, const struct row *row,
               int (*progress)(void *ctx, uint64_t done, uint64_t all), void *ctx, struct guess *ret);
