/* SPDX-License-Identifier: Apache-2.0 */
/* Boosters tree by tree: a tree is its digest, so continued training shows as a shared prefix. */
#pragma once
#include "fs/diff/diff.h"
#include <jansson.h>

/* a, b: the structure documents of two boosters. All of ret but path; what it points to lives in arena. */
int booster_compare(const json_t *a, const json_t *b, struct arena *arena, struct diff_booster *ret);
/* Sets boosters and nboosters. */
int booster_all(struct diff *d, struct arena *a);
