/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A version's score on the set as it was at some time, of rows that are in the set now. Within one epoch
 * (E<N>) a set only grows, so what it was is a part of what it is; across epochs nothing is said.
 */
#pragma once
#include "fs/eval/eval.h"

/* The newest revision not after the time; -ENOENT: there was none, or it is of another epoch than the set's.
 */
int then_revision(struct store *s, const struct eval_set *set, int64_t time_ns, struct eval_then *ret,
                  uint64_t *ret_serial);
/* See eval_score_then. */
int then_score(const struct eval_result *r, uint64_t serial, struct eval_then *ret);
