/* SPDX-License-Identifier: Apache-2.0 */
/* What `add` and `predictions` share: a file of JSON lines or CSV goes to the owner, and what became of it is
 * said. */
#pragma once
#include "tools/request.h"
#include "tools/table.h"

/* q: everything but the body. Prints "120 kept, …"; returns the exit code: 3 when some lines were rejected,
 * 5 when all were. */
int append_file(const char *repo, unsigned flags, const char *path, enum table_kind kind, struct request q);
