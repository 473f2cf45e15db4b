/* SPDX-License-Identifier: Apache-2.0 */
/* What a version answered to a row, as CSV fields. */
#pragma once
#include "fs/eval/eval.h"

/* The label or number; "error"; empty where nothing is known. */
void answer_csv(struct out *o, const struct eval_result *r, const struct eval_cell *c);
/* 1, 0; empty where it is neither right nor wrong. */
void answer_right_csv(struct out *o, const struct eval_cell *c);
/* "a;b": the slices that the row names, and those of the spec's expressions that hold. */
void answer_slices_csv(struct out *o, const struct eval_set *set, const struct row *r);
