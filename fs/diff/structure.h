/* SPDX-License-Identifier: Apache-2.0 */
/* Files of one format on both sides, and what the parser said of them (format.h draws it). */
#pragma once
#include "fs/diff/diff.h"
#include <jansson.h>

/* f's structure document; the caller decrefs. -EBADMSG when it is none. */
int structure_load(struct store *s, const struct manifest_file *f, json_t **ret);

struct structure_pair {
    const struct manifest_file *a, *b;
};
/* Files of the format that are in both: by path, or the only one on each side. In the order of B's paths. */
int structure_pairs(const struct diff *d, enum format format, struct arena *a, struct structure_pair **ret,
                    size_t *ret_n);
