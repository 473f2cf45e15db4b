/* SPDX-License-Identifier: Apache-2.0 */
/* What git knows of the code around a directory. */
#pragma once
#include "store/base/out.h"
#include <jansson.h>

/*
 * Fills the part "code" of a lineage record: repo (the remote, without a password in it), commit, branch,
 * dirty, patch_digest of what is not committed; with `since` (the parent's commit) also commits, subjects,
 * files, added and removed since then. Asked is the git tree of dir, else that of the working directory; none
 * of that there is fine. ret_top gets the top of the tree. 0, -EINTR or -ENOMEM.
 */
int code_observe(json_t *record, const char *dir, const char *since, struct out *ret_top);
