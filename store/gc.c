/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mark and sweep over the index, whose records name a chunk's base, so that no chunk is read. Versions are
 * marked before the write's turn; those that were committed meanwhile, and the manifests in use, in it.
 */
#include "store/gc.h"
#include "store/base/fail.h"
#include "store/chunk.h"
#include "store/dmap.h"
#include "store/load.h"
#include "store/manifests.h"
#include "store/version.h"
#include "store/write.h"
#include <stdlib.h>

struct entry {
    uint64_t id, base, scale;
    uint32_t stored;
    uint8_t live, second; /* second: its key has the id too */
    struct digest digest;
};

struct gc {
    struct store *s;
    const struct digest *without;
    size_t nwithout;
    int (*progress)(void *ctx, uint64_t done, uint64_t all);
    void *ctx;
    uint64_t done, all;

    struct out list;
    struct entry *e; /* (n) ascending by id */
    size_t n;
    struct dmap versions, pages, runs; /* marked */
    struct gc_result result;
};

static int oom(void)
{
    return fail(-ENOMEM, "out of memory");
}

static int compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int read_idx(struct gc *g)
{
    struct db_iter *it = db_iter_new(g->s->db, DB_IDX, NULL, 0, NULL, 0);
    struct db_record rec;
    int r;
    if (!it)
        return oom();
    while ((r = db_next(it, &rec)) == 1) {
        struct record_idx x;
        struct entry e = {.second = rec.nkey == 40};
        if (rec.nkey != 32 && rec.nkey != 40)
            r = fail(-EBADMSG, "the index has a key of %zu bytes", rec.nkey);
        else
            r = record_idx_parse(rec.p, rec.n, &x);
        if (r < 0)
            break;
        e.id = x.id;
        e.base = x.base;
        e.scale = x.scale;
        e.stored = x.stored;
        memcpy(&e.digest, rec.key, sizeof e.digest);
        out_write(&g->list, &e, sizeof e);
    }
    db_iter_free(it);
    if (r == 0 && out_error(&g->list))
        r = oom();
    g->e = (struct entry *)g->list.p;
    g->n = g->list.n / sizeof *g->e;
    if (r == 0 && g->n)
        qsort(g->e, g->n, sizeof *g->e, compare);
    return r;
}

/* The first entry whose id is not below. */
static size_t lower_bound(const struct gc *g, uint64_t id)
{
    size_t lo = 0, hi = g->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (g->e[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Bases lie in a row that ends, since each has a smaller number than who leans on it. */
static void mark_chunk(struct gc *g, uint64_t id)
{
    while (id) {
        size_t at = lower_bound(g, id);
        if (at == g->n || g->e[at].id != id || g->e[at].live)
            return; /* an unknown one came in after the index was read: it is not among those swept */
        g->e[at].live = 1;
        if (g->e[at].scale)
            mark_chunk(g, g->e[at].scale);
        id = chunk_older(g->e[at].base, id) ? g->e[at].base : 0;
    }
}

static void mark_manifest(void *ctx, const struct manifest *m)
{
    struct gc *g = ctx;
    for (size_t i = 0; i < m->nfiles; i++)
        for (size_t k = 0; k < m->files[i].extents->n; k++)
            mark_chunk(g, m->files[i].extents->e[k].id);
}

/* A source of pages and tensor records that marks what is taken from it. */
static int marking_get(void *ctx, enum db_cf cf, const struct digest *d, struct db_value *ret)
{
    struct gc *g = ctx;
    if (dmap_put(cf == DB_MANIFESTS ? &g->pages : &g->runs, d, 1) < 0)
        return oom();
    return db_get(g->s->db, cf, d->b, sizeof d->b, ret);
}

static int mark_version(void *ctx, const struct version *v)
{
    struct gc *g = ctx;
    struct arena a = {0};
    struct manifest m;
    struct record_extra extra;
    struct load_source src = {marking_get, g};
    for (size_t i = 0; i < g->nwithout; i++)
        if (hash_equal(&g->without[i], &v->digest))
            return 0;
    if (dmap_get(&g->versions, &v->digest))
        return 0;
    int r = dmap_put(&g->versions, &v->digest, 1) < 0 ? oom() : manifests_extra(g->s, &v->digest, &extra);
    if (r == 0)
        r = load_manifest(&src, &v->manifest, &extra.since, &a, &m);
    if (r == 0)
        mark_manifest(g, &m);
    else
        r = fail(r, "nothing is freed, since v%u cannot be read: %s", v->number, fail_describe(r));
    arena_fini(&a);
    if (r == 0 && g->progress && g->progress(g->ctx, ++g->done, g->all))
        r = fail(-EINTR, "interrupted");
    return r;
}

static int count_version(void *ctx, const struct version *v)
{
    (void)v;
    ((struct gc *)ctx)->all++;
    return 0;
}

static void delete_entry(struct gc *g, struct db_batch *b, const struct entry *e)
{
    uint8_t key[40];
    struct key id = key_id(e->id);
    memcpy(key, e->digest.b, 32);
    memcpy(key + 32, id.b, 8);
    db_delete(g->s->db, b, DB_IDX, key, e->second ? 40 : 32);
    db_delete(g->s->db, b, e->id & CHUNK_SMALL ? DB_SMALL : DB_CHUNKS, id.b, id.n);
}

/* Records under digests that nothing reached. b NULL: they are only counted. */
static int sweep_records(struct gc *g, struct db_batch *b, enum db_cf cf, const struct dmap *marked)
{
    struct db_iter *it = db_iter_new(g->s->db, cf, NULL, 0, NULL, 0);
    struct db_record rec;
    struct digest d;
    int r;
    if (!it)
        return oom();
    while ((r = db_next(it, &rec)) == 1) {
        if (rec.nkey != sizeof d)
            continue;
        memcpy(&d, rec.key, sizeof d);
        if (dmap_get(marked, &d))
            continue;
        g->result.records++;
        if (b)
            db_delete(g->s->db, b, cf, d.b, sizeof d.b);
    }
    db_iter_free(it);
    return r;
}

struct sweep {
    struct gc *g;
    struct db_batch *b;
};

/* A table file none of whose ids the index knows, and which is from before this opening, so that no commit
 * is about to. */
static int orphan(void *ctx, const struct db_file *f)
{
    struct sweep *x = ctx;
    struct gc *g = x->g;
    size_t at = lower_bound(g, f->first);
    if (f->last >= g->s->first_id || (at < g->n && g->e[at].id <= f->last))
        return 0;
    g->result.orphans += f->bytes;
    for (uint64_t id = f->first; x->b && id <= f->last; id++) {
        struct key k = key_id(id);
        db_delete(g->s->db, x->b, DB_CHUNKS, k.b, k.n);
    }
    return 0;
}

static int sweep(struct gc *g, struct db_batch *b)
{
    struct sweep x = {g, b};
    for (size_t i = 0; i < g->n; i++) {
        if (g->e[i].live)
            continue;
        g->result.chunks++;
        g->result.bytes += g->e[i].stored;
        if (b)
            delete_entry(g, b, &g->e[i]);
    }
    int r = db_files(g->s->db, DB_CHUNKS, orphan, &x);
    if (r == 0)
        r = sweep_records(g, b, DB_TENSORS, &g->runs);
    if (r == 0)
        r = sweep_records(g, b, DB_MANIFESTS, &g->pages);
    return r;
}

/* The chunk whose presence an opening looks for. */
static int put_newest(struct gc *g, struct db_batch *b)
{
    struct store *s = g->s;
    struct out rec = {0};
    size_t at = lower_bound(g, s->state.newest_chunk);
    if (!s->state.newest_chunk || at == g->n || g->e[at].id != s->state.newest_chunk || g->e[at].live)
        return 0;
    while (at > 0 && !g->e[at - 1].live)
        at--;
    s->state.newest_chunk = at ? g->e[at - 1].id : 0;
    pthread_mutex_lock(&s->mutex);
    record_ids_format(s->next_id, s->state.newest_chunk, &rec);
    pthread_mutex_unlock(&s->mutex);
    int r = out_error(&rec) ? oom() : 0;
    if (r == 0)
        db_put(s->db, b, DB_META, "ids", 3, rec.p, rec.n);
    out_fini(&rec);
    return r;
}

static int build(struct store *s, void *ctx, uint64_t seq, struct db_batch *b, struct out *event)
{
    struct gc *g = ctx;
    (void)seq;
    int r = version_each(s, mark_version, g); /* those that came meanwhile */
    if (r < 0)
        return r;
    manifests_each_held(s, mark_manifest, g);
    g->result = (struct gc_result){0};
    if ((r = sweep(g, b)) == 0)
        r = put_newest(g, b);
    out_printf(event, "{\"chunks\":%llu,\"bytes\":%llu}", (unsigned long long)g->result.chunks,
               (unsigned long long)g->result.bytes);
    return r;
}

/* A table file of which half is dead is written again. */
static int reclaim(void *ctx, const struct db_file *f)
{
    struct gc *g = ctx;
    uint64_t live = 0;
    size_t first = lower_bound(g, f->first), i = first;
    for (; i < g->n && g->e[i].id <= f->last; i++)
        live += g->e[i].live ? g->e[i].stored : 0;
    if (i == first && f->last >= g->s->first_id)
        return 0; /* of a commit that was not in the index when it was read */
    if (live * 2 > f->bytes)
        return 0;
    g->result.rewritten += live;
    return db_compact(g->s->db, f->cf, f->first, f->last);
}

int gc_run(struct store *s, int dry_run, const struct digest *without, size_t n,
           int (*progress)(void *ctx, uint64_t done, uint64_t all), void *ctx, struct gc_result *ret)
{
    struct gc g = {.s = s, .without = without, .nwithout = dry_run ? n : 0, .progress = progress, .ctx = ctx};
    if (!dry_run && s->readonly)
        return fail(-EROFS, "%s: opened read-only", s->path);
    int r = version_each(s, count_version, &g);
    if (r == 0)
        r = read_idx(&g);
    if (r == 0)
        r = version_each(s, mark_version, &g);
    if (r == 0 && dry_run) {
        manifests_each_held(s, mark_manifest, &g);
        r = sweep(&g, NULL);
    } else if (r == 0) {
        struct write w = {.kind = "gc", .build = build, .ctx = &g, .alone = 1};
        r = write_submit(s, &w);
        if (r == 0 && g.result.chunks + g.result.orphans) {
            r = db_files(s->db, DB_CHUNKS, reclaim, &g);
            if (r == 0)
                r = db_files(s->db, DB_SMALL, reclaim, &g);
        }
    }
    if (r == 0)
        *ret = g.result;
    out_fini(&g.list);
    dmap_fini(&g.versions);
    dmap_fini(&g.pages);
    dmap_fini(&g.runs);
    return r;
}
