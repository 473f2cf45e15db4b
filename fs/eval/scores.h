/* SPDX-License-Identifier: Apache-2.0 */
/* The scores of one version: every metric on every cohort, and on every slice of core. */
#pragma once
#include "fs/eval/sample.h"

int scores_of(const struct eval_result *r, struct arena *a, struct eval_score **ret, size_t *ret_n);
