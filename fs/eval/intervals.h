/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interval of one score, and a memory of those computed: the bootstrap of data that did not change is not
 * repeated. Any thread may call.
 *
 *   right or wrong, no weights, no groups      Wilson
 *   of more than INTERVALS_ROWS rows, no weights, no groups:
 *     mean of per-row numbers                  normal: the mean's standard error
 *     counts of labels (F1 and its kin)        normal: delete-one jackknife, rows of equal label and
 *                                              prediction together
 *   all else, up to INTERVALS_DRAWN rows       percentile bootstrap, 2000 replicates
 *   beyond                                     normal around the value, standard error of 200 replicates
 */
#pragma once
#include "fs/eval/metric.h"

#define INTERVALS_ROWS  500
#define INTERVALS_DRAWN 2000

struct intervals;
struct intervals *intervals_new(void); /* NULL: out of memory */
void intervals_free(struct intervals *v);

/* group: (r->n) numbers below n_groups, or NULL. *ret_method "" and NaN limits: too few rows for any. */
int intervals_of(struct intervals *v, const struct metric *m, const struct metric_rows *r,
                 const uint32_t *group, size_t n_groups, struct stats_interval *ret, const char **ret_method);
