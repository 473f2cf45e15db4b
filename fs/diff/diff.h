/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two versions' weights as numbers: pairs of tensors, what changed in each, boosters tree by tree, graphs
 * node by node. No text, no paths of the mount, no FUSE. Cost is in the changed tensors: equal digests are
 * never read. Values are decoded to double and summed pairwise, always in the same order.
 */
#pragma once
#include "store/base/arena.h"
#include "store/manifest.h"

enum diff_status { /* bits; 0 is "same bytes" */
                   DIFF_MODIFIED = 1,
                   DIFF_ADDED = 2,
                   DIFF_DELETED = 4,
                   DIFF_RENAMED = 8, /* same digest and shape under another name */
                   DIFF_DTYPE = 16,
                   DIFF_SHAPE = 32,
};

struct diff_tensor {
    const struct manifest_file *file_a, *file_b;
    const struct manifest_tensor *a, *b; /* NULL: only in the other */
    const char *model; /* path of its file in B (in A when deleted); a sharded set's is one */
    const char *block; /* "layer 4", or the name's top-level prefix */
    unsigned status;
    uint64_t n_cmp;                       /* elements compared; 0: values were not comparable */
    uint64_t n_bits, n_val;               /* elements whose bits, whose value differ */
    double l2_a, l2_b, l2_d, rel_l2, cos; /* NaN: does not apply */
    double max_abs;
    uint64_t max_at;       /* flat index in B */
    double spec_d, spec_a; /* largest singular value of the change and of A; NaN: not changed matrices */
    double srank_d;        /* l2_d^2 / spec_d^2 */
    int rank_d;            /* of the change, 1 % of its energy and rounding left out; 65: more than 64; 0:
                              unknown, or not more than rounding */
    int high_rank;         /* 1: more than half of full, or than 64, of the same */
    int low_rank;          /* all of the change but rounding is of this rank, an eighth of full or less; 0 */
    uint64_t nan_new, inf_new; /* positions that are NaN, or Inf, in B and were not in A */
    uint64_t nonfinite_moved;  /* positions finite in one of the two only */
    int cast;                  /* 1: each value of B is A's, rounded to B's dtype */
    int uncast;                /* 1: each value of A is B's, rounded to A's dtype, and not cast */
    uint64_t bytes_new;        /* in chunks that A does not have */
    const char *note;          /* "zero_base", "overlap_only", "not read: strided", … or NULL */
};

struct diff_block {
    const char *name;
    size_t tensors, changed, added, deleted; /* changed: in both, and not the same */
    uint64_t params_a, params_b;
    double rel_l2; /* sqrt(sum l2_d^2) / sqrt(sum l2_a^2) over its compared tensors; NaN: none, or A all 0 */
    uint64_t nan_new, inf_new;
    size_t matrices, low, high; /* with a rank_d; of those with a low_rank, a high_rank */
    int rank;                   /* the largest low_rank */
};

struct diff_booster { /* one model file that is a booster in both */
    const char *path; /* in B */
    const char *objective_a, *objective_b;
    uint64_t inputs_a, inputs_b; /* features that the model takes */
    int io_changed;              /* their number, names or types differ, or the number of classes */
    const char *io_note;         /* which, or NULL */
    size_t trees_a, trees_b;
    size_t prefix;                  /* leading trees that are exactly equal */
    size_t added, removed, changed; /* beyond the prefix: position by position */
    struct diff_feature {
        const char *name;
        double gain_a, gain_b; /* shares of the split gain, 0 … 1 */
    } * features;              /* largest change first */
    size_t nfeatures;
};

struct diff_graph {   /* ONNX in both */
    const char *path; /* in B */
    size_t nodes_a, nodes_b, added, removed, changed;
    int64_t opset_a, opset_b; /* of the default domain; 0: unknown */
    int io_changed;           /* inputs or outputs differ in name, dtype or shape */
    const char *io_note;      /* the first that does, or NULL */
};

struct diff_file {
    const struct manifest_file *a, *b; /* NULL: only in the other */
    const char *path;
    unsigned status; /* 0 same, MODIFIED, ADDED, DELETED, RENAMED (same sha256 under another path) */
    uint64_t bytes_new;
};

struct diff {
    struct diff_file *files; /* sorted by path */
    size_t nfiles;
    struct diff_tensor *tensors; /* sorted by file, then name */
    size_t ntensors;
    struct diff_block *blocks; /* in file order */
    size_t nblocks;
    struct diff_booster *boosters;
    size_t nboosters;
    struct diff_graph *graphs;
    size_t ngraphs;
    uint64_t params_a, params_b, bytes_a, bytes_b;
    uint64_t tensors_a, tensors_b;
    uint64_t changed_tensors, changed_bytes; /* in B: modified, of another dtype or shape, or added */
    uint64_t nan_new, inf_new;               /* values that became NaN or Inf, and in how many tensors */
    size_t nonfinite_tensors;
    int same; /* every file's bytes are equal */
    struct store *store;
    const struct manifest *ma, *mb; /* what the pointers above lead into */
};

/* values: also read and compare the changed tensors' values (else only what digests and records tell).
 * What is not in the two manifests lives in `a`; diff_fini lets go of them. -EINTR when stop says so. */
int diff_versions(struct store *s, const struct version *va, const struct version *vb, int values,
                  struct arena *a, int (*stop)(void *ctx), void *stop_ctx, struct diff *ret);
void diff_fini(struct diff *d); /* zeroed is fine */
