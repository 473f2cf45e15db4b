/* SPDX-License-Identifier: Apache-2.0 */
/* Another program, run without a shell and without fork (a database may be open): stdin is empty, no other
 * descriptor is inherited. */
#pragma once
#include "store/base/out.h"

/* Appends its stdout, at most `most` bytes (then it is killed), to ret. Returns its exit status (0…255),
 * -EMSGSIZE, -EINTR after Ctrl-C, -ENOENT when there is no such program. */
int spawn_read(const char *const *argv, size_t most, struct out *ret);
