/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/grow.h"
#include "fs/eval/view.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RAW_MAX 65536u /* bytes kept of a rejected line */

void grow_item_fini(struct grow_item *i)
{
    if (!i)
        return;
    row_fini(&i->row);
    json_decref(i->order.json);
    i->order = (struct grow_order){0};
}

/* A row that the batch makes, or remakes. */
struct change {
    struct set_row *old, *new; /* old NULL: there was none. Both references */
    const char *reason;        /* of what is retired; "" */
    struct out text;
};

struct batch {
    struct set *set;
    const struct eval_writer *writer;
    enum eval_lines what;
    int64_t now;
    struct set_revision rev;
    struct change *changes; /* (nchanges) */
    size_t nchanges;
    struct stored_row *stored; /* (nstored) the changes, then the rejected */
    size_t nstored;
    struct eval_added *added;
    const struct grow_item **refused; /* (nrefused) */
    size_t nrefused;
    size_t active; /* changes of what scores */
    int epoch;     /* among them one after which scores cannot be compared */
};

static void batch_fini(struct batch *b)
{
    for (size_t i = 0; i < b->nchanges; i++) {
        set_row_unref(b->changes[i].old);
        set_row_unref(b->changes[i].new);
        out_fini(&b->changes[i].text);
    }
    free(b->changes);
    free(b->stored);
    free(b->refused);
}

/* Records that the row of (stamp, state) is now `row`, in place of old. */
static int batch_change(struct batch *b, struct set_row *old, const struct row *row,
                        const struct row_stamp *stamp, enum row_state state, const char *reason)
{
    struct out text = {0};
    struct set_row *new = NULL;
    row_format(row, stamp, &text);
    int err = out_error(&text);
    if (!err)
        err = set_row_make(text.p, text.n, b->set->settings, state, stamp->row, &new);
    if (!err && (err = set_index_put(b->set, new)))
        set_row_unref(new);
    if (err) {
        out_fini(&text);
        return err == -ENOMEM ? fail(-ENOMEM, "out of memory") : err;
    }
    struct change *c;
    if (old && old->change) { /* made by an earlier line of this batch */
        c = &b->changes[old->change - 1];
        set_row_unref(c->new);
        out_fini(&c->text);
    } else {
        c = &b->changes[b->nchanges++];
        *c = (struct change){.old = old ? set_row_ref(old) : NULL};
    }
    c->new = new;
    c->text = text;
    c->reason = reason;
    new->change = (size_t)(c - b->changes) + 1;
    b->active += state == ROW_ACTIVE;
    return 0;
}

static void batch_refuse(struct batch *b, struct grow_item *it, enum row_reason why)
{
    it->reason = why;
    b->refused[b->nrefused++] = it;
}

static int batch_new(struct batch *b, const struct row *row)
{
    const struct row_stamp stamp = {.row = b->set->next_seq++,
                                    .rev = b->rev.serial,
                                    .added_at = b->now / 1000000000,
                                    .uid = b->writer->uid,
                                    .pid = b->writer->pid};
    int err = batch_change(b, NULL, row, &stamp, row->label ? ROW_ACTIVE : ROW_UNLABELLED, "");
    if (!err && row->label)
        b->added->kept++;
    else if (!err)
        b->added->unlabelled++;
    return err;
}

/* A copy of a row, to be changed. */
static int copy_row(const struct batch *b, const struct set_row *x, struct row *ret,
                    struct row_stamp *ret_stamp)
{
    struct out text = {0};
    set_row_text(x, &text);
    int err = out_error(&text);
    if (!err)
        err = row_load(text.p, text.n, &b->set->settings->scorer, ret, ret_stamp);
    out_fini(&text);
    return err;
}

/* The same input again: slices and tags are united; a row that waited gets its label. */
static int batch_merge(struct batch *b, struct set_row *x, const struct row *more)
{
    struct row row;
    struct row_stamp stamp;
    enum row_state state = x->state;
    int err = copy_row(b, x, &row, &stamp);
    if (err)
        return err;
    int changed = row_merge(&row, more);
    if (changed > 0 && state == ROW_ACTIVE && stamp.rev != b->rev.serial &&
        (err = row_remember(&row, &x->row, b->rev.serial, NULL)))
        changed = err;
    if (changed >= 0 && !row.label && more->label) {
        static const char *const keys[] = {"label", "source", "reason", "value", "group", "weight"};
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            if (json_object_get(more->json, keys[i]) &&
                json_object_set(row.json, keys[i], json_object_get(more->json, keys[i])))
                changed = -ENOMEM;
        stamp.rev = b->rev.serial;
        state = ROW_ACTIVE;
        if (changed >= 0) {
            changed = 1;
            b->added->kept++;
        }
    } else if (changed >= 0) {
        b->added->merged++;
    }
    err = changed < 0 ? changed : changed ? batch_change(b, x, &row, &stamp, state, "") : 0;
    row_fini(&row);
    return err;
}

static void label_text(const struct row *r, char *p, size_t n)
{
    struct out o = {0}, safe = {0};
    row_label_text(r->label, &o);
    out_text(&safe, o.p ? o.p : "", o.n, 40);
    snprintf(p, n, "%s", out_cstr(&safe));
    out_fini(&o);
    out_fini(&safe);
}

/* ---- orders ---- */

static int batch_retire(struct batch *b, struct set_row *x, const struct grow_order *o)
{
    struct row row;
    struct row_stamp stamp;
    int err = copy_row(b, x, &row, &stamp);
    if (err)
        return err;
    stamp.retired = b->rev.serial;
    b->active += x->state == ROW_ACTIVE;
    b->epoch |= x->state == ROW_ACTIVE;
    err = batch_change(b, x, &row, &stamp, ROW_RETIRED, o->reason);
    row_fini(&row);
    return err;
}

static int batch_relabel(struct batch *b, struct set_row *x, const struct grow_order *o)
{
    struct row row;
    struct row_stamp stamp;
    int err = copy_row(b, x, &row, &stamp), waited = x->state == ROW_UNLABELLED;
    if (err)
        return err;
    err = row_relabel(&row, o->label, &b->set->settings->scorer);
    int same = !err && hash_equal(&row.digest, &x->row.digest);
    if (!err && waited)
        stamp.rev = b->rev.serial;
    else if (!err && !same && stamp.rev != b->rev.serial)
        err = row_remember(&row, &x->row, b->rev.serial, o->reason);
    if (!err && !same) {
        b->epoch |= !waited;
        err = batch_change(b, x, &row, &stamp, ROW_ACTIVE, "");
    }
    row_fini(&row);
    return err;
}

static int batch_order(struct batch *b, struct grow_item *it)
{
    const struct row key = {.id = it->order.id};
    struct set_row *x = set_find_id(b->set, &key);
    if (!x || x->state == ROW_RETIRED) {
        struct out safe = {0};
        out_text(&safe, it->order.id, strlen(it->order.id), 80);
        snprintf(it->why, sizeof it->why, "no row of the set is \"%s\"", out_cstr(&safe));
        out_fini(&safe);
        batch_refuse(b, it, ROW_NO_SUCH_ROW);
        return 0;
    }
    int err = b->what == EVAL_RETIRE ? batch_retire(b, x, &it->order) : batch_relabel(b, x, &it->order);
    b->added->kept += !err;
    return err;
}

static int batch_line(struct batch *b, struct grow_item *it)
{
    if (it->order.json)
        return batch_order(b, it);
    if (!it->row.json) {
        b->refused[b->nrefused++] = it;
        return 0;
    }
    struct set_row *x = set_find_input(b->set, &it->row);
    struct set_row *y = set_find_id(b->set, &it->row);
    if (y && y != x) {
        snprintf(it->why, sizeof it->why, "\"%.80s\" is row %llu, which has another input", y->row.id,
                 (unsigned long long)y->stamp.row);
        batch_refuse(b, it, ROW_DUP_ID);
        return 0;
    }
    if (!x)
        return batch_new(b, &it->row);
    if (x->row.label && it->row.label && !hash_equal(&x->row.digest, &it->row.digest)) {
        char a[64], c[64];
        label_text(&x->row, a, sizeof a);
        label_text(&it->row, c, sizeof c);
        snprintf(it->why, sizeof it->why,
                 "row \"%.60s\" has this input with label %.24s, \"%.60s\" says %.24s", x->row.id, a,
                 it->row.id, c);
        batch_refuse(b, it, ROW_LABEL_CONFLICT);
        return 0;
    }
    return batch_merge(b, x, &it->row);
}

/* The stored form of what changed and of what was refused. reasons: (nrefused) texts. */
static int batch_store(struct batch *b, struct out *reasons)
{
    for (size_t i = 0; i < b->nchanges; i++) {
        const struct set_row *r = b->changes[i].new;
        b->stored[b->nstored++] = (struct stored_row){.seq = r->stamp.row,
                                                      .state = (uint8_t)r->state,
                                                      .digest = r->row.digest,
                                                      .input = r->row.input_digest,
                                                      .json = b->changes[i].text.p,
                                                      .n = b->changes[i].text.n,
                                                      .reason = b->changes[i].reason,
                                                      .uid = r->stamp.uid,
                                                      .time_ns = b->now};
    }
    for (size_t i = 0; i < b->nrefused; i++) {
        const struct grow_item *it = b->refused[i];
        out_printf(&reasons[i], "%s: %s", row_reason_name(it->reason), it->why);
        b->stored[b->nstored++] = (struct stored_row){.seq = b->set->next_seq++,
                                                      .state = ROW_REJECTED,
                                                      .json = it->line,
                                                      .n = it->n < RAW_MAX ? it->n : RAW_MAX,
                                                      .reason = out_cstr(&reasons[i]),
                                                      .uid = b->writer->uid,
                                                      .time_ns = b->now};
        if (out_error(&reasons[i]))
            return fail(-ENOMEM, "out of memory");
    }
    return 0;
}

static char *batch_event(const struct batch *b)
{
    char name[32];
    set_revision_name(&b->rev, name);
    const struct eval_added *a = b->added;
    json_t *o = json_pack("{s:I s:I s:I s:I s:I}", "kept", (json_int_t)a->kept, "merged",
                          (json_int_t)a->merged, "rejected", (json_int_t)b->nrefused, "unlabelled",
                          (json_int_t)a->unlabelled, "uid", (json_int_t)b->writer->uid);
    if (o && b->writer->name)
        json_object_set_new(o, "by", json_string(b->writer->name));
    if (o && b->active) {
        json_object_set_new(o, "revision", json_string(name));
        json_object_set_new(o, "serial", json_integer((json_int_t)b->rev.serial));
    }
    if (o && b->nstored)
        json_object_set_new(o, "row", json_integer((json_int_t)b->stored[0].seq));
    json_t *rows = o && b->what != EVAL_ROWS ? json_array() : NULL;
    for (size_t i = 0; rows && i < b->nchanges; i++)
        json_array_append_new(rows, json_integer((json_int_t)b->changes[i].new->stamp.row));
    if (rows)
        json_object_set_new(o, "rows", rows);
    char *text = o ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(o);
    return text;
}

/* Takes back what the batch did to the indexes. */
static void batch_undo(struct batch *b)
{
    for (size_t i = b->nchanges; i-- > 0;) {
        struct change *c = &b->changes[i];
        set_index_remove(b->set, c->new);
        if (c->old)
            set_index_put(b->set, c->old); /* cannot fail: the nodes just freed are there again */
    }
}

/* Rows have no gaps and revisions none: what a failed write took is given again. While others are being
 * written their numbers stand; what makes one write fail makes those fail too. */
static void give_back(struct set *s)
{
    if (s->tickets != s->served)
        return;
    s->next_seq = s->last_seq + 1;
    s->given = s->shown;
}

static void batch_publish(struct batch *b)
{
    struct set *s = b->set;
    for (size_t i = 0; i < b->nchanges; i++) {
        struct change *c = &b->changes[i];
        size_t at = set_place(s, c->new->stamp.row);
        c->new->change = 0;
        if (c->new->state == ROW_RETIRED) {
            s->unlabelled -= c->old->state == ROW_UNLABELLED;
            s->retired++;
            set_index_remove(s, c->new);
            set_row_unref(s->rows[at]);
            memmove(s->rows + at, s->rows + at + 1, (--s->nrows - at) * sizeof *s->rows);
            continue;
        }
        if (c->old) {
            s->unlabelled -= c->old->state == ROW_UNLABELLED;
            set_row_unref(s->rows[at]);
        } else {
            memmove(s->rows + at + 1, s->rows + at, (s->nrows++ - at) * sizeof *s->rows);
        }
        s->rows[at] = set_row_ref(c->new);
        s->unlabelled += c->new->state == ROW_UNLABELLED;
    }
    for (size_t i = 0; i < b->nstored; i++)
        if (b->stored[i].seq > s->last_seq)
            s->last_seq = b->stored[i].seq;
    s->rejected += b->nrefused;
    if (b->active) {
        s->shown = b->rev;
        set_revs_add(s, &b->rev);
    }
    if (b->nstored)
        view_forget(s);
}

/* Does any item meet a row that another batch is writing? */
static int must_wait(const struct set *s, const struct grow_item *items, size_t n)
{
    for (size_t i = 0; s->tickets != s->served && i < n; i++) {
        const struct row ordered = {.id = items[i].order.id};
        if (!items[i].row.json && !ordered.id)
            continue;
        const struct set_row *x = ordered.id ? NULL : set_find_input(s, &items[i].row);
        const struct set_row *y = set_find_id(s, ordered.id ? &ordered : &items[i].row);
        if ((x && x->change) || (y && y->change))
            return 1;
    }
    return 0;
}

/* Writes what the batch says, without the lock, and publishes it in its turn. */
static int batch_write(struct batch *b, const char *event)
{
    static const char *const kinds[] = {"rows", "retire", "relabel"};
    struct set *s = b->set;
    int err = set_reserve(s, s->coming + b->nchanges);
    if (!err)
        err = set_revs_reserve(s, (size_t)(s->tickets - s->served) + 1);
    if (err) {
        batch_undo(b);
        give_back(s);
        return err;
    }
    s->coming += b->nchanges;
    uint64_t ticket = s->tickets++;
    pthread_mutex_unlock(&s->lock);
    err = rows_write(s->store, b->stored, b->nstored, b->nchanges ? kinds[b->what] : "reject", event);
    pthread_mutex_lock(&s->lock);
    while (s->served != ticket)
        pthread_cond_wait(&s->settled, &s->lock);
    s->coming -= b->nchanges;
    if (err)
        batch_undo(b);
    else
        batch_publish(b);
    s->served++;
    if (err)
        give_back(s);
    pthread_cond_broadcast(&s->settled);
    return err;
}

/* With the lock held. */
static int add(struct batch *b, struct grow_item *items, size_t n)
{
    int err = 0;
    for (size_t i = 0; !err && i < n; i++)
        err = batch_line(b, &items[i]);
    if (b->epoch) {
        b->rev.epoch++;
        b->rev.step = 0;
    }
    struct out *reasons = calloc(b->nrefused + 1, sizeof *reasons);
    if (!err)
        err = reasons ? batch_store(b, reasons) : -ENOMEM;
    char *event = err ? NULL : batch_event(b);
    if (!err && !event)
        err = fail(-ENOMEM, "out of memory");
    if (err) {
        batch_undo(b);
        give_back(b->set);
    } else if (b->nstored) {
        if (b->active)
            b->set->given = b->rev;
        err = batch_write(b, event);
    }
    for (size_t i = 0; reasons && i < b->nrefused; i++)
        out_fini(&reasons[i]);
    free(reasons);
    free(event);
    return err;
}

int grow_add(struct set *s, const struct settings *with, const struct eval_writer *w, enum eval_lines what,
             struct grow_item *items, size_t n, struct eval_added *ret)
{
    struct eval_added added = {0};
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    struct batch b = {.set = s,
                      .writer = w,
                      .what = what,
                      .now = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec,
                      .added = &added,
                      .changes = calloc(n + 1, sizeof *b.changes),
                      .stored = calloc(n + 1, sizeof *b.stored),
                      .refused = calloc(n + 1, sizeof *b.refused)};
    int err = b.changes && b.stored && b.refused ? 0 : fail(-ENOMEM, "out of memory");
    if (!err) {
        pthread_mutex_lock(&s->lock);
        while (must_wait(s, items, n))
            pthread_cond_wait(&s->settled, &s->lock);
        b.rev = s->given;
        b.rev.step++;
        b.rev.serial++;
        err = s->settings == with ? add(&b, items, n) : -EAGAIN;
        pthread_mutex_unlock(&s->lock);
    }
    added.rejected = b.nrefused;
    if (b.nrefused)
        snprintf(added.first_error, sizeof added.first_error, "line %zu: %s: %.200s",
                 (size_t)(b.refused[0] - items) + 1, row_reason_name(b.refused[0]->reason),
                 b.refused[0]->why);
    if (!err)
        *ret = added;
    batch_fini(&b);
    return err;
}
