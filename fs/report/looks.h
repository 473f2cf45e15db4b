/* SPDX-License-Identifier: Apache-2.0 */
/* What a change of weights looks like, in one sentence: inference, of which the evidence is in the diff. */
#pragma once
#include "fs/report/section.h"

/* "  looks like: …" and a newline. */
void looks_like(const struct diff *d, struct out *o);

/* The one dtype that all changed tensors of the block (NULL: of all blocks) were cast to, or NONE; undone:
 * the one that A is in, whose values are B's rounded to it. */
enum dtype looks_cast(const struct diff *d, const char *block, int undone);
