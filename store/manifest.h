/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a version holds: its files sorted by path (bytewise), each with what its parser found in it. Loaded as
 * a whole, immutable, shared. Reading a file, or a tensor of it, is file_read() at an offset.
 */
#pragma once
#include "store/format/format.h"
#include "store/store.h"
#include "store/version.h"

struct tensor_stats { /* over the values as decoded to double; all but the counts over finite values */
    double norm;      /* sqrt(sum x^2) */
    double mean, std, min, max;
    uint64_t nan, inf, zeros;
};

struct manifest_tensor {
    const char *name; /* true name; no NUL */
    enum dtype dtype;
    uint32_t flags; /* enum tensor_flag */
    uint32_t rank;
    const uint64_t *shape; /* (rank) */
    uint64_t count;        /* elements */
    uint64_t off, len;     /* bytes in the file; with TENSOR_EXTERNAL in file `location` */
    const char *location;  /* or NULL */
    struct digest digest;  /* over dtype, shape and the chunks' digests; equal digests are equal tensors; zero
                              where values are not read (strided, inline, external) */
    struct tensor_stats stats; /* float and integer types */
    struct digest since;       /* the version that last changed its bytes; zero: this one */
};

struct manifest_file {
    const char *path; /* "sub/model.safetensors"; bytes, no NUL, no empty, "." or ".." component */
    uint32_t mode;    /* S_IFREG or S_IFDIR and permission bits as committed */
    int64_t mtime_ns;
    uint64_t size;
    struct digest sha256; /* of the content */
    enum format format;
    const char *problem;                   /* NULL, or why it was not parsed */
    struct digest structure;               /* of the structure document (blob_get), zero: none */
    const struct manifest_tensor *tensors; /* (ntensors), in file order */
    size_t ntensors;
    const struct manifest_extents *extents; /* where its bytes are; opaque */
};

struct manifest {
    struct digest digest;
    const struct manifest_file *files; /* (nfiles), sorted by path; directories too */
    size_t nfiles;
    uint64_t tensors, params; /* in all its files; params = sum of counts of float tensors, those that share
                                 or borrow bytes aside */
};

/* Cached by digest; unref when done. */
int manifest_get(struct store *s, const struct version *v, const struct manifest **ret);
void manifest_unref(struct store *s, const struct manifest *m);
const struct manifest_file *manifest_find(const struct manifest *m, const char *path); /* NULL: none */
/* The first file whose path is not below prefix in byte order; with it a directory is a range. */
size_t manifest_lower_bound(const struct manifest *m, const char *prefix);

/*
 * Reads up to n bytes at off; returns the bytes read (short only at the end of the file), or -errno: -EIO
 * when a chunk is damaged (bytes never differ from what was committed, promise P1). Decoded chunks are cached
 * and shared by concurrent readers. Best on chunk edges: 131,072 elements from a tensor's start.
 */
int64_t file_read(struct store *s, const struct manifest_file *f, uint64_t off, void *p, size_t n);
/* Tells the store that [off, off + n) will be read soon: decoded in the background. Never fails. */
void file_prefetch(struct store *s, const struct manifest_file *f, uint64_t off, uint64_t n);
/* As struct input, for parsers and engines; ctx must outlive it. */
struct file_input {
    struct store *store;
    const struct manifest_file *file;
};
struct input file_input(struct file_input *ctx);

/* For manifest.json and du: each chunk of the file, in order. */
struct chunk_info {
    uint64_t id;
    struct digest digest;
    uint32_t raw, stored;
    const char *codec;
    uint64_t off; /* in the file */
};
int file_chunks(struct store *s, const struct manifest_file *f,
                int (*each)(void *ctx, const struct chunk_info *c), void *ctx);

/* Small content-addressed documents: structures, patches, specs, gates. */
int blob_get(struct store *s, const struct digest *d, struct out *ret); /* appends to ret */
