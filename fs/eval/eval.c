/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/eval.h"
#include "fs/eval/amend.h"
#include "fs/eval/compare.h"
#include "fs/eval/control.h"
#include "fs/eval/erase.h"
#include "fs/eval/grow.h"
#include "fs/eval/guess.h"
#include "fs/eval/import.h"
#include "fs/eval/inputs.h"
#include "fs/eval/outcome.h"
#include "fs/eval/past.h"
#include "fs/eval/policy.h"
#include "fs/eval/ratchet.h"
#include "fs/eval/runner.h"
#include "fs/eval/scores.h"
#include "fs/eval/state.h"
#include "fs/eval/then.h"
#include "fs/eval/view.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int eval_open(struct store *s, struct eval **ret)
{
    struct eval *e = calloc(1, sizeof *e);
    if (!e)
        return fail(-ENOMEM, "out of memory");
    e->store = s;
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->idle, NULL);
    int err = set_open(s, &e->set);
    if (!err)
        err = models_open(s, &e->models);
    if (!err)
        err = results_open(s, e->models, &e->results);
    if (err)
        eval_close(e);
    else
        *ret = e;
    return err;
}

void eval_close(struct eval *e)
{
    if (!e)
        return;
    results_close(e->results);
    models_close(e->models);
    set_close(e->set);
    pthread_mutex_destroy(&e->lock);
    pthread_cond_destroy(&e->idle);
    free(e);
}

/* A label that the spec does not list would count as wrong for ever: more likely it is a typing error. */
static int check_label(const struct spec *s, const json_t *label)
{
    if (!s->nlabels || !label)
        return 0;
    struct out o = {0}, safe = {0};
    row_label_text(label, &o);
    const char *text = out_cstr(&o);
    size_t i = 0;
    while (i < s->nlabels && strcmp(s->labels[i], text) != 0)
        i++;
    out_text(&safe, text, strlen(text), 40);
    int err =
        i < s->nlabels ? 0 : fail(-EINVAL, "label \"%s\" is not in eval/spec.json's labels", out_cstr(&safe));
    out_fini(&o);
    out_fini(&safe);
    return err;
}

/* The newest version and its model, to see what it takes; NULL when there is none or no engine can tell. */
struct taker {
    const struct version *version;
    struct pick *pick;
    struct models_slot *slot;
    struct runner *runner;
};

static int taker_open(struct eval *e, struct settings *with, struct taker *t)
{
    int err = version_latest(e->store, &t->version);
    if (err)
        return err == -ENOENT ? 0 : err;
    err = pick_make(e->store, t->version, with, &t->pick);
    if (!err && t->pick->engine != SPEC_ENGINE_INFER && t->pick->engine != SPEC_PYTHON &&
        models_runner(e->models, t->pick, &t->slot, &t->runner))
        t->runner = NULL; /* its results will say why */
    return err;
}

static void taker_close(struct eval *e, struct taker *t)
{
    models_release(e->models, t->slot);
    pick_free(t->pick);
    version_unref(t->version);
}

/* Notes in the rows what the newest version is known to say of them. */
static int note_known(struct eval *e, const struct taker *t, struct grow_item *items, size_t n)
{
    int err = 0;
    for (size_t i = 0; !err && t->pick && i < n; i++) {
        struct guess g;
        int known = items[i].row.json ? results_has(e->results, t->pick, &items[i].row.input_digest) : 0;
        if (known <= 0) {
            err = known;
            continue;
        }
        err = guess_make(e, t->version, EVAL_KNOWN, &items[i].row, NULL, NULL, &g);
        if (!err && *g.pred &&
            !(items[i].row.known =
                  json_pack("{s:o s:s}", "version", json_sprintf("v%u", t->version->number), "pred", g.pred)))
            err = fail(-ENOMEM, "out of memory");
    }
    return err;
}

/* What it refers to is there, and the newest version takes it. */
static int check_input(struct eval *e, const struct taker *t, const json_t *input, enum row_reason *ret)
{
    json_t *whole = NULL;
    int refers = inputs_any(input), err = refers ? inputs_resolve(e->store, input, 0, &whole) : 0;
    *ret = err == -EINVAL ? ROW_NO_INPUT : ROW_FINE;
    if (!err && t->runner && (err = runner_check(t->runner, refers ? whole : input)))
        *ret = ROW_SHAPE_MISMATCH;
    json_decref(whole);
    return err;
}

static int judge(struct eval *e, const char *p, size_t n, const struct settings *with, const struct taker *t,
                 struct grow_item *it)
{
    struct row row;
    it->line = p;
    it->n = n;
    int err = row_parse(p, n, &with->scorer, &row, &it->reason);
    if (err && it->reason == ROW_BAD_JSON && it->torn)
        it->reason = ROW_TRUNCATED;
    if (!err && (err = check_label(&with->spec, row.label))) {
        it->reason = ROW_BAD_LABEL;
        row_fini(&row);
    }
    if (!err && (err = check_input(e, t, row.input, &it->reason)))
        row_fini(&row);
    if (!err)
        it->row = row;
    else if (err == -EINVAL)
        snprintf(it->why, sizeof it->why, "%s", fail_text());
    return err == -EINVAL ? 0 : err;
}

/* The lines that are not blank; at most n of them. Returns how many. */
static size_t split(const char *p, size_t n, struct grow_item *ret)
{
    size_t k = 0;
    for (const char *end = p + n; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end;
        const char *next = nl ? nl + 1 : end;
        while (stop > p && strchr(" \t\r", stop[-1]))
            stop--;
        if (stop > p)
            ret[k++] = (struct grow_item){.line = p, .n = (size_t)(stop - p), .torn = !nl};
        p = next;
    }
    return k;
}

int eval_append(struct eval *e, const struct eval_writer *w, const char *p, size_t n, struct eval_added *ret)
{
    size_t lines = 1, k = 0;
    for (size_t i = 0; i < n; i++)
        lines += p[i] == '\n';
    struct grow_item *items = calloc(lines, sizeof *items);
    if (!items)
        return fail(-ENOMEM, "out of memory");
    int err;
    do {
        struct settings *with = set_settings(e->set);
        struct taker t = {0};
        k = split(p, n, items);
        err = k ? taker_open(e, with, &t) : 0;
        for (size_t i = 0; !err && i < k; i++)
            err = judge(e, items[i].line, items[i].n, with, &t, &items[i]);
        if (!err)
            err = note_known(e, &t, items, k);
        taker_close(e, &t);
        if (!err)
            err = grow_add(e->set, with, w, EVAL_ROWS, items, k, ret);
        for (size_t i = 0; i < k; i++)
            grow_item_fini(&items[i]);
        settings_unref(with);
    } while (err == -EAGAIN);
    free(items);
    return err;
}

static int judge_order(enum eval_lines what, const struct settings *with, struct grow_item *it)
{
    int err = amend_parse(what, it);
    if (!err && it->order.json && (err = check_label(&with->spec, it->order.label)) == -EINVAL) {
        it->reason = ROW_BAD_LABEL;
        snprintf(it->why, sizeof it->why, "%s", fail_text());
        grow_item_fini(it);
        err = 0;
    }
    return err;
}

int eval_amend(struct eval *e, const struct eval_writer *w, enum eval_lines what, const char *p, size_t n,
               struct eval_added *ret)
{
    if (what == EVAL_ROWS)
        return eval_append(e, w, p, n, ret);
    if (what == EVAL_OUTCOMES)
        return eval_outcomes_append(e, w, p, n, ret);
    size_t lines = 1;
    for (size_t i = 0; i < n; i++)
        lines += p[i] == '\n';
    struct grow_item *items = calloc(lines, sizeof *items);
    if (!items)
        return fail(-ENOMEM, "out of memory");
    int err;
    do {
        struct settings *with = set_settings(e->set);
        size_t k = split(p, n, items);
        err = 0;
        for (size_t i = 0; !err && i < k; i++)
            err = judge_order(what, with, &items[i]);
        if (!err)
            err = grow_add(e->set, with, w, what, items, k, ret);
        for (size_t i = 0; i < k; i++)
            grow_item_fini(&items[i]);
        settings_unref(with);
    } while (err == -EAGAIN);
    free(items);
    return err;
}

int eval_configure(struct eval *e, const struct eval_writer *w, const char *name, const void *p, size_t n)
{
    if (strncmp(name, "inputs/", 7) == 0)
        return inputs_put(e->store, w, name, p, n);
    return strcmp(name, "gates") ? set_configure(e->set, w, name, p, n) : policy_configure(e->store, w, p, n);
}

int eval_view(struct eval *e, const struct eval_set **ret)
{
    return view_of(e->set, ret);
}
int eval_view_at(struct eval *e, const char *revision, const struct eval_set **ret)
{
    return past_view(e->set, revision, ret);
}
const char *eval_view_erased(const struct eval_set *v)
{
    return view_erased(v);
}
int eval_revisions(struct eval *e, int (*each)(void *ctx, const char *revision), void *ctx)
{
    return past_each(e->set, each, ctx);
}
void eval_view_unref(const struct eval_set *v)
{
    view_unref(v);
}
void eval_view_text(const struct eval_set *v, size_t i, struct out *o)
{
    view_text(v, i, o);
}
int eval_view_find(const struct eval_set *v, const char *id, size_t *ret)
{
    return view_index(v, id, ret);
}
int eval_view_unlabelled(const struct eval_set *v, size_t i, struct out *o)
{
    return view_unlabelled(v, i, o);
}

void eval_revision(struct eval *e, char ret[32], struct digest *ret_digest)
{
    const struct eval_set *v;
    memset(ret_digest, 0, sizeof *ret_digest);
    ret[0] = 0;
    if (view_of(e->set, &v))
        return;
    memcpy(ret, v->revision, sizeof v->revision);
    *ret_digest = v->digest;
    view_unref(v);
}

void eval_known(struct eval *e, struct digest *ret)
{
    char revision[32];
    struct digest set;
    struct hash *h = hash_new();
    memset(ret, 0, sizeof *ret);
    if (!h)
        return;
    eval_revision(e, revision, &set);
    hash_update(h, set.b, sizeof set.b);
    uint64_t known = predictions_known(e->store);
    hash_update(h, &known, sizeof known);
    hash_final(h, ret);
    hash_free(h);
}

static int see_event(void *ctx, const struct event *x)
{
    struct eval *e = ctx;
    e->events_seen = x->seq;
    if (strcmp(x->kind, "predictions") == 0)
        e->newest_import = x->hash;
    return 0;
}

void eval_imports(struct eval *e, struct digest *ret)
{
    pthread_mutex_lock(&e->lock);
    if (events_last(e->store, NULL) > e->events_seen)
        events_each(e->store, e->events_seen + 1, see_event, e);
    *ret = e->newest_import;
    pthread_mutex_unlock(&e->lock);
}

uint64_t eval_memory(struct eval *e, uint64_t bytes)
{
    runs_limit(results_runs(e->results), bytes);
    return runs_bytes(results_runs(e->results));
}

int eval_erase(struct eval *e, const struct eval_writer *w, const char *id, const char *reason,
               struct eval_erased *ret)
{
    return erase_row(e->set, e->results, w, id, reason, ret);
}

int eval_is_input(const char *name)
{
    return inputs_is_name(name);
}

int eval_ratchet(struct eval *e, const struct eval_writer *w, const struct version *v, uint64_t *ret_rows)
{
    return ratchet_turn(e, w, v, ret_rows);
}

int eval_lacks_engine(struct eval *e)
{
    (void)e;
    return runner_lacking();
}

void eval_set_mode(struct eval *e, enum eval_mode m)
{
    e->mode = m;
}
enum eval_mode eval_mode(struct eval *e)
{
    return e->mode;
}
enum eval_want eval_reading(struct eval *e)
{
    return e->mode == EVAL_OFF ? EVAL_KNOWN : EVAL_COMPUTE;
}

static void want(struct eval *e, int more)
{
    pthread_mutex_lock(&e->lock);
    e->wanting += (unsigned)more;
    if (!e->wanting)
        pthread_cond_broadcast(&e->idle);
    pthread_mutex_unlock(&e->lock);
}

int eval_version(struct eval *e, const struct version *v, enum eval_want how, const struct eval_set *set,
                 int (*progress)(void *ctx, uint64_t done, uint64_t all), void *ctx, struct eval_result **ret)
{
    if (how == EVAL_KNOWN)
        return results_version(e->results, v, how, set, progress, ctx, ret);
    want(e, 1);
    int err = results_version(e->results, v, how, set, progress, ctx, ret);
    want(e, -1);
    return err;
}

/* ---- ahead of the readers ---- */

struct filling {
    struct eval *eval;
    int (*stop)(void *ctx);
    void *ctx;
    int begun, gives_way;
    uint64_t first, last;
};

static int filled(void *ctx, uint64_t done, uint64_t all)
{
    struct filling *f = ctx;
    (void)all;
    if (!f->begun++)
        f->first = done;
    f->last = done;
    pthread_mutex_lock(&f->eval->lock);
    f->gives_way = f->eval->wanting > 0;
    pthread_mutex_unlock(&f->eval->lock);
    return f->gives_way || f->stop(f->ctx);
}

/* Until nobody else computes; looks at stop every 50 ms, since there is no way to be told. */
static void wait_idle(struct filling *f)
{
    pthread_mutex_lock(&f->eval->lock);
    while (f->eval->wanting && !f->stop(f->ctx)) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += 50000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_clockwait(&f->eval->idle, &f->eval->lock, CLOCK_MONOTONIC, &until);
    }
    pthread_mutex_unlock(&f->eval->lock);
}

int eval_fill(struct eval *e, const struct version *v, int (*stop)(void *ctx), void *ctx,
              uint64_t *ret_computed)
{
    struct filling f = {.eval = e, .stop = stop, .ctx = ctx};
    int err;
    *ret_computed = 0;
    do {
        const struct eval_set *set;
        struct eval_result *r = NULL;
        wait_idle(&f);
        f.begun = f.gives_way = 0;
        f.first = f.last = 0;
        if ((err = view_of(e->set, &set)))
            break;
        err = stop(ctx) ? fail(-EINTR, "stopped")
                        : results_version(e->results, v, EVAL_COMPUTE, set, filled, &f, &r);
        *ret_computed += f.last - f.first;
        results_free(r);
        view_unref(set);
    } while (err == -EINTR && f.gives_way && !stop(ctx));
    return err;
}

void eval_result_free(struct eval_result *r)
{
    results_free(r);
}

int eval_import(struct eval *e, const struct eval_writer *w, const struct version *v, const char *p, size_t n,
                struct eval_added *ret)
{
    const struct eval_set *set;
    int err = view_of(e->set, &set);
    if (err)
        return err;
    err = import_lines(e->results, e->store, set, w, v, p, n, ret);
    view_unref(set);
    return err;
}

int eval_scores(const struct eval_result *r, struct arena *a, struct eval_score **ret, size_t *ret_n)
{
    return scores_of(r, a, ret, ret_n);
}

int eval_compare(const struct eval_result *ra, const struct eval_result *rb, struct arena *a,
                 struct eval_compare *ret)
{
    return compare_results(ra, rb, a, ret);
}

void eval_status(struct eval *e, struct eval_status *ret)
{
    results_status(e->results, ret);
}

int eval_outcomes_append(struct eval *e, const struct eval_writer *w, const char *p, size_t n,
                         struct eval_added *ret)
{
    pthread_mutex_lock(&e->lock);
    int err = outcome_append(e->store, w, p, n, ret);
    pthread_mutex_unlock(&e->lock);
    return err;
}

int eval_outcomes(struct eval *e, struct arena *a, struct eval_outcome **ret, size_t *ret_n)
{
    return outcome_list(e->store, a, ret, ret_n);
}

int eval_outcomes_text(struct eval *e, struct out *o)
{
    return outcome_text(e->store, o);
}

int eval_score_then(struct eval *e, const struct eval_result *r, int64_t time_ns, struct eval_then *ret)
{
    struct eval_then t = {.unit = ""};
    uint64_t serial;
    int err = then_revision(e->store, r->set, time_ns, &t, &serial);
    if (!err && (err = then_score(r, serial, &t)) == 0)
        *ret = t;
    return err;
}

int eval_control(struct eval *e, const struct eval_result *r, enum eval_want want,
                 int (*progress)(void *ctx, uint64_t done, uint64_t all), void *ctx, struct eval_control *ret)
{
    struct eval_result *again;
    if (r->problem || !r->complete || !strcmp(r->engine, "imported"))
        return -ENOENT;
    int err =
        results_again(e->results, r->version, want, r->set, control_rows(r->version), progress, ctx, &again);
    if (err)
        return err;
    control_compare(r, again, ret);
    results_free(again);
    return ret->rows ? 0 : -ENOENT;
}
