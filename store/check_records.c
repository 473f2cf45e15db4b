/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/fail.h"
#include "store/check.h"
#include "store/load.h"
#include "store/manifests.h"
#include "store/rows.h"
#include <stdlib.h>

/* Loads a manifest afresh: what is cached was right when it was read. */
static void one_manifest(struct check *c, const struct version *v, int tell,
                         void (*each)(struct check *c, const struct version *v, const struct manifest *m))
{
    struct arena a = {0};
    struct manifest m;
    struct record_extra extra;
    struct load_source src = load_from(c->s);
    int r = manifests_extra(c->s, &v->digest, &extra);
    if (r == 0)
        r = load_manifest(&src, &v->manifest, &extra.since, &a, &m);
    if (r == 0)
        each(c, v, &m);
    else if (!check_ours(c, r) && tell)
        check_damage(c, "v%u: %s", v->number, fail_describe(r));
    arena_fini(&a);
}

void check_manifests(struct check *c, int tell,
                     void (*each)(struct check *c, const struct version *v, const struct manifest *m))
{
    for (size_t i = 0; i < c->expected.cap && !c->stopped; i++) {
        const struct dmap_entry *e = &c->expected.e[i];
        const struct version *v;
        if (!e->used || e->value == 0)
            continue;
        int r = version_get(c->s, &e->key, &v);
        if (r == 0) {
            one_manifest(c, v, tell, each);
            version_unref(v);
        } else if (!check_ours(c, r) && tell) {
            check_damage(c, "v%llu: %s", (unsigned long long)e->value, fail_describe(r));
        }
    }
}

struct digest check_key(const struct digest *d, uint64_t id)
{
    struct digest key = *d;
    for (int i = 0; i < 8; i++)
        key.b[24 + i] ^= (uint8_t)(id >> 8 * i);
    return key;
}

static void add_chunk(struct check *c, const struct load_extent *e)
{
    struct digest key = check_key(&e->digest, e->id);
    if (dmap_get(&c->seen, &key) || check_ours(c, dmap_put(&c->seen, &key, c->nchunks)))
        return;
    if (c->nchunks == c->cap) {
        size_t cap = c->cap ? 2 * c->cap : 1024;
        struct check_chunk *more = reallocarray(c->chunks, cap, sizeof *more);
        if (!more) {
            c->stopped = fail(-ENOMEM, "out of memory");
            return;
        }
        c->chunks = more;
        c->cap = cap;
    }
    c->chunks[c->nchunks++] = (struct check_chunk){.chunk = {e->id, e->n, e->xxh3}, .digest = e->digest};
}

static void one_version(struct check *c, const struct version *v, const struct manifest *m)
{
    const struct version *named;
    int r = version_by_number(c->s, v->number, &named);
    if (r < 0) {
        if (!check_ours(c, r))
            check_damage(c, "v%u: its number is lost: %s", v->number, fail_describe(r));
    } else {
        if (!hash_equal(&named->digest, &v->digest))
            check_damage(c, "v%u: its number stands for another version", v->number);
        version_unref(named);
    }
    for (size_t i = 0; i < m->nfiles && !c->stopped; i++) {
        const struct manifest_file *f = &m->files[i];
        for (size_t k = 0; k < f->extents->n && !c->stopped; k++)
            if (f->extents->e[k].id)
                add_chunk(c, &f->extents->e[k]);
        struct out o = {0};
        if (!hash_is_zero(&f->structure) && (r = blob_get(c->s, &f->structure, &o)) < 0 && !check_ours(c, r))
            check_damage(c, "v%u: %s: its structure: %s", v->number, f->path, fail_describe(r));
        out_fini(&o);
    }
}

static int one_tag(void *ctx, const char *name, const struct digest *d)
{
    struct check *c = ctx;
    const uint64_t *number = dmap_get(&c->expected, d);
    if (!number || *number == 0)
        check_damage(c, "tag %s: the version it means is not there", name);
    return c->stopped;
}

/* Versions that are there although no event that could be read names them. */
static void expect_present(struct check *c)
{
    struct key prefix = key_model('d');
    struct db_iter *it = db_iter_new(c->s->db, DB_VERSIONS, prefix.b, prefix.n, NULL, 0);
    if (!it) {
        c->stopped = -ENOMEM;
        return;
    }
    struct db_record rec;
    struct digest d;
    int r = 0;
    while (!c->stopped && (r = db_next(it, &rec)) == 1) {
        if (rec.nkey != prefix.n + sizeof d)
            continue;
        memcpy(&d, rec.key + prefix.n, sizeof d);
        if (!dmap_get(&c->expected, &d))
            check_ours(c, dmap_put(&c->expected, &d, UINT32_MAX));
    }
    if (r < 0 && !check_ours(c, r))
        check_damage(c, "versions: %s", fail_describe(r));
    db_iter_free(it);
}

void check_versions(struct check *c)
{
    expect_present(c);
    check_manifests(c, 1, one_version);
    int r = c->stopped ? 0 : tag_each(c->s, one_tag, c);
    if (r < 0 && !check_ours(c, r))
        check_damage(c, "tags: %s", fail_describe(r));
}

struct row_walk {
    struct check *c;
    uint64_t next;
};

static int one_row(void *ctx, const struct stored_row *row)
{
    struct row_walk *x = ctx;
    for (; x->next < row->seq && !x->c->stopped; x->next++)
        check_damage(x->c, "row %llu is missing", (unsigned long long)x->next);
    x->next = row->seq + 1;
    return x->c->stopped;
}

static void each_of(struct check *c, enum db_cf cf, const char *what,
                    int (*one)(struct check *, const struct db_record *))
{
    struct db_iter *it = db_iter_new(c->s->db, cf, NULL, 0, NULL, 0);
    if (!it) {
        c->stopped = -ENOMEM;
        return;
    }
    struct db_record rec;
    int r = 0;
    while (!c->stopped && (r = db_next(it, &rec)) == 1)
        if ((r = one(c, &rec)) < 0 && !check_ours(c, r))
            check_damage(c, "%s: %s", what, fail_describe(r));
    if (r < 0 && !check_ours(c, r))
        check_damage(c, "%s: %s", what, fail_describe(r));
    db_iter_free(it);
}

static int one_prediction(struct check *c, const struct db_record *rec)
{
    const void *p;
    size_t n;
    (void)c;
    return record_bytes_parse(rec->p, rec->n, &p, &n);
}

static int one_blob(struct check *c, const struct db_record *rec)
{
    const void *p;
    size_t n;
    struct digest got;
    (void)c;
    int r = record_bytes_parse(rec->p, rec->n, &p, &n);
    if (r < 0)
        return r;
    hash_sha256(p, n, &got);
    return rec->nkey == sizeof got && memcmp(rec->key, &got, sizeof got) == 0
               ? 0
               : fail(-EBADMSG, "one does not match its digest");
}

/* Configuration: what is set must be there. */
static int one_ref(struct check *c, const struct db_record *rec)
{
    struct digest d;
    if (rec->nkey < 5 || rec->key[4] != 'c')
        return 0;
    int r = record_ref_parse(rec->p, rec->n, &d);
    if (r == 0 && (r = db_has(c->s->db, DB_BLOBS, d.b, sizeof d.b)) == 0)
        return fail(-EBADMSG, "the text of %.*s is missing", (int)(rec->nkey - 5),
                    (const char *)rec->key + 5);
    return r < 0 ? r : 0;
}

void check_rows(struct check *c)
{
    struct row_walk x = {c, 1};
    int r = rows_each(c->s, 0, one_row, &x);
    if (r < 0 && !check_ours(c, r))
        check_damage(c, "rows, from %llu on: %s", (unsigned long long)x.next, fail_describe(r));
    each_of(c, DB_REFS, "configuration", one_ref);
    each_of(c, DB_BLOBS, "documents", one_blob);
    each_of(c, DB_PREDICTIONS, "predictions", one_prediction);
}
