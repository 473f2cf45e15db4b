/* SPDX-License-Identifier: Apache-2.0 */
/* Tags, as part of other writes. For the files of this folder only. */
#pragma once
#include "store/write.h"

/* Adds to the batch of event seq: the tag now points at `to` (NULL: is gone), and the record of that move. */
int tag_put(struct store *s, struct db_batch *b, uint64_t seq, const char *name, const struct digest *from,
            const struct digest *to, const char *who);
