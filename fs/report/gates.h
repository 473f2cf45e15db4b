/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The default gate policy: broken must-pass rows and rows that B fails on fail, and so does a headline that
 * REGRESSED; UNDECIDED passes, and the reason says what the set cannot see.
 */
#pragma once
#include "fs/report/page.h"

void gates_rows(const struct page *g, struct verdict *v);
void gates_headline(const struct page *g, struct verdict *v);
