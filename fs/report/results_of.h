/* SPDX-License-Identifier: Apache-2.0 */
/* What the evaluation's reports ask first: the results of the versions they are about, on one set. */
#pragma once
#include "fs/eval/eval.h"
#include "fs/eval/rules.h"
#include "fs/report/report.h"

/* The set that a report is about: at the revision that is its subject's name, else the newest. */
int results_set(const struct subject *s, const struct eval_set **ret);
/* Computes what is missing, unless reading shall not (eval_mode); -EINTR when nobody waits any more. */
int results_of(const struct subject *s, const struct version *v, const struct eval_set *set,
               struct eval_result **ret);

/* a and b of a diff, and their comparison under the rules in force; all of it is ended by
 * results_of_pair_fini. */
struct results_of_pair {
    const struct eval_set *set;
    struct eval_result *a, *b;
    struct eval_compare compare;
    struct rules rules;
};
int results_of_pair(const struct subject *s, struct results_of_pair *ret);
void results_of_pair_fini(struct results_of_pair *p);
/* The A/A control of b; -ENOENT: none, with *ret zero. Other errors are as of results_of. */
int results_of_control(const struct subject *s, const struct results_of_pair *p, struct eval_control *ret);
