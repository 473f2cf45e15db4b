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
    const char *event;
    uint64_t known; /* afterwards */
};

static int is_erased(const struct erase *x, const uint8_t *input)
{
    for (size_t i = 0; i < x->ninputs; i++)
        if (memcmp(x->inputs[i].b, input, sizeof x->inputs[i].b) == 0)
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
        if (rec.nkey == LONG && rec.key[at - 1] == 'p' && is_erased(x, rec.key + at))
            db_delete(s->db, b, DB_PREDICTIONS, rec.key, rec.nkey);
    }
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
    if (r == 0)
        r = predictions_mark(s, b, &none, x->inputs, x->ninputs * sizeof *x->inputs, &x->known);
    out_fini(&rec);
    return r;
}

int rows_erase(struct store *s, struct stored_row *rows, size_t n, const struct digest *inputs,
               size_t ninputs, const char *event_json)
{
    struct erase x = {.rows = rows, .n = n, .inputs = inputs, .ninputs = ninputs, .event = event_json};
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
    int r = db_scrub(s->db, DB_EXAMPLES);
    return r < 0 ? r : db_scrub(s->db, DB_PREDICTIONS);
}
