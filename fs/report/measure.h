/* SPDX-License-Identifier: Apache-2.0 */
/* Scores and their changes as people read them: in fixed decimals, counts where a set is small. */
#pragma once
#include "fs/eval/eval.h"

#define MEASURE_SMALL 30 /* below this many rows: counts, no percentages */

int measure_is_share(const char *unit);
/* "91.90 %", ".9190" of few rows, "0.4621", "44.23" */
void measure_value(struct out *o, const char *unit, double x, uint64_t rows);
/* "+1.47 pp [+0.43, +2.84]", "-0.0063 [-0.031, +0.020]"; without an interval the change alone. digits: of
 * percentage points. */
void measure_change(struct out *o, const struct eval_change *c, int digits);
/* ".0016", ".21", "<.0001" */
void measure_p(struct out *o, double p);
/* "p/adjusted" in at most `columns` (11 or more), with fewer decimals if it must be. */
void measure_p_pair(struct out *o, double p, double adjusted, size_t columns);
/* "4 broken, 1 fixed" */
void measure_flips(struct out *o, uint64_t broken, uint64_t fixed);
/* Counts say more than a rate here: right or wrong, and few rows or too few flips for any test. */
int measure_by_count(const struct eval_change *c);
