/* SPDX-License-Identifier: Apache-2.0 */
/* Reading files: extents -> decoded chunks -> bytes. */
#include "store/read.h"
#include "store/base/fail.h"
#include "store/chunk.h"
#include "store/idx.h"
#include "store/load.h"
#include "store/manifest.h"
#include <stdlib.h>

/* A codec's working memory, one a thread, freed when the thread ends. */
static pthread_key_t state_key;
static pthread_once_t state_once = PTHREAD_ONCE_INIT;

static void state_free(void *p)
{
    codec_free(p);
}

static void state_init(void)
{
    pthread_key_create(&state_key, state_free);
}

struct codec_state *read_codec(void)
{
    pthread_once(&state_once, state_init);
    struct codec_state *c = pthread_getspecific(state_key);
    if (!c && (c = codec_new()) != NULL)
        pthread_setspecific(state_key, c);
    return c;
}

/* How deep the bases below a chunk may lie: CHUNK_DEPTH_MAX differences, and casts between them. A record is
 * foreign: its depth is no more than a claim. */
enum { MAX_NESTED = 32 };
static _Thread_local int nested;

/* The base of a chunk, held in the cache until it is put back. It is an older chunk, and whoever fetches it
 * waits for older ones only, so no two threads wait for each other. */
static int get_base(struct store *s, const struct cache_chunk *c, const struct chunk_base *b,
                    struct cache_entry **ret)
{
    struct cache_chunk base = {b->id, b->n, b->xxh3};
    if (!chunk_older(b->id, c->id) || nested >= MAX_NESTED)
        return fail(-EBADMSG, "chunk %llu leans on one that it cannot lean on", (unsigned long long)c->id);
    nested++;
    int r = cache_get(s->cache, &base, ret);
    nested--;
    return r < 0 ? fail(r, "the base of chunk %llu: %s", (unsigned long long)c->id, fail_describe(r)) : 0;
}

int read_chunk(void *ctx, const struct cache_chunk *c, void *p)
{
    struct store *s = ctx;
    struct codec_state *codec = read_codec();
    if (!codec)
        return fail(-ENOMEM, "out of memory");
    struct key k = key_id(c->id);
    struct db_value v;
    struct chunk_head head;
    struct cache_entry *base = NULL;
    const void *streams;
    int r = db_get(s->db, c->id & CHUNK_SMALL ? DB_SMALL : DB_CHUNKS, k.b, k.n, &v);
    if (r == -ENOENT)
        return fail(-EBADMSG, "chunk %llu is missing", (unsigned long long)c->id);
    if (r < 0)
        return r;
    r = chunk_parse(v.p, v.n, &head, &streams);
    if (r == 0 && head.base.id)
        r = get_base(s, c, &head.base, &base);
    if (r == 0)
        r = chunk_decode(codec, v.p, v.n, base ? cache_data(base) : NULL, p, c->n, c->xxh3);
    if (base)
        cache_put(s->cache, base);
    db_value_free(&v);
    return r;
}

size_t read_extent_at(const struct manifest_extents *x, uint64_t off)
{
    size_t lo = 0, hi = x->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (x->e[mid].off + x->e[mid].n <= off)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct cache_chunk chunk_of(const struct load_extent *e)
{
    return (struct cache_chunk){.id = e->id, .n = e->n, .xxh3 = e->xxh3};
}

int64_t file_read(struct store *s, const struct manifest_file *f, uint64_t off, void *p, size_t n)
{
    if (off >= f->size)
        return 0;
    if (n > f->size - off)
        n = f->size - off;
    uint8_t *to = p;
    const struct manifest_extents *x = f->extents;
    for (size_t i = read_extent_at(x, off), left = n; left && i < x->n; i++) {
        const struct load_extent *e = &x->e[i];
        size_t from = off - e->off, k = e->n - from < left ? e->n - from : left;
        if (!e->id) {
            memcpy(to, (const uint8_t *)e->bytes + from, k);
        } else {
            struct cache_chunk c = chunk_of(e);
            struct cache_entry *entry;
            int r = cache_get(s->cache, &c, &entry);
            if (r < 0) {
                int code = r == -EBADMSG || r == -ENOTSUP ? -EIO : r;
                return fail(code, "%s: bytes %llu to %llu: %s", f->path, (unsigned long long)e->off,
                            (unsigned long long)(e->off + e->n), fail_describe(r));
            }
            memcpy(to, (const uint8_t *)cache_data(entry) + from, k);
            cache_put(s->cache, entry);
        }
        to += k;
        off += k;
        left -= k;
    }
    return (int64_t)n;
}

void file_prefetch(struct store *s, const struct manifest_file *f, uint64_t off, uint64_t n)
{
    if (off >= f->size)
        return;
    if (n > f->size - off)
        n = f->size - off;
    const struct manifest_extents *x = f->extents;
    for (size_t i = read_extent_at(x, off); i < x->n && x->e[i].off < off + n; i++)
        if (x->e[i].id) {
            struct cache_chunk c = chunk_of(&x->e[i]);
            cache_prefetch(s->cache, &c);
        }
}

static int input_from_file(void *ctx, uint64_t off, void *p, size_t n)
{
    struct file_input *in = ctx;
    int64_t k = file_read(in->store, in->file, off, p, n);
    if (k < 0)
        return (int)k;
    return (size_t)k == n ? 0 : fail(-EBADMSG, "%s: ends early", in->file->path);
}

struct input file_input(struct file_input *ctx)
{
    return (struct input){input_from_file, ctx, ctx->file->size, ctx->file->path};
}

int file_chunks(struct store *s, const struct manifest_file *f,
                int (*each)(void *ctx, const struct chunk_info *c), void *ctx)
{
    for (size_t i = 0; i < f->extents->n; i++) {
        const struct load_extent *e = &f->extents->e[i];
        struct chunk_info c = {.id = e->id, .raw = e->n, .stored = e->n, .codec = "inline", .off = e->off};
        int r = 0;
        if (e->id) {
            struct record_idx x;
            if ((r = idx_must_get(s, &e->digest, e->id, &x)) < 0)
                return fail(r, "%s: %s", f->path, fail_describe(r));
            c.digest = e->digest;
            c.stored = x.stored;
            c.codec = codec_name(x.codec);
        } else {
            hash_sha256(e->bytes, e->n, &c.digest);
        }
        if ((r = each(ctx, &c)) != 0)
            return r;
    }
    return 0;
}
