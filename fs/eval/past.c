/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row was in revision n when it had come by then, had its label, and had not left; what it said is in its
 * own "was". What scored is the newest configuration whose event names a revision up to n.
 */
#include "fs/eval/past.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdlib.h>

struct past {
    struct set_revision revision;
    struct settings *settings;
    json_t *digests; /* name: digest of the configuration in force then */
    struct set_row **rows;
    size_t nrows, cap;
    uint64_t retired;
    struct out erased;
};

static int see_config(void *ctx, const struct event *e)
{
    struct past *p = ctx;
    if (strcmp(e->kind, "config") != 0)
        return 0;
    json_t *o = json_loadb(e->json, e->n, 0, NULL);
    const char *name = json_string_value(json_object_get(o, "name"));
    uint64_t serial = (uint64_t)json_integer_value(json_object_get(o, "serial"));
    int bad = name && serial <= p->revision.serial &&
              json_object_set(p->digests, name, json_object_get(o, "digest"));
    json_decref(o);
    return bad ? fail(-ENOMEM, "out of memory") : 0;
}

static int keep(struct past *p, struct set_row *r)
{
    if (p->nrows == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 64;
        struct set_row **rows = reallocarray(p->rows, cap, sizeof *rows);
        if (!rows)
            return fail(-ENOMEM, "out of memory");
        p->rows = rows;
        p->cap = cap;
    }
    p->rows[p->nrows++] = r;
    return 0;
}

/* What is left of an erased row says when it was in the set. */
static int see_erased(struct past *p, const struct stored_row *x)
{
    json_t *o = json_loadb(x->json, x->n, 0, NULL);
    uint64_t from = (uint64_t)json_integer_value(json_object_get(o, "rev"));
    uint64_t until = (uint64_t)json_integer_value(json_object_get(o, "retired"));
    json_decref(o);
    if (from && from <= p->revision.serial && until > p->revision.serial) {
        out_write(&p->erased, x->json, x->n);
        out_char(&p->erased, '\n');
    }
    return out_error(&p->erased);
}

static int see_row(void *ctx, const struct stored_row *x)
{
    struct past *p = ctx;
    struct set_row *r;
    if (x->state == ROW_ERASED)
        return see_erased(p, x);
    if (x->state != ROW_ACTIVE && x->state != ROW_RETIRED)
        return 0;
    int err = set_row_make(x->json, x->n, p->settings, ROW_ACTIVE, x->seq, &r);
    if (err)
        return err;
    uint64_t left = r->stamp.retired;
    p->retired += left && left <= p->revision.serial;
    if (r->stamp.rev > p->revision.serial || (left && left <= p->revision.serial) || !r->row.label) {
        set_row_unref(r);
        return 0;
    }
    r->stamp.retired = 0;
    err = row_at(&r->row, p->revision.serial, &p->settings->scorer);
    if (!err)
        err = keep(p, r);
    if (err)
        set_row_unref(r);
    return err;
}

static int find(struct set *s, const char *name, struct set_revision *ret)
{
    char own[32];
    int found = 0;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; !found && i < s->nrevs; i++) {
        set_revision_name(&s->revs[i], own);
        found = strcmp(own, name) == 0;
        *ret = s->revs[i];
    }
    pthread_mutex_unlock(&s->lock);
    return found ? 0 : -ENOENT;
}

int past_view(struct set *s, const char *name, const struct eval_set **ret)
{
    struct past p = {0};
    int err = find(s, name, &p.revision);
    if (err)
        return err;
    if (!(p.digests = json_object()))
        return fail(-ENOMEM, "out of memory");
    err = events_each(s->store, 1, see_config, &p);
    if (!err)
        err = settings_past(s->store, p.digests, &p.settings);
    if (!err)
        err = rows_each(s->store, 1, see_row, &p);
    const struct view_parts parts = {.settings = p.settings,
                                     .revision = &p.revision,
                                     .rows = p.rows,
                                     .nrows = p.nrows,
                                     .retired = p.retired,
                                     .erased = &p.erased};
    if (!err)
        err = view_make(&parts, ret);
    for (size_t i = 0; i < p.nrows; i++)
        set_row_unref(p.rows[i]);
    free(p.rows);
    out_fini(&p.erased);
    settings_unref(p.settings);
    json_decref(p.digests);
    return err;
}

int past_each(struct set *s, int (*each)(void *ctx, const char *revision), void *ctx)
{
    pthread_mutex_lock(&s->lock);
    size_t n = s->nrevs;
    struct set_revision *revs = calloc(n, sizeof *revs);
    if (revs)
        memcpy(revs, s->revs, n * sizeof *revs);
    pthread_mutex_unlock(&s->lock);
    int err = revs ? 0 : fail(-ENOMEM, "out of memory");
    for (size_t i = 0; !err && i < n; i++) {
        char name[32];
        set_revision_name(&revs[i], name);
        err = each(ctx, name);
    }
    free(revs);
    return err;
}
