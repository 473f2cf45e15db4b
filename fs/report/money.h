/* SPDX-License-Identifier: Apache-2.0 */
/* What errors cost, as people read it: in the cost table's unit, thousands and millions short. */
#pragma once
#include "fs/report/page.h"

/* The change of cost on core, or of a month's; NULL: there is no cost table. */
const struct eval_change *money_change(const struct page *g);
/* cost/1000, the month, what it is measured on, the break-even. Nothing without a cost table. */
void money_lines(const struct page *g);

void money_short(struct out *o, double x, int sign); /* "-122 k", "3.0 M", "412.0" */
/* One row's: "980 EUR", "4.00 EUR". */
void money_row(struct out *o, double x, const char *unit);
