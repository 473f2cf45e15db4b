/* SPDX-License-Identifier: Apache-2.0 */
/* What two runs of the same version on the same rows differ by. */
#pragma once
#include "fs/eval/eval.h"

#define CONTROL_ROWS  200
#define CONTROL_BYTES (64u << 20) /* of a version: from there on fewer rows, so that it stays cheap */

size_t control_rows(const struct version *v);
void control_compare(const struct eval_result *once, const struct eval_result *again,
                     struct eval_control *ret);
