/* SPDX-License-Identifier: Apache-2.0 */
/* From stored answers to cells: what each prediction means under the spec, and whether it is right. */
#pragma once
#include "fs/eval/answers.h"
#include "fs/eval/eval.h"
#include "fs/eval/predict.h"

struct cells {
    struct arena *arena; /* everything in the result lives there */
    struct answers *answers;
    const char *const *version_labels; /* (nversion_labels) or NULL */
    size_t nversion_labels;
};
/* Fills r->task, labels, cells, known, errors, complete out of r->set. An engine's answers; 0 also when they
 * cannot be understood: then r->problem says which key of the spec to set. */
int cells_of_engine(const struct cells *c, struct eval_result *r);
/* The same of imported ones. */
int cells_of_import(const struct cells *c, struct eval_result *r);
