/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a version comes from: its lineage record, completed. Each field says how it is known: computed from
 * the stored bytes, observed by modelfs on the machine of the commit, or declared by whoever committed. A
 * field that nobody knows is there as null.
 *
 *   {"data": {"n_rows": {"v": 18204, "how": "declared"}, "licence": null, …}, "code": {…}, "model": {…},
 *    "hardware": {"train": {…}, "eval": {…}}, "who": {…}}
 */
#pragma once
#include "store/manifest.h"
#include <jansson.h>

/* The record of v, whose files are m, with all fields and what its bytes tell (format, params, dtypes, bytes,
 * digest) or its config.json declares (hyper-parameters); the caller decrefs. */
int origin_record(struct store *s, const struct version *v, const struct manifest *m, json_t **ret);

/* The parts and fields in the order in which reports show them. field NULL ends; part is "hardware.train". */
struct origin_field {
    const char *part, *field;
};
const struct origin_field *origin_fields(void);

/* The leaf of a field, or NULL when unknown. */
const json_t *origin_leaf(const json_t *record, const char *part, const char *field);
const json_t *origin_value(const json_t *leaf); /* NULL of an unknown one */
char origin_mark(const json_t *leaf);           /* '*' computed, '+' observed, '?' declared, ' ' unknown */

/* A value as a person reads it, at most max columns: strings as they are, digests and commits short, lists
 * joined. */
void origin_text(struct out *o, const json_t *value, size_t max);
