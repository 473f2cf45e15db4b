/* SPDX-License-Identifier: Apache-2.0 */
/* The engines at work: models that are open, by what they are made of; the least recently used is closed
 * first. */
#pragma once
#include "fs/eval/pick.h"
#include "fs/eval/runner.h"

struct models;
int models_open(struct store *s, struct models **ret);
void models_close(struct models *m);

/* The runner of a pick, open already or opened now; models_release when done. As runner_open. */
struct models_slot;
int models_runner(struct models *m, struct pick *p, struct models_slot **ret, struct runner **ret_runner);
void models_release(struct models *m, struct models_slot *o);
