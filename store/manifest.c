/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests in memory: loaded once, shared, the least recently asked for are dropped. */
#include "store/manifest.h"
#include "store/base/fail.h"
#include "store/load.h"
#include "store/manifests.h"
#include <stdlib.h>

enum { KEEP = 32, KEEP_BYTES = 128 << 20 };

struct loaded {
    struct manifest m; /* first: manifest_unref gets it back */
    struct digest version;
    struct arena arena;
    unsigned refs;                  /* (m) without the list's own */
    int listed;                     /* (m) */
    struct loaded *next;            /* (m) most recently used first */
    struct loaded *after, **before; /* (m) all there are */
};

struct manifests {
    pthread_mutex_t mutex; /* (m) */
    struct loaded *first, *all;
};

struct manifests *manifests_new(void)
{
    struct manifests *c = calloc(1, sizeof *c);
    if (c)
        pthread_mutex_init(&c->mutex, NULL);
    return c;
}

static void loaded_free(struct loaded *x)
{
    if (x->before)
        *x->before = x->after;
    if (x->after)
        x->after->before = x->before;
    arena_fini(&x->arena);
    free(x);
}

void manifests_free(struct manifests *c)
{
    if (!c)
        return;
    while (c->all)
        loaded_free(c->all);
    pthread_mutex_destroy(&c->mutex);
    free(c);
}

/* Takes it off the list and holds it, or NULL. (m) */
static struct loaded *take(struct manifests *c, const struct digest *version)
{
    for (struct loaded **at = &c->first, *x; (x = *at) != NULL; at = &x->next)
        if (hash_equal(&x->version, version)) {
            *at = x->next;
            return x;
        }
    return NULL;
}

/* Puts it at the front and drops what is too much at the end. (m) */
static void list(struct manifests *c, struct loaded *x)
{
    x->next = c->first;
    x->listed = 1;
    c->first = x;
    size_t bytes = 0, n = 0;
    for (struct loaded **at = &c->first, *y; (y = *at) != NULL;) {
        bytes += y->arena.used;
        if (++n == 1 || (n <= KEEP && bytes <= KEEP_BYTES)) {
            at = &y->next;
            continue;
        }
        *at = y->next;
        y->listed = 0;
        if (y->refs == 0)
            loaded_free(y);
    }
}

int manifest_get(struct store *s, const struct version *v, const struct manifest **ret)
{
    struct manifests *c = s->manifests;
    pthread_mutex_lock(&c->mutex);
    struct loaded *x = take(c, &v->digest);
    if (x) {
        x->refs++;
        list(c, x);
    }
    pthread_mutex_unlock(&c->mutex);
    if (x) {
        *ret = &x->m;
        return 0;
    }

    struct record_extra extra;
    int r = manifests_extra(s, &v->digest, &extra);
    if (r < 0)
        return r;
    if (!(x = calloc(1, sizeof *x)))
        return fail(-ENOMEM, "out of memory");
    struct load_source src = load_from(s);
    x->version = v->digest;
    x->refs = 1;
    r = load_manifest(&src, &v->manifest, &extra.since, &x->arena, &x->m);
    if (r < 0) {
        r = fail(r, "v%u: %s", v->number, fail_describe(r));
        loaded_free(x);
        return r;
    }
    pthread_mutex_lock(&c->mutex);
    struct loaded *other = take(c, &v->digest); /* another thread was as quick */
    if (other) {
        loaded_free(x);
        x = other;
        x->refs++;
    } else {
        x->after = c->all;
        x->before = &c->all;
        if (c->all)
            c->all->before = &x->after;
        c->all = x;
    }
    list(c, x);
    pthread_mutex_unlock(&c->mutex);
    *ret = &x->m;
    return 0;
}

void manifest_unref(struct store *s, const struct manifest *m)
{
    if (!m)
        return;
    struct loaded *x = (struct loaded *)m;
    pthread_mutex_lock(&s->manifests->mutex);
    if (--x->refs == 0 && !x->listed)
        loaded_free(x);
    pthread_mutex_unlock(&s->manifests->mutex);
}

void manifests_each_held(struct store *s, void (*each)(void *ctx, const struct manifest *m), void *ctx)
{
    pthread_mutex_lock(&s->manifests->mutex);
    for (struct loaded *x = s->manifests->all; x; x = x->after)
        if (x->refs)
            each(ctx, &x->m);
    pthread_mutex_unlock(&s->manifests->mutex);
}

int manifests_extra(struct store *s, const struct digest *version, struct record_extra *ret)
{
    struct key k = key_model_bytes('d', version->b, sizeof version->b);
    struct db_value val;
    struct version *v;
    int r = db_get(s->db, DB_VERSIONS, k.b, k.n, &val);
    if (r == -ENOENT)
        return fail(r, "no such version");
    if (r < 0)
        return r;
    r = record_version_parse(version, val.p, val.n, &v, ret);
    db_value_free(&val);
    if (r == 0)
        version_unref(v);
    return r;
}

size_t manifest_lower_bound(const struct manifest *m, const char *prefix)
{
    size_t lo = 0, hi = m->nfiles;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcmp(m->files[mid].path, prefix) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const struct manifest_file *manifest_find(const struct manifest *m, const char *path)
{
    size_t i = manifest_lower_bound(m, path);
    return i < m->nfiles && strcmp(m->files[i].path, path) == 0 ? &m->files[i] : NULL;
}

int blob_get(struct store *s, const struct digest *d, struct out *ret)
{
    struct db_value v;
    const void *p;
    size_t n;
    struct digest got;
    int r = db_get(s->db, DB_BLOBS, d->b, sizeof d->b, &v);
    if (r == -ENOENT)
        return fail(r, "no such document");
    if (r < 0)
        return r;
    r = record_bytes_parse(v.p, v.n, &p, &n);
    if (r == 0) {
        hash_sha256(p, n, &got);
        if (!hash_equal(&got, d))
            r = fail(-EBADMSG, "a document does not match its digest");
    }
    if (r == 0) {
        out_write(ret, p, n);
        r = out_error(ret);
    }
    db_value_free(&v);
    return r;
}
