/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/fail.h"
#include "store/rows.h"
#include "store/write.h"

struct predictions {
    const struct digest *run;
    const char *info;
    const struct stored_prediction *v;
    size_t n;
    uint64_t known; /* afterwards */
};

/* The sum of what is known is written with what changes it. With known_lock held. */
int predictions_mark(struct store *s, struct db_batch *b, const struct digest *of, const void *p, size_t n,
                     uint64_t *ret)
{
    struct out o = {0};
    wire_put_u64(&o, s->known);
    wire_put_digest(&o, of);
    wire_put_u64(&o, hash_xxh3(p, n));
    *ret = hash_xxh3(o.p, o.n);
    out_reset(&o);
    wire_put_u8(&o, 1);
    wire_put_u64(&o, *ret);
    db_put(s->db, b, DB_META, "known", 5, o.p, o.n);
    int r = out_error(&o);
    out_fini(&o);
    return r < 0 ? fail(r, "out of memory") : 0;
}

uint64_t predictions_known(struct store *s)
{
    pthread_mutex_lock(&s->known_lock);
    uint64_t known = s->known;
    pthread_mutex_unlock(&s->known_lock);
    return known;
}

static int add(struct store *s, struct predictions *x, struct db_batch *b)
{
    struct out all = {0}; /* what is new, for the mark */
    struct out rec = {0};
    struct key k = key_prediction(x->run, NULL);
    if (x->info) {
        record_bytes_format(x->info, strlen(x->info), &rec);
        db_put(s->db, b, DB_PREDICTIONS, k.b, k.n, rec.p, rec.n);
    }
    for (size_t i = 0; i < x->n && !out_error(&rec); i++) {
        k = key_prediction(x->run, &x->v[i].input);
        out_reset(&rec);
        record_bytes_format(x->v[i].p, x->v[i].n, &rec);
        db_put(s->db, b, DB_PREDICTIONS, k.b, k.n, rec.p, rec.n);
        wire_put_digest(&all, &x->v[i].input);
        wire_put_u64(&all, hash_xxh3(rec.p, rec.n));
    }
    int r = out_error(&rec) ? out_error(&rec) : out_error(&all);
    r = r < 0 ? fail(r, "out of memory") : predictions_mark(s, b, x->run, all.p, all.n, &x->known);
    out_fini(&rec);
    out_fini(&all);
    return r;
}

static int build(struct store *s, void *ctx, uint64_t seq, struct db_batch *b, struct out *event)
{
    struct predictions *x = ctx;
    (void)seq;
    out_str(event, "{\"run\":");
    write_json_digest(event, x->run);
    out_printf(event, ",\"predictions\":%zu}", x->n);
    return add(s, x, b);
}

int predictions_put(struct store *s, const struct digest *run, const char *info,
                    const struct stored_prediction *v, size_t n, int sync)
{
    struct predictions x = {.run = run, .info = info, .v = v, .n = n};
    int r;
    pthread_mutex_lock(&s->known_lock);
    if (sync) {
        struct write w = {.kind = "predictions", .build = build, .ctx = &x};
        r = write_submit(s, &w);
    } else if (s->readonly) {
        r = fail(-EROFS, "%s: opened read-only", s->path);
    } else { /* may be lost and made again: no event, no sync */
        struct db_batch *b = db_batch_new();
        r = b ? add(s, &x, b) : fail(-ENOMEM, "out of memory");
        if (r == 0)
            r = db_write(s->db, b, 0);
        db_batch_free(b);
    }
    if (r == 0)
        s->known = x.known;
    pthread_mutex_unlock(&s->known_lock);
    return r;
}

int predictions_each(struct store *s, const struct digest *run,
                     int (*each)(void *ctx, const struct stored_prediction *p), void *ctx)
{
    struct key prefix = key_model_bytes(0, run->b, sizeof run->b);
    prefix.b[prefix.n++] = 'p';
    struct db_iter *it = db_iter_new(s->db, DB_PREDICTIONS, prefix.b, prefix.n, NULL, 0);
    if (!it)
        return fail(-ENOMEM, "out of memory");
    struct db_record rec;
    int r;
    while ((r = db_next(it, &rec)) == 1) {
        struct stored_prediction p;
        if (rec.nkey != prefix.n + sizeof p.input) {
            r = fail(-EBADMSG, "a prediction's key has %zu bytes", rec.nkey);
            break;
        }
        memcpy(&p.input, rec.key + prefix.n, sizeof p.input);
        if ((r = record_bytes_parse(rec.p, rec.n, &p.p, &p.n)) < 0 || (r = each(ctx, &p)) != 0)
            break;
    }
    db_iter_free(it);
    return r;
}

int predictions_info(struct store *s, const struct digest *run, struct out *ret)
{
    struct key k = key_prediction(run, NULL);
    struct db_value v;
    const void *p;
    size_t n;
    int r = db_get(s->db, DB_PREDICTIONS, k.b, k.n, &v);
    if (r == -ENOENT)
        return fail(r, "no such run of predictions");
    if (r < 0)
        return r;
    if ((r = record_bytes_parse(v.p, v.n, &p, &n)) == 0) {
        out_write(ret, p, n);
        r = out_error(ret);
    }
    db_value_free(&v);
    return r;
}

int predictions_has(struct store *s, const struct digest *run, const struct digest *input)
{
    struct key k = key_prediction(run, input);
    return db_has(s->db, DB_PREDICTIONS, k.b, k.n);
}
