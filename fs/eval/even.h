/* SPDX-License-Identifier: Apache-2.0 */
/* Which number of the cost table the sign of a change hangs on. */
#pragma once
#include "fs/eval/eval.h"

/* Fills ret->even: of all rules' numbers the one that has to move least, and not by more than four times,
 * until the change of cost_per_k on core is nothing. change: that change. */
int even_find(const struct eval_result *ra, const struct eval_result *rb, const struct eval_change *change,
              struct arena *a, struct eval_even *ret);
