/* SPDX-License-Identifier: Apache-2.0 */
/* One tree of an XGBoost booster: checked as far as walking it needs, then digested. */
#pragma once
#include "store/base/hash.h"
#include "store/base/out.h"
#include "store/format/input.h"
#include <jansson.h>

struct xgboost_tree {
    struct digest digest; /* of what it holds, the same from JSON and UBJSON: see xgboost_tree.c */
    uint32_t nodes, leaves, depth;
};

struct xgboost_split {
    uint32_t feature, order; /* order: by tree and node, so that sums do not depend on sorting */
    float gain, cover;
};

/*
 * Reads tree `number` of a booster of num_feature features and appends its splits to `splits` (struct
 * xgboost_split). -EBADMSG: arrays of different lengths, a child or feature out of range, a node reached
 * twice, or categories out of range; XGBoost itself would follow them.
 */
int xgboost_tree_read(const struct input *in, size_t number, const json_t *tree, int64_t num_feature,
                      struct out *splits, struct xgboost_tree *ret);

/* Integers come as integers or decimal text; 0 when v is neither. */
int xgboost_tree_int(const json_t *v, int64_t *ret);
/* A number, a boolean, or text that is wholly a number ("?" is NaN); 0 when v is neither. */
int xgboost_tree_number(const json_t *v, double *ret);
