/* SPDX-License-Identifier: Apache-2.0 */
/* The answers that are held in memory, by run: those that were not used for longest go when there are too
 * many bytes of them, and are read again when they are asked for. Any thread may call. */
#pragma once
#include "fs/eval/answers.h"

#define RUNS_MEMORY (UINT64_C(256) << 20) /* bytes, unless runs_limit says otherwise */

struct runs;
int runs_open(struct store *s, struct runs **ret);
void runs_close(struct runs *r);
/* The answers of a run; the caller gives them back. */
int runs_get(struct runs *r, const struct digest *run, struct answers **ret);
void runs_put(struct runs *r, struct answers *a); /* NULL is fine */
/* What is held is read anew by whoever asks next. */
void runs_forget(struct runs *r);
void runs_limit(struct runs *r, uint64_t bytes);
uint64_t runs_bytes(struct runs *r); /* held now */
