/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/describe.h"
#include "store/base/canon.h"
#include "store/base/fail.h"
#include "store/base/utf8.h"
#include "store/manifest.h"
#include "tools/request.h"
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

const char *describe_time(int64_t ns, char ret[DESCRIBE_TIME])
{
    int64_t s = ns / 1000000000 - (ns % 1000000000 < 0);
    struct tm tm;
    time_t t = (time_t)s;
    if (!gmtime_r(&t, &tm) || strftime(ret, DESCRIBE_TIME, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        ret[0] = 0;
    return ret;
}

/* JSON holds Unicode alone: what is not UTF-8 becomes U+FFFD. */
static json_t *json_text(const char *s)
{
    size_t n = strlen(s);
    if (utf8_valid(s, n))
        return json_string(s);
    struct out o = {0};
    for (size_t i = 0, k; i < n; i += k) {
        uint32_t c;
        k = utf8_next(s + i, n - i, &c);
        if (k)
            out_write(&o, s + i, k);
        else
            out_str(&o, "\xef\xbf\xbd");
        k = k ? k : 1;
    }
    json_t *j = json_string(out_cstr(&o));
    out_fini(&o);
    return j;
}

static int put_line(json_t *j, struct out *o)
{
    char *line = j ? json_dumps(j, JSON_COMPACT) : NULL;
    json_decref(j);
    if (!line)
        return -ENOMEM;
    out_str(o, line);
    out_char(o, '\n');
    free(line);
    return 0;
}

static json_t *json_digest(const struct digest *d)
{
    char hex[HASH_HEX];
    hash_hex(d, hex);
    return json_string(hex);
}

/* ---- versions ---- */

struct versions { /* (n) oldest first, and the tags of all */
    const struct version **v;
    size_t n, cap;
    struct {
        char name[72];
        struct digest d;
    } * tag;
    size_t ntags, captags;
};

static int gather_version(void *ctx, const struct version *v)
{
    struct versions *all = ctx;
    if (all->n == all->cap) {
        size_t cap = all->cap ? 2 * all->cap : 64;
        void *p = reallocarray(all->v, cap, sizeof *all->v);
        if (!p)
            return -ENOMEM;
        all->v = p;
        all->cap = cap;
    }
    all->v[all->n++] = version_ref(v);
    return 0;
}

static int gather_tag(void *ctx, const char *name, const struct digest *d)
{
    struct versions *all = ctx;
    if (all->ntags == all->captags) {
        size_t cap = all->captags ? 2 * all->captags : 64;
        void *p = reallocarray(all->tag, cap, sizeof *all->tag);
        if (!p)
            return -ENOMEM;
        all->tag = p;
        all->captags = cap;
    }
    snprintf(all->tag[all->ntags].name, sizeof all->tag->name, "%s", name);
    all->tag[all->ntags++].d = *d;
    return 0;
}

/* "v3", or the whole digest of one that was removed */
static json_t *json_parent(struct store *s, const struct digest *d)
{
    const struct version *v;
    if (version_get(s, d, &v) < 0)
        return json_digest(d);
    json_t *j = json_sprintf("v%u", v->number);
    version_unref(v);
    return j;
}

static int describe_version(struct store *s, const struct versions *all, const struct version *v, int lineage,
                            struct out *o)
{
    char when[DESCRIBE_TIME];
    json_t *parents = json_array(), *tags = json_array();
    for (size_t i = 0; i < v->nparents; i++)
        json_array_append_new(parents, json_parent(s, &v->parents[i]));
    for (size_t i = 0; i < all->ntags; i++)
        if (hash_equal(&all->tag[i].d, &v->digest))
            json_array_append_new(tags, json_string(all->tag[i].name));
    json_t *j = json_pack("{s:o,s:o,s:o,s:o,s:s,s:I,s:o,s:o,s:I,s:I,s:I,s:I}", "version",
                          json_sprintf("v%u", v->number), "digest", json_digest(&v->digest), "parents",
                          parents, "author", json_text(v->author), "time", describe_time(v->time_ns, when),
                          "time_ns", (json_int_t)v->time_ns, "message", json_text(v->message), "tags", tags,
                          "files", (json_int_t)v->files, "bytes", (json_int_t)v->bytes, "bytes_new",
                          (json_int_t)v->bytes_new, "stored_new", (json_int_t)v->stored_new);
    if (j && lineage)
        json_object_set_new(j, "lineage", json_loads(v->lineage, 0, NULL));
    return put_line(j, o);
}

int describe_versions(struct store *s, const char *name, int lineage, struct out *o)
{
    struct versions all = {0};
    int err = tag_each(s, gather_tag, &all), movable;
    if (err == 0 && *name) {
        const struct version *v;
        err = version_resolve(s, name, &v, &movable);
        if (err == 0) {
            err = gather_version(&all, v);
            version_unref(v);
        }
    } else if (err == 0) {
        err = version_each(s, gather_version, &all);
    }
    for (size_t i = all.n; err == 0 && i-- > 0;)
        err = describe_version(s, &all, all.v[i], lineage, o);
    for (size_t i = 0; i < all.n; i++)
        version_unref(all.v[i]);
    free(all.v);
    free(all.tag);
    return err;
}

/* ---- one line each ---- */

int describe_usage(struct store *s, struct out *o)
{
    struct store_usage u;
    int err = store_usage(s, &u);
    if (err < 0)
        return err;
    json_t *codecs = json_array();
    for (int i = 0; i < u.ncodec; i++)
        json_array_append_new(codecs,
                              json_pack("{s:s,s:I,s:I,s:I}", "codec", u.codec[i].name, "chunks",
                                        (json_int_t)u.codec[i].chunks, "raw", (json_int_t)u.codec[i].raw,
                                        "stored", (json_int_t)u.codec[i].stored));
    return put_line(json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "versions", (json_int_t)u.versions,
                              "files", (json_int_t)u.files, "chunks", (json_int_t)u.chunks, "logical",
                              (json_int_t)u.logical, "raw_unique", (json_int_t)u.raw_unique, "stored",
                              (json_int_t)u.stored, "disk", (json_int_t)u.disk, "cache", (json_int_t)u.cache,
                              "codecs", codecs),
                    o);
}

int describe_evaluation(const struct eval_result *r, struct out *o)
{
    json_t *j =
        json_pack("{s:o,s:s,s:I,s:I,s:I,s:b,s:s?}", "version", json_sprintf("v%u", r->version->number), "set",
                  r->set->revision, "rows", (json_int_t)r->set->nrows, "known", (json_int_t)r->known,
                  "errors", (json_int_t)r->errors, "complete", r->complete, "engine", r->engine);
    if (j && r->problem)
        json_object_set_new(j, "problem", json_text(r->problem));
    if (j && r->problem && r->hint)
        json_object_set_new(j, "hint", json_text(r->hint));
    return put_line(j, o);
}

int describe_capture(const struct version *v, const struct eval_captured *c, struct out *o)
{
    json_t *j = json_pack("{s:o,s:o,s:i}", "version", json_sprintf("v%u", v->number), "id", json_text(c->id),
                          "right", c->right);
    if (j && *c->pred)
        json_object_set_new(j, "pred", json_text(c->pred));
    if (j && c->p == c->p)
        json_object_set_new(j, "p", json_real(c->p));
    if (j && *c->problem)
        json_object_set_new(j, "problem", json_text(c->problem));
    if (j)
        json_object_set_new(j, "became",
                            json_string(c->added.merged       ? "merged"
                                        : c->added.unlabelled ? "unlabelled"
                                                              : "kept"));
    return put_line(j, o);
}

/* ---- directories ---- */

struct listing {
    struct repo *repo;
    struct out *o;
    int full;
};

static int put_entry(void *ctx, const char *name, const struct place *p)
{
    struct listing *l = ctx;
    struct request_entry e = {.name = name, .link = ""};
    struct out link = {0};
    if (l->full) {
        struct place_attr at;
        int err = tree_attr(l->repo, p, &at);
        if (err < 0)
            return err;
        e.kind = (uint8_t)at.kind;
        e.mode = at.mode;
        e.size = at.size;
        e.guess = at.size_is_guess != 0;
        e.mtime_ns = at.mtime_ns;
        if (at.kind == PLACE_LINK && (err = tree_link(l->repo, p, &link)) < 0) {
            out_fini(&link);
            return err;
        }
        e.link = out_cstr(&link);
    }
    request_format_entry(l->o, &e);
    out_fini(&link);
    return 0;
}

int describe_directory(struct repo *r, const char *path, int full, struct out *o)
{
    struct listing l = {r, o, full};
    struct place p = {0};
    struct place_attr at;
    int err = tree_walk(r, path, 1, &p);
    if (err < 0)
        return err;
    err = tree_attr(r, &p, &at);
    if (err == 0 && at.kind == PLACE_DIR) {
        err = tree_list(r, &p, put_entry, &l);
    } else if (err == 0) {
        const char *slash = strrchr(path, '/');
        err = put_entry(&l, slash ? slash + 1 : path, &p);
    }
    place_fini(&p);
    return err;
}

static const struct manifest_file *next_file(const struct manifest *m, size_t *i)
{
    while (*i < m->nfiles && !S_ISREG(m->files[*i].mode))
        ++*i;
    return *i < m->nfiles ? &m->files[(*i)++] : NULL;
}

int describe_differ(struct store *s, const struct version *a, const struct version *b)
{
    if (hash_equal(&a->manifest, &b->manifest))
        return 0;
    const struct manifest *ma = NULL, *mb = NULL;
    int err = manifest_get(s, a, &ma);
    if (err == 0)
        err = manifest_get(s, b, &mb);
    for (size_t i = 0, j = 0; err == 0;) {
        const struct manifest_file *fa = next_file(ma, &i), *fb = next_file(mb, &j);
        if (!fa && !fb)
            break;
        err = !fa || !fb || strcmp(fa->path, fb->path) != 0 || !hash_equal(&fa->sha256, &fb->sha256);
    }
    if (ma)
        manifest_unref(s, ma);
    if (mb)
        manifest_unref(s, mb);
    return err;
}
