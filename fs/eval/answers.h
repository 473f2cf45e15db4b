/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one run answered: for each input, the engine's numbers (or text, or error) as stored. A run is the
 * digest of everything but the input that decides a prediction; labels, decision and metrics are not in it.
 *
 * Stored prediction (little-endian):
 *   u8 1  f32 …     numbers, each exact as a float
 *   u8 2  f64 …     numbers
 *   u8 3  text      a label
 *   u8 4  text      why this row has none
 *   u8 5  JSON      imported: {"prediction":…,"p":{label: probability}}
 */
#pragma once
#include "fs/eval/runner.h"
#include "store/rows.h"
#include <pthread.h>

enum { ANSWERS_F32 = 1, ANSWERS_F64 = 2, ANSWERS_TEXT = 3, ANSWERS_ERROR = 4, ANSWERS_IMPORT = 5 };

struct answers;
/* Reads what is stored of the run. info: a JSON object about it, written with the first answers; NULL when
 * none is known yet (see answers_about). */
int answers_open(struct store *s, const struct digest *run, struct answers **ret);
void answers_close(struct answers *a);
const struct digest *answers_run(const struct answers *a);

/* What is said about the run: the stored JSON, or NULL. The caller decrefs. */
json_t *answers_about(struct answers *a);
int answers_set_about(struct answers *a, const json_t *about);

/* The stored form; NULL: not known. Valid as long as a. */
const uint8_t *answers_get(struct answers *a, const struct digest *input, size_t *ret_n);
/* Adds to the store, then to memory. */
int answers_put(struct answers *a, const struct stored_prediction *p, size_t n, int sync);
size_t answers_count(struct answers *a);
uint64_t answers_bytes(struct answers *a); /* of memory */
uint64_t answers_sum(struct answers *a);   /* changes whenever an answer is added or replaced */

/* The engine's answer in its stored form. */
void answers_format(const struct runner_answer *a, struct out *o);
/* And back; -EBADMSG. Not for imported ones. few: (nfew) the caller's room: ret->values is it where that is
 * enough. */
int answers_parse(const uint8_t *p, size_t n, double *few, size_t nfew, struct runner_answer *ret);

/* One computation at a time: 1, this caller shall compute (and end with answers_end); 0, someone else did or
 * does, look again; -EINTR when stop says so. */
int answers_begin(struct answers *a, int (*stop)(void *ctx), void *ctx);
void answers_end(struct answers *a);
