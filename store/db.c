/* SPDX-License-Identifier: Apache-2.0 */
#include "store/db.h"
#include "store/base/fail.h"
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const char *const cf_names[DB_CFS] = {"default",  "chunks",      "small",    "idx",
                                             "tensors",  "manifests",   "versions", "refs",
                                             "examples", "predictions", "events",   "blobs"};

struct db {
    rocksdb_t *db;
    char *path;
    rocksdb_options_t *opt[DB_CFS];
    rocksdb_column_family_handle_t *cf[DB_CFS];
    rocksdb_cache_t *cache;
    rocksdb_readoptions_t *read, *read_chunk;
    rocksdb_writeoptions_t *write, *write_sync, *write_unlogged;
};

static void tune_now(void)
{
    /* Chunk-sized blocks come and go by the thousand: without this each costs an mmap and page faults. */
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    struct rlimit rl;
    if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < 4096 && rl.rlim_cur < rl.rlim_max) {
        rl.rlim_cur = rl.rlim_max < 4096 ? rl.rlim_max : 4096;
        setrlimit(RLIMIT_NOFILE, &rl);
    }
}

static void tune_process(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, tune_now);
}

/* RocksDB's text becomes an errno. It is freed. */
static int failed(const char *what, char *err)
{
    int code = strncmp(err, "Corruption", 10) == 0             ? -EBADMSG
               : strstr(err, "No space left on device")        ? -ENOSPC
               : strstr(err, "Disk quota exceeded")            ? -EDQUOT
               : strstr(err, "Too many open files")            ? -EMFILE
               : strstr(err, "Cannot allocate memory")         ? -ENOMEM
               : strstr(err, "Read-only file system")          ? -EROFS
               : strstr(err, "Permission denied")              ? -EACCES
               : strncmp(err, "IO error: While lock", 20) == 0 ? -EBUSY
                                                               : -EIO;
    fail(code, "%s: %s", what, err);
    rocksdb_free(err);
    return code;
}

static int holds_chunks(enum db_cf cf)
{
    return cf == DB_CHUNKS || cf == DB_SMALL;
}

/* For what the C API has no function for. o is used up. */
static rocksdb_options_t *with(rocksdb_options_t *o, const char *text)
{
    rocksdb_options_t *ret = rocksdb_options_create();
    char *err = NULL;
    rocksdb_get_options_from_string(o, text, ret, &err);
    if (err) { /* an option that is not known: go without it */
        rocksdb_free(err);
        rocksdb_options_destroy(ret);
        return o;
    }
    rocksdb_options_destroy(o);
    return ret;
}

static rocksdb_options_t *options(enum db_cf cf, rocksdb_cache_t *cache)
{
    rocksdb_options_t *o = rocksdb_options_create();
    rocksdb_block_based_table_options_t *t = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_checksum(t, 4);       /* XXH3; CRC32C is 1.1 GB/s here */
    rocksdb_block_based_options_set_format_version(t, 5); /* what every RocksDB since 6.6 reads */
    rocksdb_block_based_options_set_block_size(t, holds_chunks(cf) ? 65536 : 8192);
    if (cache)
        rocksdb_block_based_options_set_block_cache(t, cache);
    else
        rocksdb_block_based_options_set_no_block_cache(t, 1);
    /* also for chunks: without it a read looks into the blocks of other chunks, and meets their damage */
    rocksdb_block_based_options_set_filter_policy(t, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_options_set_block_based_table_factory(o, t); /* copies t and shares its policy */
    rocksdb_block_based_options_destroy(t);

    int zstd =
        cf == DB_MANIFESTS || cf == DB_VERSIONS || cf == DB_EXAMPLES || cf == DB_EVENTS || cf == DB_BLOBS;
    rocksdb_options_set_compression(o, zstd ? rocksdb_zstd_compression : rocksdb_no_compression);
    /* small ones: after a full disk RocksDB waits for as much room as all of them together */
    rocksdb_options_set_write_buffer_size(o, cf == DB_SMALL ? 32 << 20 : 4 << 20);
    rocksdb_options_set_target_file_size_base(o, 256 << 20);
    rocksdb_options_set_max_bytes_for_level_base(o, 1 << 30);

    /* A log file on a full disk would abort the process (an assertion inside Debian's librocksdb). */
    rocksdb_options_set_info_log_level(o, 4);
    rocksdb_options_set_keep_log_file_num(o, 1);
    rocksdb_options_set_stats_dump_period_sec(o, 0);
    rocksdb_options_set_stats_persist_period_sec(o, 0);
    rocksdb_options_set_wal_recovery_mode(o, 0); /* tolerate a torn tail only */
    rocksdb_options_set_atomic_flush(o, 1);      /* so that a lost tail of the MANIFEST loses events too */
    rocksdb_options_set_paranoid_checks(o, 1);
    rocksdb_options_set_max_open_files(o, 512);
    rocksdb_options_set_max_total_wal_size(o, 128 << 20);
    rocksdb_options_set_db_write_buffer_size(o, 96 << 20);
    rocksdb_options_set_max_background_jobs(o, 2);
    rocksdb_options_set_advise_random_on_open(o, 0);
    rocksdb_options_set_is_fd_close_on_exec(o, 1);
    rocksdb_options_set_bytes_per_sync(o, 8 << 20);
    return with(o, "avoid_flush_during_shutdown=true"); /* never_empty() would cause one at each close */
}

static struct db *db_new(const char *path)
{
    tune_process();
    struct db *db = calloc(1, sizeof *db);
    if (!db || !(db->path = strdup(path))) {
        free(db);
        return NULL;
    }
    db->cache = rocksdb_cache_create_lru(16 << 20);
    for (int i = 0; i < DB_CFS; i++)
        db->opt[i] = options((enum db_cf)i, db->cache);
    db->read = rocksdb_readoptions_create();
    db->read_chunk = rocksdb_readoptions_create();
    rocksdb_readoptions_set_fill_cache(db->read_chunk, 0);
    db->write = rocksdb_writeoptions_create();
    db->write_sync = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(db->write_sync, 1);
    db->write_unlogged = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(db->write_unlogged, 1);
    return db;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    for (int i = 0; i < DB_CFS; i++)
        if (db->cf[i])
            rocksdb_column_family_handle_destroy(db->cf[i]);
    if (db->db)
        rocksdb_close(db->db);
    for (int i = 0; i < DB_CFS; i++)
        rocksdb_options_destroy(db->opt[i]);
    rocksdb_readoptions_destroy(db->read);
    rocksdb_readoptions_destroy(db->read_chunk);
    rocksdb_writeoptions_destroy(db->write);
    rocksdb_writeoptions_destroy(db->write_sync);
    rocksdb_writeoptions_destroy(db->write_unlogged);
    rocksdb_cache_destroy(db->cache);
    free(db->path);
    free(db);
}

static int open_with(const char *path, int create, int readonly, struct db **ret)
{
    struct db *db = db_new(path);
    if (!db)
        return fail(-ENOMEM, "%s: out of memory", path);
    rocksdb_options_t *o = db->opt[DB_META];
    rocksdb_options_set_create_if_missing(o, (unsigned char)create);
    rocksdb_options_set_create_missing_column_families(o, (unsigned char)create);
    rocksdb_options_set_error_if_exists(o, (unsigned char)create);
    char *err = NULL;
    db->db = readonly ? rocksdb_open_for_read_only_column_families(o, path, DB_CFS, cf_names,
                                                                   (const rocksdb_options_t *const *)db->opt,
                                                                   db->cf, 0, &err)
                      : rocksdb_open_column_families(o, path, DB_CFS, cf_names,
                                                     (const rocksdb_options_t *const *)db->opt, db->cf, &err);
    if (err) {
        db_close(db);
        return failed(path, err);
    }
    *ret = db;
    return 0;
}

int db_create(const char *path)
{
    struct db *db;
    int r = open_with(path, 1, 0, &db);
    if (r == 0)
        db_close(db);
    return r;
}

int db_open(const char *path, int readonly, struct db **ret)
{
    return open_with(path, 0, readonly, ret);
}

uint64_t db_live_bytes(struct db *db)
{
    const rocksdb_livefiles_t *f = rocksdb_livefiles(db->db);
    uint64_t sum = 0;
    for (int i = 0, n = rocksdb_livefiles_count(f); i < n; i++)
        sum += rocksdb_livefiles_size(f, i);
    rocksdb_livefiles_destroy(f);
    return sum;
}

static uint64_t id_of(const char *key, size_t n)
{
    uint64_t x = 0;
    for (size_t i = 0; i < 8; i++)
        x = x << 8 | (i < n ? (uint8_t)key[i] : 0);
    return x;
}

int db_files(struct db *db, enum db_cf cf, int (*each)(void *ctx, const struct db_file *f), void *ctx)
{
    const rocksdb_livefiles_t *f = rocksdb_livefiles(db->db);
    int r = 0;
    for (int i = 0, n = rocksdb_livefiles_count(f); r == 0 && i < n; i++) {
        if (strcmp(rocksdb_livefiles_column_family_name(f, i), cf_names[cf]) != 0)
            continue;
        size_t a, b;
        const char *first = rocksdb_livefiles_smallestkey(f, i, &a),
                   *last = rocksdb_livefiles_largestkey(f, i, &b);
        struct db_file x = {cf, id_of(first, a), id_of(last, b), rocksdb_livefiles_size(f, i)};
        r = each(ctx, &x);
    }
    rocksdb_livefiles_destroy(f);
    return r;
}

int db_compact(struct db *db, enum db_cf cf, uint64_t first, uint64_t last)
{
    char from[8], to[8];
    for (int i = 0; i < 8; i++) {
        from[i] = (char)(first >> (56 - 8 * i));
        to[i] = (char)(last >> (56 - 8 * i));
    }
    rocksdb_compact_range_cf(db->db, db->cf[cf], from, sizeof from, to, sizeof to);
    return 0; /* RocksDB does not say when it failed: the room does not come back, nothing else */
}

int db_get(struct db *db, enum db_cf cf, const void *key, size_t nkey, struct db_value *ret)
{
    char *err = NULL;
    rocksdb_pinnableslice_t *pin = rocksdb_get_pinned_cf(db->db, holds_chunks(cf) ? db->read_chunk : db->read,
                                                         db->cf[cf], (const char *)key, nkey, &err);
    if (err) {
        if (pin)
            rocksdb_pinnableslice_destroy(pin);
        return failed(db->path, err);
    }
    if (!pin)
        return -ENOENT;
    ret->p = rocksdb_pinnableslice_value(pin, &ret->n);
    ret->pin = pin;
    return 0;
}

int db_has(struct db *db, enum db_cf cf, const void *key, size_t nkey)
{
    struct db_value v;
    int r = db_get(db, cf, key, nkey, &v);
    if (r == 0)
        db_value_free(&v);
    return r == 0 ? 1 : r == -ENOENT ? 0 : r;
}

void db_value_free(struct db_value *v)
{
    if (v->pin)
        rocksdb_pinnableslice_destroy(v->pin);
    v->pin = NULL;
}

struct db_iter {
    rocksdb_iterator_t *it;
    const char *path;
    const void *prefix;
    size_t nprefix;
    int started;
};

struct db_iter *db_iter_new(struct db *db, enum db_cf cf, const void *prefix, size_t nprefix,
                            const void *from, size_t nfrom)
{
    struct db_iter *it = calloc(1, sizeof *it);
    if (!it)
        return NULL;
    it->it = rocksdb_create_iterator_cf(db->db, holds_chunks(cf) ? db->read_chunk : db->read, db->cf[cf]);
    it->path = db->path;
    it->prefix = prefix;
    it->nprefix = nprefix;
    if (from)
        rocksdb_iter_seek(it->it, (const char *)from, nfrom);
    else if (nprefix)
        rocksdb_iter_seek(it->it, (const char *)prefix, nprefix);
    else
        rocksdb_iter_seek_to_first(it->it);
    return it;
}

int db_next(struct db_iter *it, struct db_record *ret)
{
    if (it->started)
        rocksdb_iter_next(it->it);
    it->started = 1;
    if (!rocksdb_iter_valid(it->it)) {
        char *err = NULL;
        rocksdb_iter_get_error(it->it, &err);
        it->started = 0; /* an iterator at its end may not be moved */
        return err ? failed(it->path, err) : 0;
    }
    ret->key = (const uint8_t *)rocksdb_iter_key(it->it, &ret->nkey);
    ret->p = rocksdb_iter_value(it->it, &ret->n);
    if (ret->nkey < it->nprefix || (it->nprefix && memcmp(ret->key, it->prefix, it->nprefix) != 0)) {
        it->started = 0;
        return 0;
    }
    return 1;
}

void db_iter_free(struct db_iter *it)
{
    if (!it)
        return;
    rocksdb_iter_destroy(it->it);
    free(it);
}

int db_last(struct db *db, enum db_cf cf, const void *prefix, size_t nprefix, void *key, size_t nkey)
{
    uint8_t past[64];
    if (nkey >= sizeof past || nprefix > nkey)
        return fail(-EINVAL, "key of %zu bytes", nkey);
    if (nprefix)
        memcpy(past, prefix, nprefix);
    memset(past + nprefix, 0xff, sizeof past - nprefix);
    rocksdb_iterator_t *it =
        rocksdb_create_iterator_cf(db->db, holds_chunks(cf) ? db->read_chunk : db->read, db->cf[cf]);
    rocksdb_iter_seek_for_prev(it, (const char *)past, sizeof past);
    int r = 0;
    if (rocksdb_iter_valid(it)) {
        size_t n;
        const char *k = rocksdb_iter_key(it, &n);
        if (n == nkey && (nprefix == 0 || memcmp(k, prefix, nprefix) == 0)) {
            memcpy(key, k, n);
            r = 1;
        }
    } else {
        char *err = NULL;
        rocksdb_iter_get_error(it, &err);
        if (err)
            r = failed(db->path, err);
    }
    rocksdb_iter_destroy(it);
    return r;
}

int db_scrub(struct db *db, enum db_cf cf)
{
    char *err = NULL;
    rocksdb_flushoptions_t *flush = rocksdb_flushoptions_create();
    for (int i = 0; i < DB_CFS && !err; i++) /* all: only then is the log of no more use */
        rocksdb_flush_cf(db->db, flush, db->cf[i], &err);
    rocksdb_flushoptions_destroy(flush);
    if (err)
        return failed(db->path, err);
    rocksdb_compactoptions_t *o = rocksdb_compactoptions_create();
    rocksdb_compactoptions_set_bottommost_level_compaction(o, 2); /* also what is at the bottom already */
    rocksdb_compact_range_cf_opt(db->db, db->cf[cf], o, NULL, 0, NULL, 0);
    rocksdb_compactoptions_destroy(o);
    return 0;
}

struct db_batch {
    rocksdb_writebatch_t *b;
};

struct db_batch *db_batch_new(void)
{
    struct db_batch *b = calloc(1, sizeof *b);
    if (b)
        b->b = rocksdb_writebatch_create();
    return b;
}

void db_batch_free(struct db_batch *b)
{
    if (!b)
        return;
    rocksdb_writebatch_destroy(b->b);
    free(b);
}

void db_batch_mark(struct db_batch *b)
{
    rocksdb_writebatch_set_save_point(b->b);
}

void db_batch_rollback(struct db_batch *b)
{
    char *err = NULL;
    rocksdb_writebatch_rollback_to_save_point(b->b, &err);
    if (err)
        rocksdb_free(err);
}

void db_batch_keep(struct db_batch *b)
{
    char *err = NULL;
    rocksdb_writebatch_pop_save_point(b->b, &err);
    if (err)
        rocksdb_free(err);
}

int db_batch_empty(struct db_batch *b)
{
    return rocksdb_writebatch_count(b->b) == 0;
}

void db_put(struct db *db, struct db_batch *b, enum db_cf cf, const void *key, size_t nkey, const void *p,
            size_t n)
{
    rocksdb_writebatch_put_cf(b->b, db->cf[cf], (const char *)key, nkey, (const char *)p, n);
}

void db_delete(struct db *db, struct db_batch *b, enum db_cf cf, const void *key, size_t nkey)
{
    rocksdb_writebatch_delete_cf(b->b, db->cf[cf], (const char *)key, nkey);
}

/*
 * After a write to the log that failed (a full disk) RocksDB recovers by itself: it flushes the memtables and
 * so begins a new log. With nothing to flush it goes on with the old one, and the next write to that aborts
 * the process (an assertion inside Debian's librocksdb). So there is always something: here the removal of a
 * key that never exists, which is not logged itself.
 */
static char *never_empty(struct db *db)
{
    char *err = NULL;
    rocksdb_delete_cf(db->db, db->write_unlogged, db->cf[DB_META], "", 0, &err);
    return err;
}

int db_write(struct db *db, struct db_batch *b, int sync)
{
    char *err = never_empty(db);
    if (err)
        return failed(db->path, err);
    rocksdb_write(db->db, sync ? db->write_sync : db->write, b->b, &err);
    return err ? failed(db->path, err) : 0;
}

struct db_sst {
    rocksdb_sstfilewriter_t *w;
    rocksdb_envoptions_t *env;
    rocksdb_options_t *opt;
    char *path;
};

int db_sst_open(const char *path, struct db_sst **ret)
{
    tune_process();
    struct db_sst *w = calloc(1, sizeof *w);
    if (!w || !(w->path = strdup(path))) {
        free(w);
        return fail(-ENOMEM, "%s: out of memory", path);
    }
    w->env = rocksdb_envoptions_create();
    w->opt = options(DB_CHUNKS, NULL);
    w->w = rocksdb_sstfilewriter_create(w->env, w->opt);
    char *err = NULL;
    rocksdb_sstfilewriter_open(w->w, path, &err);
    if (err) {
        db_sst_close(w, 0);
        return failed(path, err);
    }
    *ret = w;
    return 0;
}

int db_sst_put(struct db_sst *w, const void *key, size_t nkey, const void *p, size_t n)
{
    char *err = NULL;
    rocksdb_sstfilewriter_put(w->w, (const char *)key, nkey, (const char *)p, n, &err);
    return err ? failed(w->path, err) : 0;
}

int db_sst_close(struct db_sst *w, int keep)
{
    if (!w)
        return 0;
    int r = 0;
    if (keep) {
        char *err = NULL;
        rocksdb_sstfilewriter_finish(w->w, &err);
        if (err)
            r = failed(w->path, err);
    }
    rocksdb_sstfilewriter_destroy(w->w);
    rocksdb_options_destroy(w->opt);
    rocksdb_envoptions_destroy(w->env);
    free(w->path);
    free(w);
    return r;
}

int db_ingest(struct db *db, enum db_cf cf, const char *const *paths, size_t n)
{
    rocksdb_ingestexternalfileoptions_t *o = rocksdb_ingestexternalfileoptions_create();
    rocksdb_ingestexternalfileoptions_set_move_files(o, 1);
    char *err = NULL;
    rocksdb_ingest_external_file_cf(db->db, db->cf[cf], paths, n, o, &err);
    rocksdb_ingestexternalfileoptions_destroy(o);
    return err ? failed(db->path, err) : 0;
}
