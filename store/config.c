/* SPDX-License-Identifier: Apache-2.0 */
/* Named texts of the evaluation, each kept for ever under its digest. */
#include "store/base/fail.h"
#include "store/manifest.h"
#include "store/rows.h"
#include "store/write.h"

enum { MAX_BYTES = 64 << 20, MAX_NAME = 255 };

struct setting {
    const char *name, *event;
    const void *p;
    size_t n;
};

static int build(struct store *s, void *ctx, uint64_t seq, struct db_batch *b, struct out *event)
{
    struct setting *x = ctx;
    struct digest d;
    struct out doc = {0}, ref = {0};
    struct key k = key_model_bytes('c', x->name, strlen(x->name));
    (void)seq;
    hash_sha256(x->p, x->n, &d);
    record_bytes_format(x->p, x->n, &doc);
    record_ref_format(&d, &ref);
    int r = out_error(&doc) | out_error(&ref);
    if (r == 0) {
        db_put(s->db, b, DB_BLOBS, d.b, sizeof d.b, doc.p, doc.n);
        db_put(s->db, b, DB_REFS, k.b, k.n, ref.p, ref.n);
        out_str(event, x->event);
    }
    out_fini(&doc);
    out_fini(&ref);
    return r < 0 ? fail(-ENOMEM, "out of memory") : 0;
}

int config_set(struct store *s, const char *name, const void *p, size_t n, const char *event_json)
{
    if (!*name || strlen(name) > MAX_NAME)
        return fail(-EINVAL, "a configuration's name has 1 to %d bytes", MAX_NAME);
    if (n > MAX_BYTES)
        return fail(-EFBIG, "%s: %zu bytes, at most %d", name, n, MAX_BYTES);
    struct setting x = {.name = name, .event = event_json, .p = p, .n = n};
    struct write w = {.kind = "config", .build = build, .ctx = &x};
    return write_submit(s, &w);
}

int config_get(struct store *s, const char *name, struct out *ret, struct digest *ret_digest)
{
    if (strlen(name) > MAX_NAME)
        return fail(-ENOENT, "no such configuration");
    struct key k = key_model_bytes('c', name, strlen(name));
    struct db_value v;
    struct digest d;
    int r = db_get(s->db, DB_REFS, k.b, k.n, &v);
    if (r == -ENOENT)
        return fail(r, "%s: not set", name);
    if (r < 0)
        return r;
    r = record_ref_parse(v.p, v.n, &d);
    db_value_free(&v);
    if (r == 0 && ret && (r = blob_get(s, &d, ret)) == -ENOENT)
        r = fail(-EBADMSG, "%s: its text is missing", name);
    if (r == 0 && ret_digest)
        *ret_digest = d;
    return r;
}

int config_each(struct store *s, const char *prefix, int (*each)(void *ctx, const char *name), void *ctx)
{
    struct digest empty, d;
    struct key k = key_model_bytes('c', prefix, strlen(prefix));
    struct db_iter *it = db_iter_new(s->db, DB_REFS, k.b, k.n, NULL, 0);
    if (!it)
        return fail(-ENOMEM, "out of memory");
    hash_sha256("", 0, &empty);
    struct db_record rec;
    const size_t head = k.n - strlen(prefix);
    int r;
    while ((r = db_next(it, &rec)) == 1) {
        char name[MAX_NAME + 1];
        size_t n = rec.nkey - head;
        if (n > MAX_NAME || (r = record_ref_parse(rec.p, rec.n, &d)) < 0) {
            r = r < 0 ? r : fail(-EBADMSG, "a configuration's name has %zu bytes", n);
            break;
        }
        memcpy(name, rec.key + head, n);
        name[n] = 0;
        if (!hash_equal(&d, &empty) && (r = each(ctx, name)) != 0)
            break;
    }
    db_iter_free(it);
    return r;
}
