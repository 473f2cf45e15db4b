/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/set.h"
#include "fs/eval/view.h"
#include "store/base/fail.h"
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>

int set_row_make(const char *p, size_t n, const struct settings *with, enum row_state state, uint64_t seq,
                 struct set_row **ret)
{
    struct set_row *r = calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    int err = row_load(p, n, &with->scorer, &r->row, &r->stamp);
    if (err) {
        free(r);
        return err;
    }
    r->stamp.row = seq;
    r->state = state;
    r->refs = 1;
    hash_sha256(p, n, &r->text);
    *ret = r;
    return 0;
}

void set_row_text(const struct set_row *r, struct out *o)
{
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&one);
    row_format(&r->row, &r->stamp, o);
    pthread_mutex_unlock(&one);
}

struct set_row *set_row_ref(struct set_row *r)
{
    __atomic_add_fetch(&r->refs, 1, __ATOMIC_RELAXED);
    return r;
}

void set_row_unref(struct set_row *r)
{
    if (!r || __atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL))
        return;
    row_fini(&r->row);
    free(r);
}

static int cmp_id(const void *a, const void *b)
{
    return strcmp(((const struct set_row *)a)->row.id, ((const struct set_row *)b)->row.id);
}
static int cmp_input(const void *a, const void *b)
{
    return memcmp(&((const struct set_row *)a)->row.input_digest,
                  &((const struct set_row *)b)->row.input_digest, sizeof(struct digest));
}

static struct set_row *find(void *const *tree, const struct row *key, int (*cmp)(const void *, const void *))
{
    struct set_row probe = {.row = *key};
    struct set_row **node = tfind(&probe, tree, cmp);
    return node ? *node : NULL;
}

struct set_row *set_find_id(const struct set *s, const struct row *key)
{
    return find(&s->by_id, key, cmp_id);
}
struct set_row *set_find_input(const struct set *s, const struct row *key)
{
    return find(&s->by_input, key, cmp_input);
}

int set_index_put(struct set *s, struct set_row *r)
{
    struct set_row **a = tsearch(r, &s->by_id, cmp_id), **b = NULL;
    if (a)
        b = tsearch(r, &s->by_input, cmp_input);
    if (!b) {
        if (a && *a == r)
            tdelete(r, &s->by_id, cmp_id);
        return fail(-ENOMEM, "out of memory");
    }
    *a = *b = r;
    return 0;
}

void set_index_remove(struct set *s, const struct set_row *r)
{
    tdelete(r, &s->by_id, cmp_id);
    tdelete(r, &s->by_input, cmp_input);
}

size_t set_place(const struct set *s, uint64_t seq)
{
    size_t lo = 0, hi = s->nrows;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->rows[mid]->stamp.row < seq)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

int set_reserve(struct set *s, size_t n)
{
    if (s->nrows + n <= s->cap)
        return 0;
    size_t cap = s->cap * 2 > s->nrows + n ? s->cap * 2 : s->nrows + n;
    struct set_row **rows = reallocarray(s->rows, cap, sizeof *rows);
    if (!rows)
        return fail(-ENOMEM, "out of memory");
    s->rows = rows;
    s->cap = cap;
    return 0;
}

void set_revision_name(const struct set_revision *r, char ret[32])
{
    snprintf(ret, 32, "E%u.%u", r->epoch, r->step);
}

static int load_row(void *ctx, const struct stored_row *x)
{
    struct set *s = ctx;
    if (x->seq >= s->next_seq)
        s->next_seq = x->seq + 1;
    if (x->state == ROW_REJECTED || x->state == ROW_RETIRED || x->state == ROW_ERASED) {
        s->rejected += x->state == ROW_REJECTED;
        s->retired += x->state == ROW_RETIRED;
        return 0;
    }
    if (x->state != ROW_ACTIVE && x->state != ROW_UNLABELLED)
        return fail(-ENOTSUP, "evaluation row %llu: state %u is unknown here", (unsigned long long)x->seq,
                    (unsigned)x->state);
    struct set_row *r = NULL;
    int err = set_row_make(x->json, x->n, s->settings, (enum row_state)x->state, x->seq, &r);
    if (!err && (err = set_reserve(s, 1)) == 0 && (err = set_index_put(s, r)) == 0) {
        s->rows[s->nrows++] = r;
        s->unlabelled += r->state == ROW_UNLABELLED;
        return 0;
    }
    set_row_unref(r);
    return err;
}

int set_revs_reserve(struct set *s, size_t n)
{
    if (s->nrevs + n <= s->caprevs)
        return 0;
    size_t cap = s->caprevs * 2 > s->nrevs + n ? s->caprevs * 2 : s->nrevs + n;
    struct set_revision *revs = reallocarray(s->revs, cap, sizeof *revs);
    if (!revs)
        return fail(-ENOMEM, "out of memory");
    s->revs = revs;
    s->caprevs = cap;
    return 0;
}

void set_revs_add(struct set *s, const struct set_revision *r)
{
    if (!s->nrevs || s->revs[s->nrevs - 1].serial < r->serial)
        s->revs[s->nrevs++] = *r;
}

static int cmp_revs(const void *a, const void *b)
{
    uint64_t x = ((const struct set_revision *)a)->serial, y = ((const struct set_revision *)b)->serial;
    return (x > y) - (x < y);
}

/* Batches that share a sync may stand in the chain in another order than that of their revisions. */
static int load_event(void *ctx, const struct event *e)
{
    static const char *const kinds[] = {"rows", "config", "retire", "relabel", "erase"};
    struct set *s = ctx;
    struct set_revision r;
    size_t i = 0, n = sizeof kinds / sizeof *kinds;
    while (i < n && strcmp(e->kind, kinds[i]) != 0)
        i++;
    if (i == n)
        return 0;
    json_t *o = json_loadb(e->json, e->n, 0, NULL);
    const char *name = json_string_value(json_object_get(o, "revision"));
    r.serial = (uint64_t)json_integer_value(json_object_get(o, "serial"));
    int err = 0;
    if (name && sscanf(name, "E%u.%u", &r.epoch, &r.step) == 2 && (err = set_revs_reserve(s, 1)) == 0)
        s->revs[s->nrevs++] = r;
    json_decref(o);
    return err;
}

static int load_events(struct set *s)
{
    static const struct set_revision first = {.epoch = 1};
    int err = set_revs_reserve(s, 1);
    if (err)
        return err;
    set_revs_add(s, &first);
    if ((err = events_each(s->store, 1, load_event, s)))
        return err;
    size_t n = s->nrevs;
    qsort(s->revs, n, sizeof *s->revs, cmp_revs);
    s->nrevs = 0;
    for (size_t i = 0; i < n; i++)
        set_revs_add(s, &s->revs[i]); /* each once */
    s->given = s->shown = s->revs[s->nrevs - 1];
    return 0;
}

static void nothing(void *node)
{
    (void)node;
}

static void unload(struct set *s)
{
    view_forget(s);
    tdestroy(s->by_id, nothing);
    tdestroy(s->by_input, nothing);
    s->by_id = s->by_input = NULL;
    for (size_t i = 0; i < s->nrows; i++)
        set_row_unref(s->rows[i]);
    s->nrows = 0;
    s->unlabelled = s->rejected = s->retired = 0;
}

int set_open(struct store *store, struct set **ret)
{
    struct set *s = calloc(1, sizeof *s);
    if (!s)
        return fail(-ENOMEM, "out of memory");
    s->store = store;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->settled, NULL);
    s->next_seq = 1;
    int err = settings_load(store, &s->settings);
    if (!err)
        err = rows_each(store, 1, load_row, s);
    if (!err)
        err = load_events(s);
    s->last_seq = s->next_seq - 1;
    if (err)
        set_close(s);
    else
        *ret = s;
    return err;
}

void set_close(struct set *s)
{
    if (!s)
        return;
    unload(s);
    free(s->rows);
    free(s->revs);
    settings_unref(s->settings);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->settled);
    free(s);
}

struct settings *set_settings(struct set *s)
{
    pthread_mutex_lock(&s->lock);
    struct settings *ret = settings_ref(s->settings);
    pthread_mutex_unlock(&s->lock);
    return ret;
}

void set_settle(struct set *s)
{
    while (s->tickets != s->served)
        pthread_cond_wait(&s->settled, &s->lock);
}

int set_reload(struct set *s)
{
    unload(s);
    return rows_each(s->store, 1, load_row, s);
}

static char *config_event(const struct eval_writer *w, const char *name, const void *p, size_t n,
                          const struct set_revision *rev)
{
    struct digest d;
    char hex[HASH_HEX], text[32];
    hash_sha256(p, n, &d);
    hash_hex(&d, hex);
    set_revision_name(rev, text);
    json_t *o = json_pack("{s:s s:s s:s s:I s:I}", "name", name, "digest", hex, "revision", text, "serial",
                          (json_int_t)rev->serial, "uid", (json_int_t)w->uid);
    if (o && w->name)
        json_object_set_new(o, "by", json_string(w->name));
    char *ret = o ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(o);
    return ret;
}

/* With the lock held and nobody writing. A change of what scores or predicts begins a new epoch. */
static int configure(struct set *s, const struct eval_writer *w, const char *name, const void *p, size_t n,
                     struct settings *new)
{
    struct set_revision rev = s->given;
    if (!hash_equal(&new->scorer, &s->settings->scorer) ||
        !hash_equal(&new->inference, &s->settings->inference))
        rev = (struct set_revision){.epoch = rev.epoch + 1, .serial = rev.serial + 1};
    char *event = config_event(w, name, p, n, &rev);
    int err = event ? set_revs_reserve(s, 1) : fail(-ENOMEM, "out of memory");
    if (!err)
        err = config_set(s->store, name, p, n, event);
    free(event);
    if (err)
        return err;
    s->given = s->shown = rev;
    set_revs_add(s, &rev);
    settings_unref(s->settings);
    s->settings = settings_ref(new);
    return set_reload(s); /* a row's digest contains the scorer's */
}

int set_configure(struct set *s, const struct eval_writer *w, const char *name, const void *p, size_t n)
{
    struct settings *new = NULL;
    pthread_mutex_lock(&s->lock);
    set_settle(s);
    int err = settings_try(s->store, name, p, n, &new);
    if (!err)
        err = configure(s, w, name, p, n, new);
    settings_unref(new);
    pthread_mutex_unlock(&s->lock);
    return err;
}
