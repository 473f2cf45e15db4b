/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eval/inputs/: large inputs as NumPy files, kept as configuration is, under "inputs/NAME.npy". A row refers
 * to one by {"ref":"sha256:<digest of the file>"} in place of the array, anywhere in its input. What a row
 * refers to, or referred to, stays as it is.
 */
#pragma once
#include "fs/eval/eval.h"
#include "store/rows.h"

int inputs_is_name(const char *name); /* "inputs/face-1.npy": of such a file */
/* -EINVAL: no array, or no such name; -EPERM: a row refers to what the name means now. Empty: removed. */
int inputs_put(struct store *s, const struct eval_writer *w, const char *name, const void *p, size_t n);

/* Of a digest that rows might refer to: 1 when one does whose number is not among `but`. */
int inputs_referred(struct store *s, const struct digest *d, const struct stored_row *but, size_t n);

/* Does the input refer to any? 1 or 0. */
int inputs_any(const json_t *input);
/* Calls each with the digest of every reference; a reference that is none is -EINVAL. Non-zero stops. */
int inputs_each(const json_t *input, int (*each)(void *ctx, const struct digest *d), void *ctx);
/* The input with each reference replaced by the file's bytes, as a JSON string that no text can be
 * (array_is), or by nested lists. The caller decrefs. -EINVAL: a file is not there, or cannot be lists. */
int inputs_resolve(struct store *s, const json_t *input, int lists, json_t **ret);
