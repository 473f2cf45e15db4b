/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RocksDB as the store uses it; nothing else includes its header. Keys and values are bytes. Errors are
 * -errno with a fail() text that carries RocksDB's own: -ENOSPC, -EDQUOT, -EMFILE, -ENOMEM where it says so,
 * -EBADMSG for corruption, else -EIO. No process may fork and go on using a database that is open.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Column families, in the order of their names in db.c. */
enum db_cf {
    DB_META,
    DB_CHUNKS,
    DB_SMALL,
    DB_IDX,
    DB_TENSORS,
    DB_MANIFESTS,
    DB_VERSIONS,
    DB_REFS,
    DB_EXAMPLES,
    DB_PREDICTIONS,
    DB_EVENTS,
    DB_BLOBS,
    DB_CFS
};

struct db;
int db_create(const char *path); /* a new, empty database; path's parent exists */
int db_open(const char *path, int readonly, struct db **ret);
void db_close(struct db *db);
uint64_t db_live_bytes(struct db *db); /* of its table files */

/* A table file of `chunks` or `small`: the ids it spans. */
struct db_file {
    enum db_cf cf;
    uint64_t first, last;
    uint64_t bytes;
};
/* Those that are there now; non-zero stops and is returned. */
int db_files(struct db *db, enum db_cf cf, int (*each)(void *ctx, const struct db_file *f), void *ctx);
/* Writes what lives between two ids again, without what was deleted. */
int db_compact(struct db *db, enum db_cf cf, uint64_t first, uint64_t last);

/* A value held without a copy until db_value_free. */
struct db_value {
    const void *p;
    size_t n;
    void *pin;
};
int db_get(struct db *db, enum db_cf cf, const void *key, size_t nkey, struct db_value *ret); /* -ENOENT */
int db_has(struct db *db, enum db_cf cf, const void *key, size_t nkey); /* 1, 0 or -errno */
void db_value_free(struct db_value *v);

/* The records whose key begins with prefix (borrowed by the iterator), in byte order, from key `from` on
 * (NULL: the first). db_next returns 1 and points at the record, 0 at the end, or -errno. */
struct db_iter;
struct db_record {
    const uint8_t *key;
    size_t nkey;
    const void *p;
    size_t n;
};
struct db_iter *db_iter_new(struct db *db, enum db_cf cf, const void *prefix, size_t nprefix,
                            const void *from, size_t nfrom); /* NULL: out of memory */
int db_next(struct db_iter *it, struct db_record *ret);
void db_iter_free(struct db_iter *it);
/* The greatest key with the prefix, copied into key (nkey bytes, the key's exact length): 1, 0: none. */
int db_last(struct db *db, enum db_cf cf, const void *prefix, size_t nprefix, void *key, size_t nkey);

/* Rewrites a column family: no replaced or deleted value is in any file afterwards. */
int db_scrub(struct db *db, enum db_cf cf);

struct db_batch;
struct db_batch *db_batch_new(void); /* NULL: out of memory */
void db_batch_free(struct db_batch *b);
void db_batch_mark(struct db_batch *b);     /* db_batch_rollback returns to the last mark; db_batch_keep */
void db_batch_rollback(struct db_batch *b); /* drops the mark and keeps what came after it */
void db_batch_keep(struct db_batch *b);
int db_batch_empty(struct db_batch *b);
void db_put(struct db *db, struct db_batch *b, enum db_cf cf, const void *key, size_t nkey, const void *p,
            size_t n);
void db_delete(struct db *db, struct db_batch *b, enum db_cf cf, const void *key, size_t nkey);
int db_write(struct db *db, struct db_batch *b, int sync);

/* Table files written outside a database (keys in ascending order), taken in by db_ingest by hard link. */
struct db_sst;
int db_sst_open(const char *path, struct db_sst **ret);
int db_sst_put(struct db_sst *w, const void *key, size_t nkey, const void *p, size_t n);
int db_sst_close(struct db_sst *w, int keep); /* keep: finished and synced; frees w; NULL is fine */
int db_ingest(struct db *db, enum db_cf cf, const char *const *paths, size_t n);
