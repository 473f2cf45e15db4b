/* SPDX-License-Identifier: Apache-2.0 */
/* One leaf of a lineage record: {"v": value, "how": …}. A part is a name or two with a dot between. */
#pragma once
#include <jansson.h>

enum fact_how { FACT_OBSERVED, FACT_DECLARED };

json_t *fact_part(json_t *record, const char *part); /* borrowed; made when absent */
/* Takes v (NULL: not known, nothing happens). */
void fact_put(json_t *record, const char *part, const char *leaf, json_t *v, enum fact_how how);
/* As declared, from->key when it is there. */
void fact_put_from(json_t *record, const char *part, const char *leaf, const json_t *from, const char *key);
/* As the user wrote it: a value, or an object with "v" (whatever else it says of how it is known). */
void fact_declare(json_t *record, const char *part, const char *leaf, json_t *v);
void fact_declare_all(json_t *record, const char *part, json_t *leaves);
int fact_known(json_t *record, const char *part, const char *leaf);
