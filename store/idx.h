/* SPDX-License-Identifier: Apache-2.0 */
/* The index of chunks by their digest. For the files of this folder only. */
#pragma once
#include "store/core.h"

/* The record of the chunk: under its digest, or, when the same bytes came in twice at the same time, under
 * digest and id. -ENOENT. */
int idx_get(struct store *s, const struct digest *d, uint64_t id, struct record_idx *ret);
/* The same where it must be there: else -EBADMSG with a text. */
int idx_must_get(struct store *s, const struct digest *d, uint64_t id, struct record_idx *ret);
