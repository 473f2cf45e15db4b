/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A commit, in two halves.
 *
 * prepare_* is the client half: it runs with the caller's rights in the caller's process, with no database
 * open: reads the input (pread, regular files and directories only, symlinks followed, a changed file is
 * refused with -EBUSY), parses, cuts, hashes, asks the owner which chunks it has, encodes the new ones and
 * writes them into REPO/staging/<pid>-<n>/. Every encoded chunk is decoded and compared before it counts.
 *
 * commit_apply is the owner half: it takes the prepared document, re-checks under the commit lock that every
 * chunk it leans on still exists, ingests the staged chunks, and writes all records in ONE synced batch.
 */
#pragma once
#include "store/store.h"
#include "store/version.h"

/* How the client half reaches the owner: over a socket, or directly (prepare_direct). */
struct prepare_owner {
    void *ctx;
    /* ids[i] = id of the chunk with digest d[i], or 0 when the store has none; raw lengths are not needed */
    int (*has)(void *ctx, const struct digest *d, size_t n, uint64_t *ids);
    /* n fresh chunk ids: *first … *first + n - 1 */
    int (*reserve)(void *ctx, uint64_t n, uint64_t *first);
    /* the tensors that new ones may lean on, and the bytes of chunks: bases_list, bases_read (bases.h) */
    int (*bases)(void *ctx, const struct digest *from, size_t n, struct out *ret);
    int (*read)(void *ctx, const void *list, size_t nlist, struct out *ret);
};
struct prepare_owner prepare_direct(struct store *s);
int store_has(struct store *s, const struct digest *d, size_t n, uint64_t *ids);
int store_reserve(struct store *s, uint64_t n, uint64_t *first);

struct prepare_progress {
    uint64_t done, all; /* input bytes */
    uint64_t new_raw, new_stored;
    const char *file; /* the one at work */
};
enum prepare_profile { PREPARE_BEST = 0, PREPARE_FAST = 1 }; /* fewest bytes; fastest to read */
struct prepare {
    const char *repo;         /* where staging/ is */
    const char *const *paths; /* files and directories; a directory's content becomes the version's root */
    size_t npaths;
    const char *message, *author;
    int64_t time_ns;              /* 0: now */
    const char *lineage;          /* JSON object or NULL */
    const struct digest *parents; /* nparents; none given and `auto_parent`: the newest version at apply */
    size_t nparents;
    int auto_parent;
    int foreign; /* a version of another repo: its parents may be unknown here (else -ENOENT at apply) */
    enum prepare_profile profile;
    const char *tag;                                              /* set by the same batch, or NULL */
    int (*progress)(void *ctx, const struct prepare_progress *p); /* or NULL; non-zero: stop with -EINTR */
    void *progress_ctx;
};

/*
 * The prepared document for commit_apply, in ret; the staging directory's name is in it. On failure or when
 * the commit is given up, prepare_discard removes what was staged.
 *   -EINVAL nothing to commit; -EBUSY "NAME changed while it was read"; -ENOSPC; -ENOENT no such input
 */
int prepare_run(const struct prepare *p, const struct prepare_owner *owner, struct out *ret);
/* The digest that the version will have: fixed by the document where parents are named or there are none, and
 * auto_parent is off. */
int prepare_digest(const void *doc, size_t n, struct digest *ret);
void prepare_discard(const char *repo, const void *doc, size_t n);
/* Removes staging directories whose process is gone. Called when a store is opened read-write. */
int prepare_sweep(const char *repo);

struct commit_result {
    struct digest digest;
    uint32_t number;
    uint64_t files, bytes, bytes_new, stored_new;
    int unchanged; /* the manifest equals the (first) parent's: a new version all the same, no new chunk */
};
/* -ESTALE: the owner that it was prepared for is gone, or a chunk it leans on: run prepare_run again. On
 * failure the staged files stay for prepare_discard. */
int commit_apply(struct store *s, const void *doc, size_t n, struct commit_result *ret);
