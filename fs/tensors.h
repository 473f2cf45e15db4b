/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names in tensors/<v>/: which tensor of which file each stands for. Tensors whose values are contiguous
 * bytes of a file of the version; the others are in tensors.csv only. Where two files hold a tensor of the
 * same name, both are in a directory named for their file.
 */
#pragma once
#include "store/manifest.h"

struct tensors_name {
    const char *name; /* "<name>.npy", or a file's directory */
    uint32_t file;    /* index into the manifest's files */
    uint32_t tensor;  /* index into its tensors; UINT32_MAX: a directory */
    uint32_t in_dir;  /* 1: in its file's directory */
};

/* Sorted by in_dir, then by file where in_dir, then by name. Shared: unref when done. */
struct tensors {
    const struct tensors_name *v;
    size_t n;
};
/* Made once for a version and kept for the next who asks. m must be of v and be held by the caller. */
int tensors_get(const struct version *v, const struct manifest *m, const struct tensors **ret);
void tensors_unref(const struct tensors *t);
/* dir: the file whose directory it is, or UINT32_MAX: at the top. NULL: no such name. */
const struct tensors_name *tensors_find(const struct tensors *t, uint32_t dir, const char *name);
/* The names in one of these directories. */
const struct tensors_name *tensors_dir(const struct tensors *t, uint32_t dir, size_t *ret_n);

/* Where a tensor's bytes are: the file (f, or with TENSOR_EXTERNAL another of the version). NULL: it has no
 * contiguous bytes that are exactly its values. */
const struct manifest_file *tensors_bytes(const struct manifest *m, const struct manifest_file *f,
                                          const struct manifest_tensor *t);
