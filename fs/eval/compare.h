/* SPDX-License-Identifier: Apache-2.0 */
/* Two versions on the same rows: paired tests, slices, cohorts, flips. See eval_compare. */
#pragma once
#include "fs/eval/sample.h"

int compare_results(const struct eval_result *ra, const struct eval_result *rb, struct arena *a,
                    struct eval_compare *ret);
/* Decides every word anew, after margins have changed, and sorts the headline's slices again. */
void compare_settle(struct eval_compare *c, double alpha);
/* The word of a change under another margin. */
enum word compare_word(const struct eval_change *c, double margin, double alpha);
