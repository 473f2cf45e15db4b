/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/erase.h"
#include "fs/eval/inputs.h"
#include "fs/eval/view.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Everything that holds the content: rows of the id, whatever else has an input of theirs, and refused lines
 * that have either. */
struct erasing {
    struct set *set;
    const char *id;
    char *quoted;          /* as a line that does not parse has it */
    struct digest *inputs; /* (ninputs) */
    size_t ninputs, capinputs;
    struct stored_row *rows; /* (nrows) as they will be */
    char **texts;            /* (nrows) owned: their json */
    size_t nrows, caprows;
    struct digest *files; /* (nfiles) of eval/inputs, that the rows refer to */
    size_t nfiles, capfiles;
    struct set_revision rev;
    int64_t now;
    struct eval_erased done;
    int active; /* one of them scores */
};

static int has_input(const struct erasing *x, const struct digest *input)
{
    for (size_t i = 0; i < x->ninputs; i++)
        if (hash_equal(&x->inputs[i], input))
            return 1;
    return 0;
}

/* "id" and the input's digest of a stored row or a refused line; 0: it is neither. */
static int look(const struct stored_row *r, char **ret_id, struct digest *ret_input)
{
    json_t *o = json_loadb(r->json, r->n, 0, NULL);
    const json_t *input = json_object_get(o, "input"), *id = json_object_get(o, "id");
    *ret_id = json_is_string(id) ? strdup(json_string_value(id)) : NULL;
    memset(ret_input, 0, sizeof *ret_input);
    int found = json_is_object(o) && (!input || canon_digest(input, ret_input) == 0);
    json_decref(o);
    return found;
}

static int find_inputs(void *ctx, const struct stored_row *r)
{
    struct erasing *x = ctx;
    char *id = NULL;
    struct digest input;
    int err = 0;
    if (r->state == ROW_ERASED || r->state == ROW_REJECTED)
        return 0;
    if (look(r, &id, &input) && id && strcmp(id, x->id) == 0 && !has_input(x, &input)) {
        if (x->ninputs == x->capinputs) {
            size_t cap = x->capinputs ? 2 * x->capinputs : 4;
            struct digest *more = reallocarray(x->inputs, cap, sizeof *more);
            if (more) {
                x->inputs = more;
                x->capinputs = cap;
            } else {
                err = fail(-ENOMEM, "out of memory");
            }
        }
        if (!err)
            x->inputs[x->ninputs++] = input;
    }
    free(id);
    return err;
}

/* What stays of a row: its digest, and the revisions it was in. */
static char *stub_of(const struct erasing *x, const struct stored_row *r)
{
    char hex[HASH_HEX];
    json_t *old = json_loadb(r->json, r->n, 0, NULL);
    json_t *o = json_pack("{s:b s:I}", "erased", 1, "row", (json_int_t)r->seq);
    if (r->state != ROW_REJECTED) {
        hash_hex(&r->digest, hex);
        json_object_set_new(o, "digest", json_string(hex));
    }
    if (r->state == ROW_ACTIVE || (r->state == ROW_RETIRED && json_object_get(old, "label"))) {
        json_t *left = json_object_get(old, "retired");
        json_object_set(o, "rev", json_object_get(old, "rev"));
        json_object_set_new(o, "retired", left ? json_incref(left) : json_integer((json_int_t)x->rev.serial));
    }
    char *text = o ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(o);
    json_decref(old);
    return text;
}

static int add_file(void *ctx, const struct digest *d)
{
    struct erasing *x = ctx;
    if (x->nfiles == x->capfiles) {
        size_t cap = x->capfiles ? 2 * x->capfiles : 4;
        struct digest *more = reallocarray(x->files, cap, sizeof *more);
        if (!more)
            return fail(-ENOMEM, "out of memory");
        x->files = more;
        x->capfiles = cap;
    }
    x->files[x->nfiles++] = *d;
    return 0;
}

/* Those that no other row refers to go. */
static int choose_files(struct erasing *x)
{
    size_t k = 0;
    for (size_t i = 0; i < x->nfiles; i++) {
        int used = inputs_referred(x->set->store, &x->files[i], x->rows, x->nrows);
        if (used < 0)
            return used;
        if (!used)
            x->files[k++] = x->files[i];
    }
    x->nfiles = k;
    return 0;
}

static int replace(struct erasing *x, const struct stored_row *r)
{
    if (x->nrows == x->caprows) {
        size_t cap = x->caprows ? 2 * x->caprows : 8;
        struct stored_row *rows = reallocarray(x->rows, cap, sizeof *rows);
        if (!rows)
            return fail(-ENOMEM, "out of memory");
        x->rows = rows;
        char **texts = reallocarray(x->texts, cap, sizeof *texts);
        if (!texts)
            return fail(-ENOMEM, "out of memory");
        x->texts = texts;
        x->caprows = cap;
    }
    json_t *row = r->state == ROW_REJECTED ? NULL : json_loadb(r->json, r->n, 0, NULL);
    int err = inputs_each(json_object_get(row, "input"), add_file, x);
    json_decref(row);
    if (err)
        return err;
    char *text = stub_of(x, r);
    if (!text)
        return fail(-ENOMEM, "out of memory");
    x->texts[x->nrows] = text;
    x->rows[x->nrows++] = (struct stored_row){
        .seq = r->seq,
        .state = r->state == ROW_REJECTED ? ROW_REJECTED : ROW_ERASED,
        .digest = r->digest,
        .json = text,
        .n = strlen(text),
        .reason = r->state == ROW_REJECTED ? "erased: its content was erased" : "",
        .uid = r->uid,
        .time_ns = x->now,
    };
    x->active |= r->state == ROW_ACTIVE;
    *(r->state == ROW_REJECTED ? &x->done.lines : &x->done.rows) += 1;
    return 0;
}

static int find_rows(void *ctx, const struct stored_row *r)
{
    struct erasing *x = ctx;
    char *id = NULL;
    struct digest input;
    if (r->state == ROW_ERASED)
        return 0;
    int ours = look(r, &id, &input) ? (id && strcmp(id, x->id) == 0) || has_input(x, &input)
                                    : memmem(r->json, r->n, x->quoted, strlen(x->quoted)) != NULL;
    free(id);
    return ours ? replace(x, r) : 0;
}

static char *event_of(const struct erasing *x, const struct eval_writer *w, const char *reason)
{
    char name[32], hex[HASH_HEX];
    json_t *rows = json_array(), *digests = json_array();
    for (size_t i = 0; i < x->nrows; i++) {
        json_array_append_new(rows, json_integer((json_int_t)x->rows[i].seq));
        hash_hex(&x->rows[i].digest, hex);
        if (x->rows[i].state == ROW_ERASED)
            json_array_append_new(digests, json_string(hex));
    }
    json_t *o = json_pack("{s:o s:o s:s s:I}", "rows", rows, "digests", digests, "reason", reason, "uid",
                          (json_int_t)w->uid);
    if (o && w->name)
        json_object_set_new(o, "by", json_string(w->name));
    if (o && x->active) {
        set_revision_name(&x->rev, name);
        json_object_set_new(o, "revision", json_string(name));
        json_object_set_new(o, "serial", json_integer((json_int_t)x->rev.serial));
    }
    char *text = o ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(o);
    return text;
}

/* With the set's lock held and nobody writing. */
static int erase(struct erasing *x, const struct eval_writer *w, const char *reason)
{
    struct set *s = x->set;
    int err = rows_each(s->store, 1, find_inputs, x);
    if (!err && !x->ninputs) {
        struct out safe = {0};
        out_text(&safe, x->id, strlen(x->id), 80);
        err = fail(-ENOENT, "no row of the set is or was \"%s\"", out_cstr(&safe));
        out_fini(&safe);
    }
    if (!err)
        err = rows_each(s->store, 1, find_rows, x);
    if (!err)
        err = choose_files(x);
    if (!err)
        err = set_revs_reserve(s, 1);
    char *event = err ? NULL : event_of(x, w, reason);
    if (!err && !event)
        err = fail(-ENOMEM, "out of memory");
    if (!err)
        err = rows_erase(s->store, x->rows, x->nrows, x->inputs, x->ninputs, x->files, x->nfiles, event);
    free(event);
    if (err)
        return err;
    if (x->active) {
        s->given = s->shown = x->rev;
        set_revs_add(s, &x->rev);
    }
    return set_reload(s);
}

int erase_row(struct set *s, struct results *r, const struct eval_writer *w, const char *id,
              const char *reason, struct eval_erased *ret)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    struct erasing x = {.set = s, .id = id, .now = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec};
    if (asprintf(&x.quoted, "\"%s\"", id) < 0)
        return fail(-ENOMEM, "out of memory");
    pthread_mutex_lock(&s->lock);
    set_settle(s);
    x.rev = (struct set_revision){.epoch = s->given.epoch + 1, .serial = s->given.serial + 1};
    int err = erase(&x, w, reason);
    pthread_mutex_unlock(&s->lock);
    runs_forget(results_runs(r));
    if (!err)
        err = rows_scrub(s->store);
    if (!err)
        *ret = x.done;
    for (size_t i = 0; i < x.nrows; i++)
        free(x.texts[i]);
    free(x.texts);
    free(x.rows);
    free(x.inputs);
    free(x.files);
    free(x.quoted);
    return err;
}
