/* SPDX-License-Identifier: Apache-2.0 */
/* What is erased leaves the disk too: the records that replace it are flushed, what held it is compacted. */
#include "store/base/fail.h"
#include "store/rows.h"
#include "store/write.h"

struct erase {
    struct stored_row *rows;
    size_t n;
    const struct digest *inputs;
    size_t ninputs;
    const struct digest *blobs;
    size_t nblobs;
    const char *event;
    uint64_t known; /* afterwards */
};

static int is_one_of(const struct digest *all, size_t n, const uint8_t *d)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(all[i].b, d, sizeof all[i].b) == 0)
            return 1;
    return 0;
}

/* The key of a prediction ends with 'p' and the input's digest. */
static int drop_predictions(struct store *s, const struct erase *x, struct db_batch *b)
{
    enum { LONG = 4 + sizeof(struct digest) + 1 + sizeof(struct digest) };
    struct key prefix = key_model(0);
    struct db_iter *it = db_iter_new(s->db, DB_PREDICTIONS, prefix.b, prefix.n, NULL, 0);
    if (!it)
        return fail(-ENOMEM, "out of memory");
    struct db_record rec;
    int r;
    while ((r = db_next(it, &rec)) == 1) {
        const size_t at = LONG - sizeof(struct digest);
        if (rec.nkey == LONG && rec.key[at - 1] == 'p' && is_one_of(x->inputs, x->ninputs, rec.key + at))
            db_delete(s->db, b, DB_PREDICTIONS, rec.key, rec.nkey);
    }
    db_iter_free(it);
    return r;
}

/* Documents, and the names that mean them. */
static int drop_blobs(struct store *s, const struct erase *x, struct db_batch *b)
{
    for (size_t i = 0; i < x->nblobs; i++)
        db_delete(s->db, b, DB_BLOBS, x->blobs[i].b, sizeof x->blobs[i].b);
    struct key prefix = key_model('c');
    struct db_iter *it = db_iter_new(s->db, DB_REFS, prefix.b, prefix.n, NULL, 0);
    if (!it)
        return fail(-ENOMEM, "out of memory");
    struct db_record rec;
    struct digest d;
    int r = 0;
    while (r >= 0 && (r = db_next(it, &rec)) == 1)
        if ((r = record_ref_parse(rec.p, rec.n, &d)) == 0 && is_one_of(x->blobs, x->nblobs, d.b))
            db_delete(s->db, b, DB_REFS, rec.key, rec.nkey);
    db_iter_free(it);
    return r;
}

static int build(struct store *s, void *ctx, uint64_t seq, struct db_batch *b, struct out *event)
{
    struct erase *x = ctx;
    struct out rec = {0};
    (void)seq;
    for (size_t i = 0; i < x->n && !out_error(&rec); i++) {
        struct key k = key_model_be64(0, x->rows[i].seq);
        out_reset(&rec);
        record_row_format(&x->rows[i], &rec);
        db_put(s->db, b, DB_EXAMPLES, k.b, k.n, rec.p, rec.n);
    }
    out_str(event, x->event);
    static const struct digest none;
    int r = out_error(&rec) ? fail(-ENOMEM, "out of memory") : drop_predictions(s, x, b);
    if (r == 0 && x->nblobs)
        r = drop_blobs(s, x, b);
    if (r == 0)
        r = predictions_mark(s, b, &none, x->inputs, x->ninputs * sizeof *x->inputs, &x->known);
    out_fini(&rec);
    return r;
}

int rows_erase(struct store *s, struct stored_row *rows, size_t n, const struct digest *inputs,
               size_t ninputs, const struct digest *blobs, size_t nblobs, const char *event_json)
{
    struct erase x = {.rows = rows,
                      .n = n,
                      .inputs = inputs,
                      .ninputs = ninputs,
                      .blobs = blobs,
                      .nblobs = nblobs,
                      .event = event_json};
    struct write w = {.kind = "erase", .build = build, .ctx = &x, .alone = 1};
    pthread_mutex_lock(&s->known_lock);
    int r = write_submit(s, &w);
    if (r == 0)
        s->known = x.known;
    pthread_mutex_unlock(&s->known_lock);
    return r;
}

int rows_scrub(struct store *s)
{
    static const enum db_cf held[] = {DB_EXAMPLES, DB_PREDICTIONS, DB_BLOBS};
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof held / sizeof *held; i++)
        r = db_scrub(s->db, held[i]);
    return r;
}
