/* SPDX-License-Identifier: Apache-2.0 */
/* Which bytes of B lie in chunks that A does not have. */
#pragma once
#include "fs/diff/diff.h"

/* Sets bytes_new of d's files and tensors. Cost: the chunk lists of A, and of B's files that A has not. */
int fresh_count(struct diff *d);
