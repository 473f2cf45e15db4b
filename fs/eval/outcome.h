/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eval/outcomes.csv: what a released version did outside, one line each, appended by whoever measured it.
 *
 *   version,vs_version,kind,metric,unit,value,ci_lo,ci_hi,window_start,window_end,experiment,added_by
 *   v4,v3,experiment,fraud_loss,EUR a month,91000,20000,162000,2026-11-02,2026-11-16,exp-12,amy
 *
 * value: the change against vs_version, more is better; of one of modelfs' own metrics that is better when
 * lower (cost_per_k) its own direction holds. Cells may be left out from the end; added_by is stamped by the
 * owner of the store. The file is kept as a configuration: a text under a name, with an event for each batch.
 */
#pragma once
#include "fs/eval/eval.h"

/* As eval_outcomes_append. With the caller's lock: lines are read, joined and written. */
int outcome_append(struct store *s, const struct eval_writer *w, const char *p, size_t n,
                   struct eval_added *ret);
int outcome_list(struct store *s, struct arena *a, struct eval_outcome **ret, size_t *ret_n);
int outcome_text(struct store *s, struct out *o);
