/* SPDX-License-Identifier: Apache-2.0 */
/* The members of a zip, PyTorch's or NumPy's: where their bytes are in the file. Nothing is decompressed. */
#pragma once
#include "store/base/arena.h"
#include "store/format/input.h"

struct pt_zip; /* its tables live in the arena it was opened with, close it before that ends */

/* 1: a PyTorch archive; 0: another zip, or none (unless `strict`: then -EBADMSG); -EBADMSG: malformed. */
int pt_zip_open(const struct input *in, struct arena *a, int strict, struct pt_zip **ret);
/* Any zip: 0, or -EBADMSG. */
int pt_zip_open_any(const struct input *in, struct arena *a, struct pt_zip **ret);
void pt_zip_close(struct pt_zip *z);

/* Each member, by name: its n bytes at off. -EBADMSG when one is compressed or encrypted, or its two headers
 * differ. */
int pt_zip_each(struct pt_zip *z, int (*each)(void *ctx, const char *name, uint64_t off, uint64_t n),
                void *ctx);

/* The bytes of data.pkl, in the arena, and where they are in the file. */
int pt_zip_pickle(struct pt_zip *z, struct arena *a, char **ret, size_t *ret_n, uint64_t *ret_off);

/* Where data/KEY is. -EBADMSG: no such member, compressed, encrypted, or its two headers differ. */
int pt_zip_storage(struct pt_zip *z, const char *key, size_t key_len, uint64_t *ret_off, uint64_t *ret_len);
