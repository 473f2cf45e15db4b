/* SPDX-License-Identifier: Apache-2.0 */
/* The predictions of each version on each row: found, computed where they are missing, made into cells. */
#pragma once
#include "fs/eval/answers.h"
#include "fs/eval/eval.h"
#include "fs/eval/models.h"
#include "fs/eval/runs.h"

struct results;
int results_open(struct store *s, struct models *m, struct results **ret);
void results_close(struct results *r);

/* See eval_version. */
int results_version(struct results *r, const struct version *v, enum eval_want want,
                    const struct eval_set *set, int (*progress)(void *ctx, uint64_t done, uint64_t all),
                    void *ctx, struct eval_result **ret);
/* The first rows once more, in a run of its own that is kept as any other: what the engine itself varies by.
 * The other rows' cells stay unknown. -ENOENT: no engine in this process answers for the version. */
int results_again(struct results *r, const struct version *v, enum eval_want want, const struct eval_set *set,
                  size_t rows, int (*progress)(void *ctx, uint64_t done, uint64_t all), void *ctx,
                  struct eval_result **ret);
void results_free(struct eval_result *r);

/* The run of the predictions imported for a version; of an engine's. */
void results_import_run(const struct version *v, struct digest *ret);
/* Is the answer of the version that was picked to this input known? 1, 0 or -errno. */
int results_has(struct results *r, const struct pick *p, const struct digest *input);
struct runs *results_runs(struct results *r);
void results_status(struct results *r, struct eval_status *ret);
