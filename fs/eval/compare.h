/* SPDX-License-Identifier: Apache-2.0 */
/* Two versions on the same rows: paired tests, slices, cohorts, flips. See eval_compare. */
#pragma once
#include "fs/eval/sample.h"

int compare_results(const struct eval_result *ra, const struct eval_result *rb, struct arena *a,
                    struct eval_compare *ret);
