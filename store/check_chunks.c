/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/fail.h"
#include "store/check.h"
#include "store/codec.h"
#include "store/idx.h"
#include "store/load.h"
#include "store/pool.h"
#include "store/read.h"
#include <stdlib.h>

enum { BATCH = 64 };

struct reading {
    struct check *c;
    struct check_chunk *batch[BATCH];
    uint8_t **room; /* (threads), CODEC_MAX_RAW bytes */
};

/* Decodes one chunk and compares it with its SHA-256. */
static int read_one(void *ctx, size_t i, int thread)
{
    struct reading *x = ctx;
    struct check_chunk *k = x->batch[i];
    struct digest got;
    struct record_idx idx;
    int r = idx_must_get(x->c->s, &k->digest, k->chunk.id, &idx);
    if (r == 0)
        r = read_chunk(x->c->s, &k->chunk, x->room[thread]);
    if (r == 0) {
        hash_sha256(x->room[thread], k->chunk.n, &got);
        if (!hash_equal(&got, &k->digest))
            r = fail(-EBADMSG, "chunk %llu does not match its SHA-256", (unsigned long long)k->chunk.id);
    }
    if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
        return r;
    if (r < 0 && !(k->damage = strdup(fail_describe(r))))
        return fail(-ENOMEM, "out of memory");
    return 0;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The ids of all chunks that the index has, sorted: what others may lean on. */
static void list_ids(struct check *c)
{
    struct db_iter *it = db_iter_new(c->s->db, DB_IDX, NULL, 0, NULL, 0);
    struct db_record rec;
    struct out ids = {0};
    int r = 0;
    if (!it) {
        c->stopped = fail(-ENOMEM, "out of memory");
        return;
    }
    while ((r = db_next(it, &rec)) == 1) {
        struct record_idx x;
        if ((r = record_idx_parse(rec.p, rec.n, &x)) < 0)
            check_damage(c, "index: %s", fail_describe(r));
        else
            out_write(&ids, &x.id, sizeof x.id);
    }
    db_iter_free(it);
    if (r < 0 && !check_ours(c, r))
        check_damage(c, "index: %s", fail_describe(r));
    if (out_error(&ids))
        c->stopped = fail(-ENOMEM, "out of memory");
    c->ids = (uint64_t *)ids.p;
    c->nids = c->stopped ? 0 : ids.n / sizeof *c->ids;
    if (c->nids)
        qsort(c->ids, c->nids, sizeof *c->ids, by_value);
}

/* Without reading the chunk: its index record, and that of its base. */
static int look_up(struct check *c, struct check_chunk *k)
{
    struct record_idx idx;
    int r = idx_must_get(c->s, &k->digest, k->chunk.id, &idx);
    if (r == 0 && idx.raw != k->chunk.n)
        r = fail(-EBADMSG, "chunk %llu has another length in the index", (unsigned long long)k->chunk.id);
    if (r == 0 && idx.base && !bsearch(&idx.base, c->ids, c->nids, sizeof *c->ids, by_value))
        r = fail(-EBADMSG, "chunk %llu leans on one that the index does not have",
                 (unsigned long long)k->chunk.id);
    if (r < 0 && !check_ours(c, r))
        k->damage = strdup(fail_describe(r));
    return c->stopped;
}

/* A fixed fraction of the chunks, the same ones in every run. */
static int chosen(const struct check *c, const struct check_chunk *k)
{
    return c->read_data >= 1 || (double)(k->digest.b[0] << 8 | k->digest.b[1]) < c->read_data * 65536;
}

static void read_all(struct check *c, struct pool *pool, struct reading *x)
{
    list_ids(c);
    uint64_t done = 0, all = 0;
    for (size_t i = 0; i < c->nchunks; i++)
        all += chosen(c, &c->chunks[i]) ? c->chunks[i].chunk.n : 0;
    for (size_t i = 0; i < c->nchunks && !c->stopped;) {
        size_t n = 0;
        for (; i < c->nchunks && n < BATCH; i++)
            if (!chosen(c, &c->chunks[i]))
                look_up(c, &c->chunks[i]);
            else
                x->batch[n++] = &c->chunks[i];
        int r = pool_run(pool, n, read_one, x);
        if (r < 0)
            c->stopped = r;
        for (size_t k = 0; k < n; k++)
            done += x->batch[k]->chunk.n;
        if (!c->stopped && c->progress && c->progress(c->ctx, done, all))
            c->stopped = fail(-EINTR, "interrupted");
    }
}

static const struct check_chunk *chunk_of(struct check *c, const struct load_extent *e)
{
    struct digest key = check_key(&e->digest, e->id);
    const uint64_t *at = dmap_get(&c->seen, &key);
    return at ? &c->chunks[*at] : NULL;
}

/* The tensor that holds the byte, or NULL. */
static const char *tensor_at(const struct manifest_file *f, uint64_t off)
{
    for (size_t i = 0; i < f->ntensors; i++) {
        const struct manifest_tensor *t = &f->tensors[i];
        if ((t->flags & TENSOR_SEGMENT) && off >= t->off && off - t->off < t->len)
            return t->name;
    }
    return NULL;
}

static void touched(struct check *c, const struct version *v, const struct manifest *m)
{
    for (size_t i = 0; i < m->nfiles && !c->stopped; i++) {
        const struct manifest_file *f = &m->files[i];
        for (size_t k = 0; k < f->extents->n && !c->stopped; k++) {
            const struct load_extent *e = &f->extents->e[k];
            const struct check_chunk *x = e->id ? chunk_of(c, e) : NULL;
            if (!x || !x->damage)
                continue;
            const char *tensor = tensor_at(f, e->off);
            check_damage(c, "v%u: %s: %s%s%sbytes %llu to %llu: %s", v->number, f->path,
                         tensor ? "tensor " : "", tensor ? tensor : "", tensor ? ", " : "",
                         (unsigned long long)e->off, (unsigned long long)(e->off + e->n), x->damage);
        }
    }
}

void check_chunks(struct check *c)
{
    struct pool *pool = pool_new();
    int threads = pool ? pool_threads(pool) : 0, any = 0;
    struct reading x = {.c = c, .room = calloc((size_t)threads + 1, sizeof *x.room)};
    for (int i = 0; x.room && i < threads; i++)
        any += (x.room[i] = malloc(CODEC_MAX_RAW)) == NULL;
    if (!pool || !x.room || any)
        c->stopped = fail(-ENOMEM, "out of memory");
    else
        read_all(c, pool, &x);
    pool_free(pool);
    for (int i = 0; x.room && i < threads; i++)
        free(x.room[i]);
    free(x.room);
    any = 0;
    for (size_t i = 0; i < c->nchunks; i++)
        any += c->chunks[i].damage != NULL;
    if (any && !c->stopped)
        check_manifests(c, 0, touched);
}
