/* SPDX-License-Identifier: Apache-2.0 */
/* Rows picked out of results, in the form that metrics take. Everything lives in the caller's arena. */
#pragma once
#include "fs/eval/eval.h"
#include "fs/eval/metric.h"

/* Some rows of a set, by index, in order. */
struct sample {
    const char *name; /* of the slice; "" all */
    const uint32_t *at;
    size_t n;
};
int sample_cohort(const struct eval_set *set, enum row_cohort c, struct arena *a, struct sample *ret);
/* The slices that rows of `of` are in, by name: those a row says, and the spec's expressions that hold. */
int sample_slices(const struct eval_set *set, const struct sample *of, struct arena *a, struct sample **ret,
                  size_t *ret_n);
/* All rows of core (slice "") are weighed by traffic when the set knows its shares. */
int sample_rows(const struct eval_result *r, const struct sample *s, struct arena *a,
                struct metric_rows *ret);

/* Numbers the groups of the rows; a row without one stands alone. *ret NULL: no row has one. */
int sample_groups(const struct eval_set *set, const struct sample *s, struct arena *a, uint32_t **ret,
                  size_t *ret_n);

/* The metrics for a task: the spec's or the default ones, the headline first; those that are not for the
 * task's kind are left out, and cost_per_k stands last wherever the set has a cost table. (NULL-terminated)
 */
int sample_metrics(const struct eval_set *set, enum spec_task t, struct arena *a, const char *const **ret);
