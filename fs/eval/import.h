/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Predictions made elsewhere, one JSON object a line:
 *   {"id":"tx-1","prediction":"fraud","p_ok":0.1,"p_fraud":0.9}     a probability for every label
 *   {"id":"tx-1","prediction":"fraud","probability":0.9}            or that of the prediction alone
 *   {"id":"tx-1","prediction":272.5}                                regression
 * or a line of lm-evaluation-harness (see harness.h). Other keys are ignored. They are kept by the row's
 * input, so a relabelled row keeps its prediction, and one given again replaces the one before.
 */
#pragma once
#include "fs/eval/results.h"

/* -EINVAL when no line could be kept; ret says how many were not, and why the first. */
int import_lines(struct results *r, struct store *s, const struct eval_set *set, const struct eval_writer *w,
                 const struct version *v, const char *p, size_t n, struct eval_added *ret);
