/* SPDX-License-Identifier: Apache-2.0 */
/* What commands that bring lines share: they go to the owner, and what became of them is said. */
#pragma once
#include "tools/request.h"
#include "tools/table.h"

/* The lines are q's body; path names them in messages, done says what becomes of those that are taken.
 * Returns as append_file. */
int append_lines(const char *repo, unsigned flags, const char *path, const char *done, struct request q);
/* q: everything but the body. Prints "120 kept, …"; returns the exit code: 3 when some lines were rejected,
 * 5 when all were. */
int append_file(const char *repo, unsigned flags, const char *path, enum table_kind kind, struct request q);
