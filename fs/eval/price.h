/* SPDX-License-Identifier: Apache-2.0 */
/* What each answer of a version costs, out of the set's cost table. */
#pragma once
#include "fs/eval/eval.h"

int price_cells(struct eval_result *r); /* fills cells[].cost; NaN without a table, or where none is known */
/* Row i's under a table; truth: its label's text. */
double price_cell(const struct cost *cost, const struct eval_result *r, size_t i, const char *truth);
/* The traffic slice that row i is in; -1: none, or there is no traffic.csv. In two: the first. */
int price_stratum(const struct eval_set *set, size_t i);
