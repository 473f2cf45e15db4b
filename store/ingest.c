/* SPDX-License-Identifier: Apache-2.0 */
#include "store/ingest.h"
#include "store/base/fail.h"
#include "store/basis.h"
#include "store/chunk.h"
#include "store/cut.h"
#include "store/delta.h"
#include "store/dmap.h"
#include "store/moments.h"
#include "store/page.h"
#include "store/pool.h"
#include "store/run.h"
#include <stdlib.h>

enum { WINDOW = 16 << 20, PIECES = 4096, MIN_LEANING = 128 };

/* Whether new chunks go into `chunks` or `small` is known at the end; until then their ids carry this bit. */
#define UNDECIDED (UINT64_C(1) << 62)

struct piece {
    const uint8_t *p; /* in the window */
    uint32_t n;
    uint32_t nth; /* chunk of its tensor */
    enum dtype t;
    size_t segment;
    uint8_t last, in_manifest, fresh;
    struct run_chunk chunk;
    struct moments stats;
    struct basis_want *want; /* NULL: it leans on nothing */
    struct chunk_head head;
    struct out record;
};

struct ingest {
    const struct prepare *p;
    struct prepare_owner owner;
    struct prepare_progress progress;
    struct pool *pool;
    struct codec_state **codec; /* (threads) */
    uint8_t **check;            /* (threads), CODEC_MAX_RAW bytes */
    struct staging *staging;
    struct hash *hash; /* of the file at work */
    uint8_t *window;   /* WINDOW bytes, of which the pieces make up the first `cut` */
    size_t cut;
    struct piece *piece; /* (PIECES) */
    size_t npieces;
    size_t *fresh; /* (PIECES) indices of pieces to encode */
    size_t nfresh;
    struct basis *basis;
    struct basis_want *want; /* (PIECES) */

    struct dmap chunks, runs_seen; /* chunk digest -> id; run digest -> 1 */
    struct out created, reused, runs;
    uint64_t ncreated, nreused, nruns;

    struct out run; /* struct run_chunk of the run at work */
    struct moments stats;
};

static int oom(void)
{
    return fail(-ENOMEM, "out of memory");
}

int ingest_new(const struct prepare *p, const struct prepare_owner *owner, uint64_t all, struct ingest **ret)
{
    struct ingest *g = calloc(1, sizeof *g);
    if (!g)
        return oom();
    g->p = p;
    g->owner = *owner;
    g->progress.all = all;
    g->pool = pool_new();
    size_t n = g->pool ? (size_t)pool_threads(g->pool) : 0;
    g->codec = calloc(n ? n : 1, sizeof *g->codec);
    g->check = calloc(n ? n : 1, sizeof *g->check);
    g->hash = hash_new();
    g->window = malloc(WINDOW);
    g->piece = calloc(PIECES, sizeof *g->piece);
    g->fresh = calloc(PIECES, sizeof *g->fresh);
    g->want = calloc(PIECES, sizeof *g->want);
    int ok = n && g->codec && g->check && g->hash && g->window && g->piece && g->fresh && g->want;
    for (size_t i = 0; ok && i < n; i++)
        ok = (g->codec[i] = codec_new()) != NULL && (g->check[i] = malloc(CODEC_MAX_RAW)) != NULL;
    int r = ok ? staging_new(p->repo, &g->staging) : oom();
    if (r == 0)
        r = basis_new(p, owner, &g->basis);
    if (r < 0)
        ingest_free(g, 0);
    else
        *ret = g;
    return r;
}

void ingest_free(struct ingest *g, int keep)
{
    if (!g)
        return;
    staging_free(g->staging, keep);
    for (int i = 0, n = g->pool ? pool_threads(g->pool) : 0; i < n; i++) {
        if (g->codec)
            codec_free(g->codec[i]);
        if (g->check)
            free(g->check[i]);
    }
    pool_free(g->pool);
    for (size_t i = 0; g->piece && i < PIECES; i++)
        out_fini(&g->piece[i].record);
    free(g->codec);
    free(g->check);
    free(g->window);
    free(g->piece);
    free(g->fresh);
    free(g->want);
    basis_free(g->basis);
    hash_free(g->hash);
    dmap_fini(&g->chunks);
    dmap_fini(&g->runs_seen);
    out_fini(&g->created);
    out_fini(&g->reused);
    out_fini(&g->runs);
    out_fini(&g->run);
    free(g);
}

struct place { /* how far a file has been cut */
    const struct layout *l;
    size_t segment;
    uint64_t inside; /* bytes of that segment that are cut */
};

static enum dtype dtype_of(const struct layout *l, const struct segment *seg)
{
    return seg->tensor == UINT32_MAX ? DTYPE_NONE : l->tensors[seg->tensor].dtype;
}

/* Cuts the n bytes of the window into pieces, as far as chunks end inside it; at is the window's first byte.
 */
static void cut_window(struct ingest *g, struct place *at, size_t n)
{
    g->npieces = g->cut = 0;
    while (g->cut < n && g->npieces < PIECES) {
        const struct segment *seg = &at->l->segments[at->segment];
        uint64_t left = seg->len - at->inside, k;
        size_t have = n - g->cut;
        struct piece *x = &g->piece[g->npieces];
        x->t = dtype_of(at->l, seg);
        x->in_manifest = x->t == DTYPE_NONE && seg->len <= PAGE_MAX_INLINE;
        x->p = g->window + g->cut;
        if (x->t != DTYPE_NONE)
            k = cut_tensor(x->t, left);
        else if (left <= have)
            k = cut_bytes(x->p, left);
        else
            k = have >= CUT_BYTES_MAX ? cut_bytes(x->p, have) : UINT64_MAX;
        if (k > have)
            break; /* its end is in the next window */
        x->n = (uint32_t)k;
        x->nth = x->t == DTYPE_NONE ? 0 : (uint32_t)(at->inside / dtype_size(x->t) / CUT_ELEMENTS);
        x->want = NULL;
        x->segment = at->segment;
        x->last = k == left;
        x->fresh = 0;
        x->stats = (struct moments){0};
        at->inside += k;
        if (x->last) {
            at->segment++;
            at->inside = 0;
        }
        g->cut += k;
        g->npieces++;
    }
}

/* Task 0 hashes the file's bytes, task i looks at piece i - 1. */
static int look(void *ctx, size_t i, int thread)
{
    struct ingest *g = ctx;
    (void)thread;
    if (i == 0) {
        hash_update(g->hash, g->window, g->cut);
        return 0;
    }
    struct piece *x = &g->piece[i - 1];
    if (x->in_manifest)
        return 0;
    x->chunk.n = x->n;
    x->chunk.xxh3 = hash_xxh3(x->p, x->n);
    hash_sha256(x->p, x->n, &x->chunk.digest);
    if (moments_of(x->t))
        moments_add(&x->stats, x->t, x->p, x->n / dtype_size(x->t));
    return 0;
}

/* Gives every piece its chunk's id: known from this commit, from the store, or new. */
static int identify(struct ingest *g)
{
    struct digest *ask = malloc(g->npieces * sizeof *ask);
    uint64_t *ids = calloc(g->npieces ? g->npieces : 1, sizeof *ids);
    size_t *who = malloc(g->npieces * sizeof *who), n = 0;
    int r = ask && ids && who ? 0 : oom();
    g->nfresh = 0;
    for (size_t i = 0; r == 0 && i < g->npieces; i++) {
        struct piece *x = &g->piece[i];
        if (x->in_manifest || dmap_get(&g->chunks, &x->chunk.digest))
            continue;
        ask[n] = x->chunk.digest;
        who[n++] = i;
        r = dmap_put(&g->chunks, &x->chunk.digest, 0);
    }
    if (r == 0 && n)
        r = g->owner.has(g->owner.ctx, ask, n, ids);
    uint64_t fresh = 0, first = 0;
    for (size_t i = 0; i < n; i++)
        fresh += ids[i] == 0;
    if (r == 0 && fresh)
        r = g->owner.reserve(g->owner.ctx, fresh, &first);
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (ids[i]) {
            wire_put_digest(&g->reused, &ask[i]);
            wire_put_u64(&g->reused, ids[i]);
            g->nreused++;
        } else {
            ids[i] = first++ | UNDECIDED;
            g->piece[who[i]].fresh = 1;
            g->fresh[g->nfresh++] = who[i];
        }
        *dmap_get(&g->chunks, &ask[i]) = ids[i];
    }
    for (size_t i = 0; r == 0 && i < g->npieces; i++)
        if (!g->piece[i].in_manifest)
            g->piece[i].chunk.id = *dmap_get(&g->chunks, &g->piece[i].chunk.digest);
    free(ask);
    free(ids);
    free(who);
    return r;
}

/* What the new chunks of tensors may lean on. */
static int find_bases(struct ingest *g, const struct layout *l)
{
    size_t n = 0;
    for (size_t i = 0; i < g->nfresh; i++) {
        struct piece *x = &g->piece[g->fresh[i]];
        if (x->n < MIN_LEANING || !delta_of(x->t))
            continue;
        size_t index = l->segments[x->segment].tensor;
        x->want = &g->want[n++];
        *x->want = (struct basis_want){.tensor = &l->tensors[index],
                                       .index = index,
                                       .nth = x->nth,
                                       .p = x->p,
                                       .n = x->n,
                                       .id = x->chunk.id & ~UNDECIDED};
    }
    return basis_find(g->basis, g->pool, g->codec, g->want, n);
}

static int encode(void *ctx, size_t i, int thread)
{
    struct ingest *g = ctx;
    struct piece *x = &g->piece[g->fresh[i]];
    out_reset(&x->record);
    return chunk_encode(g->codec[thread], x->t, x->p, x->n, x->chunk.xxh3, x->want ? &x->want->hint : NULL,
                        g->check[thread], &x->record, &x->head);
}

static int stage(struct ingest *g)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < g->nfresh; i++) {
        struct piece *x = &g->piece[g->fresh[i]];
        struct doc_chunk c = {.digest = x->chunk.digest,
                              .id = x->chunk.id,
                              .codec = x->head.how.codec,
                              .depth = x->head.depth,
                              .base = x->head.base.id,
                              .raw = x->n,
                              .stored = (uint32_t)x->record.n};
        if (c.base)
            c.base_digest = x->want->base_digest;
        doc_chunk_put(&g->created, &c);
        g->ncreated++;
        g->progress.new_raw += c.raw;
        g->progress.new_stored += c.stored;
        r = staging_add(g->staging, x->chunk.id & ~UNDECIDED, x->record.p, x->record.n);
        if (x->record.cap > 1 << 20) /* most are small: the rest is given back */
            out_fini(&x->record);
    }
    return r;
}

/* The run at work is complete: its digest, and its record unless this commit has it. */
static int end_run(struct ingest *g, enum dtype t, uint32_t rank, const uint64_t *shape,
                   struct ingest_segment *ret)
{
    const struct run_chunk *chunks = (const struct run_chunk *)g->run.p;
    size_t n = g->run.n / sizeof *chunks;
    if (out_error(&g->run))
        return oom();
    int r = run_digest(t, rank, shape, chunks, n, &ret->digest);
    ret->has_stats = moments_of(t);
    if (ret->has_stats)
        moments_final(&g->stats, &ret->stats);
    if (r == 0 && !dmap_get(&g->runs_seen, &ret->digest)) {
        struct out rec = {0};
        run_format(t, chunks, n, ret->has_stats ? &ret->stats : NULL, &rec);
        wire_put_digest(&g->runs, &ret->digest);
        wire_put_bytes(&g->runs, rec.p, rec.n);
        g->nruns++;
        r = out_error(&rec) ? oom() : dmap_put(&g->runs_seen, &ret->digest, 1);
        out_fini(&rec);
    }
    out_reset(&g->run);
    g->stats = (struct moments){0};
    return r;
}

/* Pieces become runs. */
static int collect(struct ingest *g, const struct layout *l, struct arena *a, struct ingest_segment *ret)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < g->npieces; i++) {
        struct piece *x = &g->piece[i];
        struct ingest_segment *to = &ret[x->segment];
        const struct segment *seg = &l->segments[x->segment];
        if (x->in_manifest) {
            void *copy = arena_alloc(a, x->n);
            if (!copy)
                return oom();
            to->bytes = memcpy(copy, x->p, x->n);
            continue;
        }
        out_write(&g->run, &x->chunk, sizeof x->chunk);
        moments_join(&g->stats, &x->stats);
        if (!x->last)
            continue;
        if (x->t == DTYPE_NONE) {
            r = end_run(g, DTYPE_NONE, 1, &seg->len, to);
        } else {
            const struct tensor *t = &l->tensors[seg->tensor];
            r = end_run(g, t->dtype, t->rank, t->shape, to);
        }
    }
    return r;
}

int ingest_file(struct ingest *g, const struct input *in, const struct layout *l, struct arena *a,
                struct digest *ret_sha256, struct ingest_segment *ret)
{
    struct place at = {.l = l};
    int r = 0;
    g->progress.file = in->name;
    r = basis_file(g->basis, l->ntensors);
    for (uint64_t off = 0; r == 0 && off < in->size; off += g->cut) {
        size_t n = in->size - off < WINDOW ? (size_t)(in->size - off) : WINDOW;
        if ((r = input_read(in, off, g->window, n)) < 0)
            break;
        cut_window(g, &at, n);
        if ((r = pool_run(g->pool, g->npieces + 1, look, g)) == 0 && (r = identify(g)) == 0 &&
            (r = find_bases(g, l)) == 0 && (r = pool_run(g->pool, g->nfresh, encode, g)) == 0 &&
            (r = stage(g)) == 0)
            r = collect(g, l, a, ret);
        g->progress.done += g->cut;
        if (r == 0 && g->p->progress && g->p->progress(g->p->progress_ctx, &g->progress))
            r = fail(-EINTR, "interrupted");
    }
    hash_final(g->hash, ret_sha256);
    out_reset(&g->run);
    g->stats = (struct moments){0};
    return r;
}

int ingest_view(struct ingest *g, const struct input *in, const struct tensor *t, struct ingest_segment *ret)
{
    struct out chunks = {0};
    int r = 0;
    struct moments all = {0};
    for (uint64_t off = 0, k; r == 0 && off < t->len; off += k) {
        struct run_chunk c = {0};
        struct moments part = {0};
        k = cut_tensor(t->dtype, t->len - off);
        if ((r = input_read(in, t->off + off, g->window, k)) < 0)
            break;
        hash_sha256(g->window, k, &c.digest);
        out_write(&chunks, &c, sizeof c);
        if (moments_of(t->dtype)) {
            moments_add(&part, t->dtype, g->window, k / dtype_size(t->dtype));
            moments_join(&all, &part);
        }
    }
    if (r == 0 && out_error(&chunks))
        r = oom();
    if (r == 0)
        r = run_digest(t->dtype, t->rank, t->shape, (struct run_chunk *)chunks.p,
                       chunks.n / sizeof(struct run_chunk), &ret->digest);
    if (r == 0 && (ret->has_stats = moments_of(t->dtype)))
        moments_final(&all, &ret->stats);
    out_fini(&chunks);
    return r;
}

static void decide(uint8_t *id, enum staging_kind kind)
{
    uint64_t x = 0;
    for (int i = 0; i < 8; i++)
        x |= (uint64_t)id[i] << 8 * i;
    if (!(x & UNDECIDED))
        return;
    x = (x & ~UNDECIDED) | (kind == STAGING_PACKED ? CHUNK_SMALL : 0);
    for (int i = 0; i < 8; i++)
        id[i] = (uint8_t)(x >> 8 * i);
}

int ingest_finish(struct ingest *g, struct doc *ret)
{
    enum staging_kind kind;
    uint32_t files;
    int r = staging_finish(g->staging, &kind, &files);
    if (r < 0)
        return r;
    if (out_error(&g->created) || out_error(&g->reused) || out_error(&g->runs))
        return oom();
    for (size_t at = 0; at < g->created.n; at += DOC_CHUNK)
        decide((uint8_t *)g->created.p + at + 32, kind);
    struct wire w = wire_read(g->runs.p, g->runs.n);
    while (wire_left(&w)) {
        struct digest d;
        size_t n;
        wire_digest(&w, &d);
        uint8_t *rec = (uint8_t *)wire_bytes(&w, &n);
        struct run run;
        if ((r = run_parse(rec, n, &run)) < 0)
            return r;
        for (uint32_t i = 0; i < run.nchunks; i++)
            decide(rec + run_id_offset(i), kind);
    }
    ret->staging = staging_name(g->staging);
    ret->kind = (uint8_t)kind;
    ret->files = files;
    ret->created = (struct doc_list){g->ncreated, g->created.p, g->created.n};
    ret->reused = (struct doc_list){g->nreused, g->reused.p, g->reused.n};
    ret->runs = (struct doc_list){g->nruns, g->runs.p, g->runs.n};
    return 0;
}
