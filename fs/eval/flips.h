/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows two versions answer differently, worst first. */
#pragma once
#include "fs/eval/eval.h"

/* Fills flips, nbroken, nfixed, nother, churn and the core counts. */
int flips_find(const struct eval_result *ra, const struct eval_result *rb, struct arena *a,
               struct eval_compare *ret);
/* The index in `to` of the label that is number i in `from`; -1 when it has none. */
int32_t flips_label(const struct eval_result *from, int32_t i, const struct eval_result *to);
