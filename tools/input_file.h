/* SPDX-License-Identifier: Apache-2.0 */
/* A whole small file of the user's, read at once. */
#pragma once
#include "store/base/out.h"

/* Appends it to ret; "-" is stdin. -EISDIR and the like, -EMSGSIZE when it is longer than most, -EBUSY when
 * it changed while it was read. */
int input_file_read(const char *path, size_t most, struct out *ret);
