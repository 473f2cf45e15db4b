/* SPDX-License-Identifier: Apache-2.0 */
#include "store/write.h"
#include "store/base/fail.h"
#include "store/base/utf8.h"
#include <stdlib.h>
#include <time.h>

int64_t write_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void write_json_text(struct out *o, const char *s)
{
    out_char(o, '"');
    for (size_t n = strlen(s), k; n; s += k, n -= k) {
        uint32_t c;
        k = utf8_next(s, n, &c);
        if (k == 0) {
            out_str(o, "\\ufffd");
            k = 1;
        } else if (c < 0x20 || c == '"' || c == '\\') {
            out_printf(o, "\\u%04x", (unsigned)c);
        } else {
            out_write(o, s, k);
        }
    }
    out_char(o, '"');
}

void write_json_digest(struct out *o, const struct digest *d)
{
    char hex[HASH_HEX];
    hash_hex(d, hex);
    if (hash_is_zero(d))
        out_str(o, "null");
    else
        out_printf(o, "\"%s\"", hex);
}

/* One write into the batch, with its event. State is as before when it fails. */
static int add(struct store *s, struct write *w, struct db_batch *b)
{
    struct core_state before = s->state;
    struct out payload = {0}, record = {0};
    db_batch_mark(b);
    uint64_t seq = s->state.event_seq + 1;
    int r = w->build(s, w->ctx, seq, b, &payload);
    if (r == 0) {
        struct digest prev = s->state.event_hash;
        record_event_format(&prev, seq, w->kind, write_now(), payload.p, payload.n, &record,
                            &s->state.event_hash);
        if (out_error(&payload) || out_error(&record))
            r = fail(-ENOMEM, "out of memory");
    }
    if (r == 0) {
        struct key k = key_id(seq);
        db_put(s->db, b, DB_EVENTS, k.b, k.n, record.p, record.n);
        s->state.event_seq = seq;
        db_batch_keep(b);
    } else {
        db_batch_rollback(b);
        s->state = before;
    }
    out_fini(&payload);
    out_fini(&record);
    return r;
}

static void settle(struct write *w, int result)
{
    w->result = result;
    if (result < 0) /* for the thread that waits: texts are each thread's own */
        w->text = strdup(fail_describe(result));
}

/* Carries out a list of writes by one synced batch. 1 when the store must not be written any more. */
static int carry_out(struct store *s, struct write *list)
{
    struct core_state before = s->state;
    struct db_batch *b = db_batch_new();
    if (!b) {
        for (struct write *w = list; w; w = w->next)
            settle(w, fail(-ENOMEM, "out of memory"));
        return 0;
    }
    int any = 0, broken = 0;
    for (struct write *w = list; w; w = w->next) {
        int r = add(s, w, b);
        settle(w, r);
        any |= r == 0;
    }
    if (any) {
        int r = db_write(s->db, b, 1);
        if (r < 0) {
            s->state = before;
            broken = r == -EIO || r == -EBADMSG;
        } else {
            s->anchor.seq = s->state.event_seq;
            s->anchor.hash = s->state.event_hash;
            r = anchor_write(s->anchorfd, &s->anchor);
            broken = r < 0;
        }
        if (r < 0)
            for (struct write *w = list; w; w = w->next)
                if (w->result == 0)
                    settle(w, r);
    }
    db_batch_free(b);
    return broken;
}

/* The head of the queue and what may share its batch. */
static struct write *take(struct store *s)
{
    struct write *list = s->first, *end = list;
    if (!list->alone)
        while (end->next && !end->next->alone)
            end = end->next;
    s->first = end->next;
    if (!s->first)
        s->last = &s->first;
    end->next = NULL;
    return list;
}

int write_submit(struct store *s, struct write *w)
{
    if (s->readonly)
        return fail(-EROFS, "%s: opened read-only", s->path);
    w->result = w->done = 0;
    w->text = NULL;
    w->next = NULL;
    pthread_mutex_lock(&s->mutex);
    *s->last = w;
    s->last = &w->next;
    while (!w->done) {
        if (s->writing) {
            pthread_cond_wait(&s->turn, &s->mutex);
            continue;
        }
        s->writing = 1;
        struct write *list = take(s), *next;
        int broken = s->broken;
        pthread_mutex_unlock(&s->mutex);
        if (broken)
            for (struct write *x = list; x; x = x->next)
                settle(x, fail(-EROFS, "%s: writes stopped after a failed sync; reads go on", s->path));
        else
            broken = carry_out(s, list);
        pthread_mutex_lock(&s->mutex);
        s->broken = broken;
        s->acked_seq = s->anchor.seq;
        s->acked_hash = s->anchor.hash;
        for (struct write *x = list; x; x = next) {
            next = x->next;
            x->done = 1; /* its owner may go from here on, once the lock is free */
        }
        s->writing = 0;
        pthread_cond_broadcast(&s->turn);
    }
    pthread_mutex_unlock(&s->mutex);
    if (w->result < 0)
        fail(w->result, "%s", w->text ? w->text : strerror(-w->result));
    free(w->text);
    return w->result;
}
