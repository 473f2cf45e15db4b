/* SPDX-License-Identifier: Apache-2.0 */
/* The owner half of a commit: from a prepared document to one synced batch. */
#include "store/base/fail.h"
#include "store/chunk.h"
#include "store/dmap.h"
#include "store/doc.h"
#include "store/load.h"
#include "store/page.h"
#include "store/prepare.h"
#include "store/run.h"
#include "store/sweep.h"
#include "store/tag.h"
#include <stdlib.h>
#include <sys/stat.h>

struct commit {
    struct store *s;
    struct doc d;
    struct dmap pages, runs; /* digest -> address of the length and bytes in the document */
    struct dmap chunks;      /* digest -> id, of those the document leans on */
    struct arena arena;
    struct manifest manifest; /* as it will be, without since */
    struct commit_result result;
    const struct version *parent; /* the first, or NULL */
};

static int oom(void)
{
    return fail(-ENOMEM, "out of memory");
}

/* ---- chunks and ids ---- */

int store_has(struct store *s, const struct digest *d, size_t n, uint64_t *ids)
{
    for (size_t i = 0; i < n; i++) {
        struct db_value v;
        struct record_idx x;
        int r = db_get(s->db, DB_IDX, d[i].b, sizeof d[i].b, &v);
        ids[i] = 0;
        if (r == -ENOENT)
            continue;
        if (r < 0)
            return r;
        r = record_idx_parse(v.p, v.n, &x);
        db_value_free(&v);
        if (r < 0)
            return r;
        ids[i] = x.id;
    }
    return 0;
}

int store_reserve(struct store *s, uint64_t n, uint64_t *first)
{
    if (s->readonly)
        return fail(-EROFS, "%s: opened read-only", s->path);
    if (n == 0 || n > UINT32_MAX)
        return fail(-EINVAL, "%llu ids asked for", (unsigned long long)n);
    pthread_mutex_lock(&s->mutex);
    struct core_range *more = reallocarray(s->reserved, s->nreserved + 1, sizeof *more);
    if (more) {
        s->reserved = more;
        s->reserved[s->nreserved++] = (struct core_range){s->next_id, n};
        *first = s->next_id;
        s->next_id += n;
    }
    pthread_mutex_unlock(&s->mutex);
    return more ? 0 : oom();
}

/* The ranges are in ascending order. (m) */
static size_t find_range(struct store *s, uint64_t first)
{
    size_t lo = 0, hi = s->nreserved;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->reserved[mid].first < first)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->nreserved && s->reserved[lo].first == first ? lo : SIZE_MAX;
}

/* Uses up what was reserved: the document's new ids must be whole ranges, given out by this owner and not
 * used by another commit. So no chunk is ever written over, not even by a client of an owner that died. */
static int claim(struct commit *c)
{
    struct wire w = wire_read(c->d.created.p, c->d.created.bytes);
    uint64_t left = 0, next = 0, small = c->d.kind == STAGING_PACKED ? CHUNK_SMALL : 0;
    int r = 0;
    pthread_mutex_lock(&c->s->mutex);
    for (uint64_t i = 0; r == 0 && i < c->d.created.n; i++) {
        struct doc_chunk x;
        doc_chunk_get(&w, &x);
        uint64_t id = x.id & ~CHUNK_SMALL;
        if (left == 0) {
            size_t at = find_range(c->s, id);
            if (at != SIZE_MAX) {
                left = c->s->reserved[at].n;
                next = id;
                memmove(&c->s->reserved[at], &c->s->reserved[at + 1],
                        (--c->s->nreserved - at) * sizeof *c->s->reserved);
            }
        }
        if (w.bad || left == 0 || id != next || (x.id & CHUNK_SMALL) != small)
            r = fail(-ESTALE, "prepared for an owner that is gone; run the commit again");
        else if ((r = dmap_get(&c->chunks, &x.digest) ? fail(-EBADMSG, "a chunk is there twice")
                                                      : dmap_put(&c->chunks, &x.digest, x.id)) == 0)
            c->result.bytes_new += x.raw, c->result.stored_new += x.stored;
        left--;
        next++;
    }
    if (r == 0 && (left || wire_done(&w) < 0))
        r = fail(-EBADMSG, "a prepared commit that does not hold together");
    pthread_mutex_unlock(&c->s->mutex);
    return r;
}

/* Every chunk that was found in the store when the commit was prepared must still be there. */
static int recheck(struct commit *c, int note)
{
    struct wire w = wire_read(c->d.reused.p, c->d.reused.bytes);
    for (uint64_t i = 0; i < c->d.reused.n; i++) {
        struct digest d;
        uint64_t now;
        wire_digest(&w, &d);
        uint64_t id = wire_u64(&w);
        if (w.bad)
            break;
        int r = store_has(c->s, &d, 1, &now);
        if (r < 0)
            return r;
        if (now != id)
            return fail(-ESTALE, "a chunk it builds on was removed meanwhile; run the commit again");
        if (note && (r = dmap_put(&c->chunks, &d, id)) < 0)
            return r;
    }
    return wire_done(&w) < 0 ? fail(-EBADMSG, "a prepared commit that does not hold together") : 0;
}

/* ---- the document's records ---- */

static int check_run(struct commit *c, const void *p, size_t n)
{
    struct run run;
    int r = run_parse(p, n, &run);
    for (uint32_t i = 0; r == 0 && i < run.nchunks; i++) {
        struct run_chunk x = run_chunk_at(&run, i);
        const uint64_t *id = dmap_get(&c->chunks, &x.digest);
        if (!id || *id != x.id)
            r = fail(-EBADMSG, "a prepared tensor names a chunk that is not part of the commit");
    }
    return r;
}

/* Indexes a list whose entries are [digest] bytes; without digests (pages) they are computed. */
static int index_list(struct commit *c, const struct doc_list *l, int with_digest, struct dmap *ret)
{
    struct wire w = wire_read(l->p, l->bytes);
    int r = 0;
    for (uint64_t i = 0; r == 0 && i < l->n; i++) {
        struct digest d;
        size_t n;
        if (with_digest)
            wire_digest(&w, &d);
        const uint8_t *at = w.p;
        const char *p = wire_bytes(&w, &n);
        if (w.bad)
            break;
        if (with_digest)
            r = check_run(c, p, n);
        else
            hash_sha256(p, n, &d);
        if (r == 0)
            r = dmap_put(ret, &d, (uint64_t)(uintptr_t)at);
    }
    if (r == 0 && wire_done(&w) < 0)
        r = fail(-EBADMSG, "a prepared commit that does not hold together");
    return r;
}

static const void *indexed(const uint64_t *at, size_t *ret_n)
{
    struct wire w = wire_read((const void *)(uintptr_t)*at, SIZE_MAX / 2);
    return wire_bytes(&w, ret_n);
}

/* Pages and runs of the commit, else of the database. */
static int get(void *ctx, enum db_cf cf, const struct digest *d, struct db_value *ret)
{
    struct commit *c = ctx;
    const uint64_t *at = dmap_get(cf == DB_MANIFESTS ? &c->pages : &c->runs, d);
    if (!at)
        return db_get(c->s->db, cf, d->b, sizeof d->b, ret);
    *ret = (struct db_value){0};
    ret->p = indexed(at, &ret->n);
    return 0;
}

/* Everything that can be checked and done before the write's turn: the document must make a manifest that can
 * be read, and the staged table files become part of the database. */
static int examine(struct commit *c)
{
    static const struct digest none;
    struct load_source src = {get, c};
    int r = claim(c);
    if (r == 0)
        r = recheck(c, 1);
    if (r == 0)
        r = index_list(c, &c->d.runs, 1, &c->runs);
    if (r == 0)
        r = index_list(c, &c->d.pages, 0, &c->pages);
    if (r == 0)
        r = load_manifest(&src, &c->d.root, &none, &c->arena, &c->manifest);
    if (r < 0)
        return r;
    for (size_t i = 0; i < c->manifest.nfiles; i++)
        if (S_ISREG(c->manifest.files[i].mode)) {
            c->result.files++;
            c->result.bytes += c->manifest.files[i].size;
        }
    if (c->result.files != c->d.nfiles || c->result.bytes != c->d.bytes)
        return fail(-EBADMSG, "a prepared commit whose sums are wrong");
    return *c->d.tag ? tag_valid(c->d.tag) : 0;
}

static int take_in(struct commit *c)
{
    struct out dir = {0}, paths = {0};
    const char **p = calloc(c->d.files ? c->d.files : 1, sizeof *p);
    int r = p ? staging_dir(c->s->path, c->d.staging, &dir) : oom();
    for (uint32_t i = 0; r == 0 && i < c->d.files; i++)
        staging_table(out_cstr(&dir), i, &paths);
    if (r == 0 && out_error(&paths))
        r = oom();
    for (uint32_t i = 0, at = 0; r == 0 && i < c->d.files; i++) {
        p[i] = paths.p + at;
        at += (uint32_t)strlen(p[i]) + 1;
    }
    if (r == 0)
        r = db_ingest(c->s->db, DB_CHUNKS, p, c->d.files);
    free(p);
    out_fini(&dir);
    out_fini(&paths);
    return r;
}

/* ---- the batch ---- */

struct unpacking {
    struct commit *c;
    struct db_batch *b;
    uint64_t n;
};

static int put_packed(void *ctx, uint64_t id, const void *p, size_t n)
{
    struct unpacking *u = ctx;
    struct key k = key_id(id | CHUNK_SMALL);
    db_put(u->c->s->db, u->b, DB_SMALL, k.b, k.n, p, n);
    u->n++;
    return 0;
}

static int put_pack(struct commit *c, struct db_batch *b)
{
    struct out dir = {0};
    struct unpacking u = {c, b, 0};
    int r = staging_dir(c->s->path, c->d.staging, &dir);
    if (r == 0)
        r = staging_pack_each(out_cstr(&dir), put_packed, &u);
    if (r == 0 && u.n != c->d.created.n)
        r = fail(-EBADMSG, "a staged pack holds %llu chunks of %llu", (unsigned long long)u.n,
                 (unsigned long long)c->d.created.n);
    out_fini(&dir);
    return r;
}

static int put_idx(struct commit *c, struct db_batch *b, uint64_t *ret_greatest)
{
    struct wire w = wire_read(c->d.created.p, c->d.created.bytes);
    struct out rec = {0};
    int r = 0;
    for (uint64_t i = 0; r >= 0 && i < c->d.created.n; i++) {
        struct doc_chunk x;
        uint8_t key[40];
        doc_chunk_get(&w, &x);
        struct record_idx idx = {.id = x.id, .raw = x.raw, .stored = x.stored, .codec = x.codec};
        struct key id = key_id(x.id);
        memcpy(key, x.digest.b, 32);
        memcpy(key + 32, id.b, 8);
        out_reset(&rec);
        record_idx_format(&idx, &rec);
        if ((r = db_has(c->s->db, DB_IDX, key, 32)) < 0)
            break;
        db_put(c->s->db, b, DB_IDX, key, r ? sizeof key : 32, rec.p, rec.n); /* r: another was as quick */
        *ret_greatest = x.id;
    }
    if (out_error(&rec))
        r = oom();
    out_fini(&rec);
    return r < 0 ? r : 0;
}

static int put_new(struct commit *c, struct db_batch *b, enum db_cf cf, const struct digest *d, const void *p,
                   size_t n)
{
    int there = db_has(c->s->db, cf, d->b, sizeof d->b);
    if (there == 0)
        db_put(c->s->db, b, cf, d->b, sizeof d->b, p, n);
    return there < 0 ? there : 0;
}

static int put_indexed(struct commit *c, struct db_batch *b, enum db_cf cf, const struct dmap *m)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < m->cap; i++) {
        size_t n;
        if (!m->e[i].used)
            continue;
        const void *p = indexed(&m->e[i].value, &n);
        r = put_new(c, b, cf, &m->e[i].key, p, n);
    }
    return r;
}

static int put_blobs(struct commit *c, struct db_batch *b)
{
    struct wire w = wire_read(c->d.blobs.p, c->d.blobs.bytes);
    struct out rec = {0};
    int r = 0;
    for (uint64_t i = 0; r == 0 && i < c->d.blobs.n && !w.bad; i++) {
        struct digest d;
        size_t n;
        const char *p = wire_bytes(&w, &n);
        hash_sha256(p, n, &d);
        out_reset(&rec);
        record_bytes_format(p, n, &rec);
        r = out_error(&rec) ? oom() : put_new(c, b, DB_BLOBS, &d, rec.p, rec.n);
    }
    if (r == 0 && wire_done(&w) < 0)
        r = fail(-EBADMSG, "a prepared commit that does not hold together");
    out_fini(&rec);
    return r;
}

/* What names a tensor for `since`: name and bytes. */
static void tensor_key(const struct manifest_tensor *t, struct digest *ret)
{
    struct digest both[2] = {{{0}}, t->digest};
    hash_sha256(t->name, strlen(t->name), &both[0]);
    hash_sha256(both, sizeof both, ret);
}

/* The page of `since`: a tensor that the first parent has under the same name with the same bytes keeps the
 * version that the parent's has. Zero when there is nothing to say. */
static int put_since(struct commit *c, struct db_batch *b, struct digest *ret)
{
    memset(ret, 0, sizeof *ret);
    const struct manifest *old;
    if (!c->parent || c->manifest.tensors == 0)
        return 0;
    int r = manifest_get(c->s, c->parent, &old);
    if (r < 0)
        return r;
    struct dmap was = {0}, version = {0}; /* tensor -> its address; version -> number in the page */
    struct out versions = {0}, body = {0}, page = {0};
    for (size_t i = 0; r == 0 && i < old->nfiles; i++)
        for (size_t k = 0; r == 0 && k < old->files[i].ntensors; k++) {
            const struct manifest_tensor *t = &old->files[i].tensors[k];
            struct digest d;
            tensor_key(t, &d);
            if (!hash_is_zero(&t->digest))
                r = dmap_put(&was, &d, (uint64_t)(uintptr_t)t);
        }
    uint32_t n = 0;
    for (size_t i = 0; r == 0 && i < c->manifest.nfiles; i++)
        for (size_t k = 0; r == 0 && k < c->manifest.files[i].ntensors; k++) {
            struct digest d;
            uint32_t code = 0;
            tensor_key(&c->manifest.files[i].tensors[k], &d);
            const uint64_t *found = dmap_get(&was, &d), *known;
            if (found) {
                const struct manifest_tensor *t = (const void *)(uintptr_t)*found;
                const struct digest *v = hash_is_zero(&t->since) ? &c->parent->digest : &t->since;
                if ((known = dmap_get(&version, v)) != NULL) {
                    code = (uint32_t)*known;
                } else {
                    code = ++n;
                    wire_put_digest(&versions, v);
                    r = dmap_put(&version, v, n);
                }
            }
            wire_put_u32(&body, code);
        }
    if (r == 0 && n) {
        page_head(&page, PAGE_SINCE, n);
        wire_put(&page, versions.p, versions.n);
        wire_put_u64(&page, c->manifest.tensors);
        wire_put(&page, body.p, body.n);
        if (out_error(&page) || out_error(&versions) || out_error(&body)) {
            r = oom();
        } else {
            hash_sha256(page.p, page.n, ret);
            r = put_new(c, b, DB_MANIFESTS, ret, page.p, page.n);
        }
    }
    out_fini(&versions);
    out_fini(&body);
    out_fini(&page);
    dmap_fini(&was);
    dmap_fini(&version);
    manifest_unref(c->s, old);
    return r;
}

static int find_parents(struct commit *c, struct version *v)
{
    int r = 0;
    v->parents = c->d.parents;
    v->nparents = c->d.nparents;
    if (v->nparents == 0 && c->d.auto_parent) {
        r = version_latest(c->s, &c->parent);
        if (r == -ENOENT)
            return 0;
        if (r == 0) {
            v->parents = &c->parent->digest;
            v->nparents = 1;
        }
        return r;
    }
    for (size_t i = 0; r == 0 && i < v->nparents; i++) {
        const struct version *p;
        if ((r = version_get(c->s, &v->parents[i], &p)) < 0)
            return r;
        if (i == 0)
            c->parent = p;
        else
            version_unref(p);
    }
    return r;
}

static int put_version(struct commit *c, struct db_batch *b, struct version *v)
{
    struct record_extra extra;
    struct out body = {0}, rec = {0}, ref = {0};
    int r = put_since(c, b, &extra.since);
    if (r < 0)
        return r;
    record_body_format(v, &body);
    hash_sha256(body.p, body.n, &v->digest);
    record_version_format(body.p, body.n, v, &extra, &rec);
    record_ref_format(&v->digest, &ref);
    struct key d = key_model_bytes('d', v->digest.b, sizeof v->digest.b), n = key_model_be32('n', v->number);
    if (out_error(&body) || out_error(&rec) || out_error(&ref)) {
        r = oom();
    } else if ((r = db_has(c->s->db, DB_VERSIONS, d.b, d.n)) == 1) {
        r = fail(-EEXIST, "the very same version is there already");
    } else if (r == 0) {
        db_put(c->s->db, b, DB_VERSIONS, d.b, d.n, rec.p, rec.n);
        db_put(c->s->db, b, DB_VERSIONS, n.b, n.n, ref.p, ref.n);
    }
    out_fini(&body);
    out_fini(&rec);
    out_fini(&ref);
    return r;
}

static int put_ids(struct commit *c, struct db_batch *b, uint64_t greatest)
{
    struct store *s = c->s;
    struct out rec = {0};
    if (greatest && !(greatest & CHUNK_SMALL) && greatest > s->state.newest_chunk)
        s->state.newest_chunk = greatest;
    pthread_mutex_lock(&s->mutex);
    uint64_t next = s->next_id;
    pthread_mutex_unlock(&s->mutex);
    wire_put_u8(&rec, 1);
    wire_put_u64(&rec, next);
    wire_put_u64(&rec, s->state.newest_chunk);
    int r = out_error(&rec) ? oom() : 0;
    if (r == 0)
        db_put(s->db, b, DB_META, "ids", 3, rec.p, rec.n);
    out_fini(&rec);
    return r;
}

static int build(struct store *s, void *ctx, uint64_t seq, struct db_batch *b, struct out *event)
{
    struct commit *c = ctx;
    uint64_t greatest = 0;
    struct version v = {.manifest = c->d.root,
                        .number = s->state.next_number,
                        .author = c->d.author,
                        .message = c->d.message,
                        .time_ns = c->d.time_ns,
                        .lineage = c->d.lineage,
                        .files = c->result.files,
                        .bytes = c->result.bytes,
                        .bytes_new = c->result.bytes_new,
                        .stored_new = c->result.stored_new};
    int r = recheck(c, 0);
    if (r == 0 && c->d.kind == STAGING_PACKED)
        r = put_pack(c, b);
    if (r == 0)
        r = put_idx(c, b, &greatest);
    if (r == 0)
        r = put_indexed(c, b, DB_TENSORS, &c->runs);
    if (r == 0)
        r = put_indexed(c, b, DB_MANIFESTS, &c->pages);
    if (r == 0)
        r = put_blobs(c, b);
    if (r == 0)
        r = find_parents(c, &v);
    if (r == 0)
        r = put_version(c, b, &v);
    if (r == 0)
        r = put_ids(c, b, greatest);
    if (r == 0 && *c->d.tag) {
        struct digest now = {{0}};
        r = tag_get(s, c->d.tag, &now);
        if (r == 0 || r == -ENOENT)
            r = tag_put(s, b, seq, c->d.tag, &now, &v.digest, c->d.author);
    }
    if (r < 0)
        return r;
    s->state.next_number++;
    out_printf(event, "{\"number\":%u,\"version\":", v.number);
    write_json_digest(event, &v.digest);
    if (*c->d.tag) {
        out_str(event, ",\"tag\":");
        write_json_text(event, c->d.tag);
    }
    out_char(event, '}');
    c->result.digest = v.digest;
    c->result.number = v.number;
    c->result.unchanged = c->parent && hash_equal(&c->parent->manifest, &v.manifest);
    return 0;
}

int commit_apply(struct store *s, const void *doc, size_t n, struct commit_result *ret)
{
    struct commit c = {.s = s};
    if (s->readonly)
        return fail(-EROFS, "%s: opened read-only", s->path);
    int r = doc_parse(doc, n, &c.d);
    if (r == 0)
        r = examine(&c);
    if (r == 0 && c.d.kind == STAGING_TABLES)
        r = take_in(&c);
    if (r == 0) {
        struct write w = {.kind = "commit", .build = build, .ctx = &c, .alone = 1};
        r = write_submit(s, &w);
    }
    if (r == 0) {
        *ret = c.result;
        prepare_discard(s->path, doc, n); /* its chunks are in the database */
    }
    version_unref(c.parent);
    dmap_fini(&c.pages);
    dmap_fini(&c.runs);
    dmap_fini(&c.chunks);
    arena_fini(&c.arena);
    return r;
}
