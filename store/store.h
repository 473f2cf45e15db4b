/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: the versions of one model, kept as deduplicated, compressed chunks in a RocksDB database inside
 * REPO/db, with an anchor beside it (REPO/anchor) that says how far acknowledged history reaches.
 *
 * One process owns a store at a time. All functions may be called from any thread; writes are serialised
 * inside. A function that returns 0 for a write has synced it: it survives kill -9 and power loss (promise
 * P2). After a failed sync the store refuses writes with -EROFS and goes on reading.
 *
 * Errors: -ENOENT no such thing; -EBADMSG bytes do not match their digest or format; -EIO device or database;
 * -ENOTSUP made by a newer modelfs; each with a fail() text. Outputs are untouched on failure.
 */
#pragma once
#include "store/base/hash.h"
#include "store/base/out.h"
#include <stdint.h>

struct store;

/* Makes REPO (must not exist, or be an empty directory) with mode 0700 and an empty store in it: built under
 * a temporary name, synced, renamed. -EEXIST: something is there. */
int store_init(const char *repo);

/*
 * Opens read-only first, checks the anchor against the event chain, only then read-write.
 *   -ENOENT   no store there (or REPO does not exist)
 *   -EBUSY    another process has it open; its pid is in fail_text()
 *   -ENOTSUP  made by a newer modelfs
 *   -EBADMSG  damaged: fewer events than the anchor promises, or a file that does not verify; nothing is
 *             written or deleted
 * With STORE_READ_ONLY nothing is written and writes return -EROFS.
 */
enum store_flag { STORE_READ_ONLY = 1 };
int store_open(const char *repo, unsigned flags, struct store **ret);
void store_close(struct store *s);

const char *store_path(const struct store *s);        /* REPO, absolute */
const struct digest *store_id(const struct store *s); /* random, given at init */

/* Bytes of raw data kept decoded for readers (default: the smaller of 256 MiB and a quarter of the cgroup's
 * memory.max). */
void store_set_cache(struct store *s, uint64_t bytes);

/*
 * Bytes read through the whole chain: every referenced record is walked, chunk records are read (all, or the
 * fraction of them 0 < read_data <= 1), decoded and compared with their SHA-256. Each damage is one call of
 * `each` with a line of text that names the version, file and tensor it touches. Returns the number of
 * damages (0: whole) or -errno. `progress` may be NULL; it gets bytes done and in all; non-zero stops
 * (-EINTR).
 */
int store_check(struct store *s, double read_data, int (*each)(void *ctx, const char *line),
                int (*progress)(void *ctx, uint64_t done, uint64_t all), void *ctx);

/* What it costs. Bytes; stored = live files of the database and its log, cache = REPO/cache. */
struct store_usage {
    uint64_t versions, files, chunks;
    uint64_t logical;    /* sum of the file sizes of all versions */
    uint64_t raw_unique; /* raw bytes of the distinct chunks */
    uint64_t stored;     /* bytes of their records */
    uint64_t disk;       /* bytes the repo takes on disk, all in all */
    uint64_t cache;      /* of which REPO/cache */
    struct {
        const char *name; /* codec: "raw", "zstd", "planes" */
        uint64_t chunks, raw, stored;
    } codec[8];
    int ncodec;
};
int store_usage(struct store *s, struct store_usage *ret);
