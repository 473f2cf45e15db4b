/* SPDX-License-Identifier: Apache-2.0 */
/* What an open evaluation is made of. Of this folder only. */
#pragma once
#include "fs/eval/results.h"
#include "fs/eval/set.h"

struct eval {
    struct store *store;
    struct set *set;
    struct models *models;
    struct results *results;
};
