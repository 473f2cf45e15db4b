/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which file, and which tensor, of one version is which of the other.
 *
 * A tensor belongs to a model: its file, or the sharded set the file is a piece of. Tensors are paired
 *   1. by model and name,
 *   2. by name where only one on each side is left with it (model.pt became model.safetensors),
 *   3. by digest: renamed, those whose last name component stayed first.
 */
#pragma once
#include "fs/diff/diff.h"

/* "sub/model-00002-of-00003.safetensors" -> "sub/model.safetensors", any other path as it is; NULL: out of
 * memory. */
const char *pair_model(struct arena *a, const char *path);

/* The file that holds a tensor's bytes: f, or the external file its location names; NULL: not in m. */
const struct manifest_file *pair_home(const struct manifest *m, const struct manifest_file *f,
                                      const struct manifest_tensor *t);
/* 1 when another file's parser lists the same bytes as a tensor of its own: it is left out here. */
int pair_listed_elsewhere(const struct manifest *m, const struct manifest_file *f,
                          const struct manifest_tensor *t);

/* Sets files and nfiles; bytes_new stays 0. Directories are left out. */
int pair_files(const struct manifest *ma, const struct manifest *mb, struct arena *a, struct diff *ret);
/* Sets tensors and ntensors: who they are and their status; no numbers yet. */
int pair_tensors(const struct manifest *ma, const struct manifest *mb, struct arena *a, struct diff *ret);
