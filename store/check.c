/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is everything there that was acknowledged? The chain of events says what must be: its last link is held by
 * the anchor, each commit in it names a version. From the versions every page, tensor record, document and
 * chunk is reached. What is found wrong is said by version, file and tensor.
 */
#include "store/check.h"
#include "store/base/fail.h"
#include "store/rows.h"
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void check_damage(struct check *c, const char *fmt, ...)
{
    struct out o = {0};
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    out_text(&o, line, strlen(line), 0);
    c->damages++;
    int r = c->each ? c->each(c->ctx, out_cstr(&o)) : 0;
    if (r && !c->stopped)
        c->stopped = r < 0 ? r : -EINTR;
    out_fini(&o);
}

int check_ours(struct check *c, int r)
{
    if (r == -ENOMEM || r == -EMFILE || r == -ENFILE || r == -EINTR)
        c->stopped = r;
    return c->stopped;
}

/* Notes the version that a commit or removal names. */
static void expect(struct check *c, const struct event *e)
{
    int removed = strcmp(e->kind, "rm") == 0;
    if (!removed && strcmp(e->kind, "commit") != 0)
        return;
    json_t *v = json_loadb(e->json, e->n, JSON_REJECT_DUPLICATES, NULL);
    const char *hex = json_string_value(json_object_get(v, "version"));
    json_int_t number = json_integer_value(json_object_get(v, "number"));
    struct digest d;
    if (!hex || hash_parse(hex, &d) < 0 || number < 1)
        check_damage(c, "event %llu: its payload cannot be read", (unsigned long long)e->seq);
    else
        check_ours(c, dmap_put(&c->expected, &d, removed ? 0 : (uint64_t)number));
    json_decref(v);
}

struct chain {
    struct check *c;
    uint64_t next, last; /* the next seq; the one that the anchor holds */
    struct digest prev, anchored;
};

/* One link; 0, or 1 when the chain cannot be followed further. */
static int follow(struct chain *x, const struct db_record *rec)
{
    struct event e;
    struct digest claimed;
    uint64_t seq = rec->nkey == 8 ? key_parse_id(rec->key) : 0;
    if (seq != x->next) {
        check_damage(x->c, "events: %llu is missing", (unsigned long long)x->next);
        return 1;
    }
    int r = record_event_parse(seq, rec->p, rec->n, &e, &claimed);
    if (r < 0) {
        check_damage(x->c, "event %llu: %s", (unsigned long long)seq, fail_describe(r));
        return 1;
    }
    if (!hash_equal(&claimed, &x->prev)) {
        check_damage(x->c, "event %llu does not follow the one before", (unsigned long long)seq);
        return 1;
    }
    if (seq == x->last && !hash_equal(&e.hash, &x->anchored))
        check_damage(x->c, "event %llu is not the one that was acknowledged", (unsigned long long)seq);
    x->prev = e.hash;
    x->next = seq + 1;
    expect(x->c, &e);
    return 0;
}

void check_events(struct check *c)
{
    struct chain x = {.c = c, .next = 1};
    x.last = events_last(c->s, &x.anchored);
    struct db_iter *it = db_iter_new(c->s->db, DB_EVENTS, NULL, 0, NULL, 0);
    if (!it) {
        c->stopped = -ENOMEM;
        return;
    }
    struct db_record rec;
    int r = 0, broken = 0;
    while (!c->stopped && !broken && (r = db_next(it, &rec)) == 1)
        broken = follow(&x, &rec);
    db_iter_free(it);
    if (!c->stopped && !broken && r < 0 && !check_ours(c, r))
        check_damage(c, "events: %s", fail_describe(r));
    if (!c->stopped && x.next <= x.last)
        check_damage(c, "events: %llu promised, %llu can be read", (unsigned long long)x.last,
                     (unsigned long long)x.next - 1);
}

int store_check(struct store *s, double read_data, int (*each)(void *ctx, const char *line),
                int (*progress)(void *ctx, uint64_t done, uint64_t all), void *ctx)
{
    struct check c = {.s = s, .read_data = read_data, .each = each, .progress = progress, .ctx = ctx};
    void (*const parts[])(struct check *) = {check_events, check_versions, check_rows, check_chunks};
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !c.stopped; i++)
        parts[i](&c);
    for (size_t i = 0; i < c.nchunks; i++)
        free(c.chunks[i].damage);
    free(c.chunks);
    free(c.ids);
    dmap_fini(&c.expected);
    dmap_fini(&c.seen);
    return c.stopped < 0 ? c.stopped : c.damages;
}
