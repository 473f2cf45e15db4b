/* SPDX-License-Identifier: Apache-2.0 */
#include "store/version.h"
#include "store/base/fail.h"
#include "store/tag.h"
#include <stdio.h>
#include <stdlib.h>

const struct version *version_ref(const struct version *v)
{
    __atomic_add_fetch(&((struct version *)v)->refcount, 1, __ATOMIC_RELAXED);
    return v;
}

void version_unref(const struct version *v)
{
    struct version *x = (struct version *)v;
    if (x && __atomic_sub_fetch(&x->refcount, 1, __ATOMIC_ACQ_REL) == 0)
        free(x);
}

int version_get(struct store *s, const struct digest *d, const struct version **ret)
{
    struct key k = key_model_bytes('d', d->b, sizeof d->b);
    struct db_value val;
    struct version *v;
    int r = db_get(s->db, DB_VERSIONS, k.b, k.n, &val);
    if (r == -ENOENT)
        return fail(r, "no such version");
    if (r < 0)
        return r;
    r = record_version_parse(d, val.p, val.n, &v, NULL);
    db_value_free(&val);
    if (r == 0)
        *ret = v;
    return r;
}

int version_by_number(struct store *s, uint32_t number, const struct version **ret)
{
    struct key k = key_model_be32('n', number);
    struct db_value val;
    struct digest d;
    int r = db_get(s->db, DB_VERSIONS, k.b, k.n, &val);
    if (r == 0) {
        r = record_ref_parse(val.p, val.n, &d);
        db_value_free(&val);
        if (r == 0 && hash_is_zero(&d))
            r = fail(-ENOENT, "v%u was removed", number);
        if (r == 0 && (r = version_get(s, &d, ret)) == -ENOENT)
            r = fail(-EBADMSG, "v%u: its record is missing", number);
        return r;
    }
    return r == -ENOENT ? fail(r, "no version v%u", number) : r;
}

/* Calls each with the versions that are there, oldest first, or newest first and only the first. */
static int walk(struct store *s, int newest, int (*each)(void *ctx, const struct version *v), void *ctx)
{
    struct key prefix = key_model('n');
    uint8_t last[9];
    int r = db_last(s->db, DB_VERSIONS, prefix.b, prefix.n, last, sizeof last);
    if (r <= 0)
        return r < 0 ? r : newest ? -ENOENT : 0;
    uint32_t max = (uint32_t)last[5] << 24 | (uint32_t)last[6] << 16 | (uint32_t)last[7] << 8 | last[8];
    for (uint32_t i = 0; i < max; i++) {
        const struct version *v;
        r = version_by_number(s, newest ? max - i : i + 1, &v);
        if (r == -ENOENT)
            continue;
        if (r < 0)
            return r;
        r = each(ctx, v);
        version_unref(v);
        if (r != 0 || newest)
            return r;
    }
    return newest ? -ENOENT : 0;
}

static int keep(void *ctx, const struct version *v)
{
    *(const struct version **)ctx = version_ref(v);
    return 0;
}

int version_latest(struct store *s, const struct version **ret)
{
    int r = walk(s, 1, keep, ret);
    return r == -ENOENT ? fail(r, "%s: no version yet", s->path) : r;
}

int version_each(struct store *s, int (*each)(void *ctx, const struct version *v), void *ctx)
{
    return walk(s, 0, each, ctx);
}

static int is_version_name(const char *name, uint32_t *ret)
{
    size_t n = name[0] == 'v' ? strspn(name + 1, "0123456789") : 0;
    if (n == 0 || n > 9 || name[1] == '0' || name[1 + n])
        return 0;
    *ret = (uint32_t)strtoul(name + 1, NULL, 10);
    return 1;
}

/* The versions whose digest begins with the n hex digits. */
static int by_prefix(struct store *s, const char *hex, size_t n, const struct version **ret)
{
    char full[HASH_HEX];
    struct digest lo;
    memset(full, '0', 64);
    full[64] = 0;
    memcpy(full, hex, n);
    int r = hash_parse(full, &lo);
    if (r < 0)
        return fail(r, "%s: not a digest", hex);
    struct key prefix = key_model('d'), from = key_model_bytes('d', lo.b, sizeof lo.b);
    struct db_iter *it = db_iter_new(s->db, DB_VERSIONS, prefix.b, prefix.n, from.b, from.n);
    if (!it)
        return fail(-ENOMEM, "out of memory");
    struct db_record rec;
    struct digest found;
    int matches = 0;
    while (matches < 2 && (r = db_next(it, &rec)) == 1) {
        char h[HASH_HEX];
        struct digest d;
        if (rec.nkey != prefix.n + sizeof d)
            continue;
        memcpy(&d, rec.key + prefix.n, sizeof d);
        hash_hex(&d, h);
        if (memcmp(h, hex, n) != 0)
            break;
        if (matches++ == 0)
            found = d;
    }
    db_iter_free(it);
    if (r < 0)
        return r;
    if (matches > 1)
        return fail(-EEXIST, "%s: several versions begin so; give more digits", hex);
    return matches ? version_get(s, &found, ret) : -ENOENT;
}

struct listing {
    struct out text;
    char newest[5][16];
    int n;
};

static int note_version(void *ctx, const struct version *v)
{
    struct listing *l = ctx;
    snprintf(l->newest[l->n++ % 5], sizeof l->newest[0], "v%u", v->number);
    return 0;
}

static int note_tag(void *ctx, const char *name, const struct digest *d)
{
    struct listing *l = ctx;
    (void)d;
    out_printf(&l->text, ", %s", name);
    return l->text.n > 160;
}

static int unknown(struct store *s, const char *name)
{
    struct listing l = {0};
    version_each(s, note_version, &l);
    for (int i = l.n > 5 ? l.n - 5 : 0; i < l.n; i++)
        out_printf(&l.text, ", %s", l.newest[i % 5]);
    tag_each(s, note_tag, &l);
    const char *there = out_cstr(&l.text);
    int r = *there ? fail(-ENOENT, "%s: no such version; there are%s %s", name,
                          l.n > 5 ? " among others" : "", there + 2)
                   : fail(-ENOENT, "%s: no such version; the repo is empty", name);
    out_fini(&l.text);
    return r;
}

int version_resolve(struct store *s, const char *name, const struct version **ret, int *ret_movable)
{
    uint32_t number;
    struct digest d;
    int movable = 1, r = -ENOENT;
    size_t hex = strspn(name, "0123456789abcdef");
    if (is_version_name(name, &number)) {
        movable = 0;
        r = version_by_number(s, number, ret);
        if (r == -ENOENT && strstr(fail_text(), "removed"))
            return r;
    } else if (strcmp(name, "latest") == 0) {
        r = version_latest(s, ret);
        if (r == -ENOENT)
            return r;
    } else if (hex >= 6 && hex <= 64 && !name[hex]) {
        r = by_prefix(s, name, hex, ret);
        movable = hex < 64;
    } else if ((r = tag_get(s, name, &d)) == 0) {
        r = version_get(s, &d, ret);
    }
    if (r == -ENOENT)
        return unknown(s, name);
    if (r == 0 && ret_movable)
        *ret_movable = movable;
    return r;
}

struct removal {
    const struct digest *d;
    int force;
    const char *who;
    struct out tags;
    const struct version *v;
    uint64_t seq;
    struct db_batch *b;
    struct store *s;
};

static int note_tagged(void *ctx, const char *name, const struct digest *d)
{
    struct removal *x = ctx;
    if (!hash_equal(d, x->d))
        return 0;
    out_printf(&x->tags, "%s%s", x->tags.n ? ", " : "", name);
    return x->force ? tag_put(x->s, x->b, x->seq, name, d, NULL, x->who) : 0;
}

static int build_removal(struct store *s, void *ctx, uint64_t seq, struct db_batch *b, struct out *event)
{
    struct removal *x = ctx;
    x->s = s;
    x->b = b;
    x->seq = seq;
    int r = version_get(s, x->d, &x->v);
    if (r < 0)
        return r;
    if ((r = tag_each(s, note_tagged, x)) < 0)
        return r;
    if (x->tags.n && !x->force) {
        return fail(-EBUSY, "v%u is tagged %s", x->v->number, out_cstr(&x->tags));
    }
    static const struct digest none;
    struct key name = key_model_be32('n', x->v->number), rec = key_model_bytes('d', x->d->b, sizeof x->d->b);
    struct out ref = {0};
    record_ref_format(&none, &ref);
    if ((r = out_error(&ref)) == 0) {
        db_put(s->db, b, DB_VERSIONS, name.b, name.n, ref.p, ref.n);
        db_delete(s->db, b, DB_VERSIONS, rec.b, rec.n);
        out_printf(event, "{\"number\":%u,\"version\":", x->v->number);
        write_json_digest(event, x->d);
        out_str(event, ",\"who\":");
        write_json_text(event, x->who);
        out_char(event, '}');
    }
    out_fini(&ref);
    return r;
}

int version_remove(struct store *s, const struct digest *d, int force, const char *who)
{
    struct removal x = {.d = d, .force = force, .who = who ? who : ""};
    struct write w = {.kind = "rm", .build = build_removal, .ctx = &x, .alone = 1};
    int r = write_submit(s, &w);
    version_unref(x.v);
    out_fini(&x.tags);
    return r;
}
