/* SPDX-License-Identifier: Apache-2.0 */
#include "store/rows.h"
#include "store/base/fail.h"
#include "store/write.h"

struct rows {
    struct stored_row *rows;
    size_t n;
    const char *event;
    uint64_t first; /* the seq of the first new one; the others follow */
};

static int build_rows(struct store *s, void *ctx, uint64_t seq, struct db_batch *b, struct out *event)
{
    struct rows *x = ctx;
    struct out rec = {0};
    (void)seq;
    x->first = s->state.next_row;
    for (size_t i = 0; i < x->n && !out_error(&rec); i++) {
        struct key k = key_model_be64(0, x->rows[i].seq ? x->rows[i].seq : s->state.next_row++);
        out_reset(&rec);
        record_row_format(&x->rows[i], &rec);
        db_put(s->db, b, DB_EXAMPLES, k.b, k.n, rec.p, rec.n);
    }
    out_str(event, x->event);
    int r = out_error(&rec);
    out_fini(&rec);
    return r < 0 ? fail(r, "a row is too large") : 0;
}

int rows_write(struct store *s, struct stored_row *rows, size_t n, const char *kind, const char *event_json)
{
    struct rows x = {.rows = rows, .n = n, .event = event_json};
    struct write w = {.kind = kind, .build = build_rows, .ctx = &x};
    int r = write_submit(s, &w);
    for (size_t i = 0; r == 0 && i < n; i++)
        if (!rows[i].seq)
            rows[i].seq = x.first++;
    return r;
}

int rows_each(struct store *s, uint64_t from, int (*each)(void *ctx, const struct stored_row *r), void *ctx)
{
    struct key prefix = key_model(0), first = key_model_be64(0, from);
    struct db_iter *it = db_iter_new(s->db, DB_EXAMPLES, prefix.b, prefix.n, first.b, first.n);
    if (!it)
        return fail(-ENOMEM, "out of memory");
    struct db_record rec;
    struct stored_row row;
    int r;
    while ((r = db_next(it, &rec)) == 1) {
        r = rec.nkey == first.n ? record_row_parse(key_parse_id(rec.key + 4), rec.p, rec.n, &row)
                                : fail(-EBADMSG, "a row's key has %zu bytes", rec.nkey);
        if (r < 0 || (r = each(ctx, &row)) != 0)
            break;
    }
    db_iter_free(it);
    return r;
}

int events_each(struct store *s, uint64_t from, int (*each)(void *ctx, const struct event *e), void *ctx)
{
    struct key first = key_id(from);
    struct db_iter *it = db_iter_new(s->db, DB_EVENTS, NULL, 0, first.b, first.n);
    if (!it)
        return fail(-ENOMEM, "out of memory");
    struct db_record rec;
    struct event e;
    struct digest prev;
    int r;
    while ((r = db_next(it, &rec)) == 1) {
        r = rec.nkey == first.n ? record_event_parse(key_parse_id(rec.key), rec.p, rec.n, &e, &prev)
                                : fail(-EBADMSG, "an event's key has %zu bytes", rec.nkey);
        if (r < 0 || (r = each(ctx, &e)) != 0)
            break;
    }
    db_iter_free(it);
    return r;
}

uint64_t events_last(struct store *s, struct digest *ret_hash)
{
    pthread_mutex_lock(&s->mutex);
    uint64_t seq = s->acked_seq;
    if (ret_hash)
        *ret_hash = s->acked_hash;
    pthread_mutex_unlock(&s->mutex);
    return seq;
}
