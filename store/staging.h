/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a commit puts its new chunks before the owner takes them in: REPO/staging/<pid>-<n>/. Up to
 * STAGING_PACK bytes they are one file, "pack", whose records the owner writes into `small`; beyond it they
 * are table files, "000.sst" on, in the order of their ids, which the owner links into `chunks`.
 */
#pragma once
#include "store/base/out.h"
#include <stdint.h>

#define STAGING_PACK  (64u << 20)
#define STAGING_TABLE (512u << 20) /* a table file is closed past this */

enum staging_kind { STAGING_NONE = 0, STAGING_PACKED = 1, STAGING_TABLES = 2 };

struct staging;
int staging_new(const char *repo, struct staging **ret); /* nothing is made on disk before the first chunk */
int staging_add(struct staging *st, uint64_t id, const void *p, size_t n); /* ids ascend */
/* Closes and syncs the files. */
int staging_finish(struct staging *st, enum staging_kind *ret_kind, uint32_t *ret_files);
const char *staging_name(const struct staging *st); /* "<pid>-<n>", "" when nothing was made */
void staging_free(struct staging *st, int keep);    /* keep: the files stay for the owner */

/* The owner's side. Names come from a document: only digits and "-" pass. */
int staging_dir(const char *repo, const char *name, struct out *ret); /* its path; -EINVAL */
int staging_pack_each(const char *dir, int (*each)(void *ctx, uint64_t id, const void *p, size_t n),
                      void *ctx);
void staging_table(const char *dir, uint32_t i, struct out *ret); /* appends the path and a NUL */
