/* SPDX-License-Identifier: Apache-2.0 */
/* A few threads that do one list of tasks at a time, together with the thread that asks. */
#pragma once
#include <stddef.h>

struct pool;
struct pool *pool_new(void); /* as many threads as processors, at most 16; NULL: out of memory */
void pool_free(struct pool *p);
int pool_threads(const struct pool *p); /* the asking one included */
/* Calls task(ctx, i, thread) for i = 0 .. n - 1, in that order of starting; thread counts from 0. Returns
 * when all are done: 0, or the first negative result by i. Its fail() text is that of the calling thread. */
int pool_run(struct pool *p, size_t n, int (*task)(void *ctx, size_t i, int thread), void *ctx);
