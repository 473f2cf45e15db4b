/* SPDX-License-Identifier: Apache-2.0 */
/* The owner half of a commit: from a prepared document to one synced batch. */
#include "store/commit.h"
#include "store/base/fail.h"
#include "store/chunk.h"
#include "store/tag.h"
#include <stdlib.h>

static int oom(void)
{
    return fail(-ENOMEM, "out of memory");
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

static int put_idx(struct commit *c, struct db_batch *b, uint64_t *ret_greatest, uint64_t *ret_features)
{
    struct wire w = wire_read(c->d.created.p, c->d.created.bytes);
    struct out rec = {0};
    int r = 0;
    for (uint64_t i = 0; r >= 0 && i < c->d.created.n; i++) {
        struct doc_chunk x;
        uint8_t key[40];
        doc_chunk_get(&w, &x);
        struct record_idx idx = {
            .id = x.id, .raw = x.raw, .stored = x.stored, .codec = x.codec, .depth = x.depth, .base = x.base};
        struct key id = key_id(x.id);
        memcpy(key, x.digest.b, 32);
        memcpy(key + 32, id.b, 8);
        out_reset(&rec);
        record_idx_format(&idx, &rec);
        if ((r = db_has(c->s->db, DB_IDX, key, 32)) < 0)
            break;
        db_put(c->s->db, b, DB_IDX, key, r ? sizeof key : 32, rec.p, rec.n); /* r: another was as quick */
        *ret_greatest = x.id;
        *ret_features |= x.base ? CORE_BASES : 0;
    }
    if (out_error(&rec))
        r = oom();
    out_fini(&rec);
    return r < 0 ? r : 0;
}

int commit_put(struct commit *c, struct db_batch *b, enum db_cf cf, const struct digest *d, const void *p,
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
        const void *p = commit_entry(m->e[i].value, &n);
        r = commit_put(c, b, cf, &m->e[i].key, p, n);
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
        r = out_error(&rec) ? oom() : commit_put(c, b, DB_BLOBS, &d, rec.p, rec.n);
    }
    if (r == 0 && wire_done(&w) < 0)
        r = fail(-EBADMSG, "a prepared commit that does not hold together");
    out_fini(&rec);
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
        if ((r = version_get(c->s, &v->parents[i], &p)) == -ENOENT && c->d.foreign) {
            r = 0;
            continue;
        }
        if (r < 0)
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
    int r = commit_since(c, b, &extra.since);
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
    record_ids_format(next, s->state.newest_chunk, &rec);
    int r = out_error(&rec) ? oom() : 0;
    if (r == 0)
        db_put(s->db, b, DB_META, "ids", 3, rec.p, rec.n);
    out_fini(&rec);
    return r;
}

/* From now on an older modelfs must refuse the store. */
static int put_features(struct commit *c, struct db_batch *b, uint64_t features)
{
    struct store *s = c->s;
    struct out rec = {0};
    if ((s->state.incompat | features) == s->state.incompat)
        return 0;
    s->state.incompat |= features;
    wire_put_u8(&rec, 1);
    wire_put_u64(&rec, s->state.incompat);
    wire_put_u64(&rec, CORE_ROCOMPAT);
    wire_put_u64(&rec, 0);
    int r = out_error(&rec) ? oom() : 0;
    if (r == 0)
        db_put(s->db, b, DB_META, "features", 8, rec.p, rec.n);
    out_fini(&rec);
    return r;
}

static int build(struct store *s, void *ctx, uint64_t seq, struct db_batch *b, struct out *event)
{
    struct commit *c = ctx;
    uint64_t greatest = 0, features = 0;
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
    int r = commit_recheck(c);
    if (r == 0 && c->d.kind == STAGING_PACKED)
        r = put_pack(c, b);
    if (r == 0)
        r = put_idx(c, b, &greatest, &features);
    if (r == 0)
        r = put_features(c, b, features);
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
        r = commit_examine(&c);
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
