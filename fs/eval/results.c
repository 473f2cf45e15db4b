/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/results.h"
#include "fs/eval/cells.h"
#include "fs/eval/inputs.h"
#include "fs/eval/intervals.h"
#include "fs/eval/price.h"
#include "fs/eval/view.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define CHUNK (8 * RUNNER_BATCH) /* rows between two writes to the store, at most */
#define PAUSE 0.2 /* seconds between two writes, about: how soon a reader that gives up is let go */

struct results {
    struct store *store;
    struct models *models;
    struct intervals *intervals;
    struct runs *runs;
    pthread_mutex_t lock; /* guards all below */
    uint64_t done, all;   /* rows of what is being computed */
    unsigned running;
    const struct version *version; /* the newest of them; a reference */
    struct timespec began;
};

int results_open(struct store *s, struct models *m, struct results **ret)
{
    struct results *r = calloc(1, sizeof *r);
    if (!r || !(r->intervals = intervals_new())) {
        free(r);
        return fail(-ENOMEM, "out of memory");
    }
    r->store = s;
    r->models = m;
    pthread_mutex_init(&r->lock, NULL);
    int err = runs_open(s, &r->runs);
    if (err)
        results_close(r);
    else
        *ret = r;
    return err;
}

void results_close(struct results *r)
{
    if (!r)
        return;
    runs_close(r->runs);
    intervals_free(r->intervals);
    version_unref(r->version);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

struct runs *results_runs(struct results *r)
{
    return r->runs;
}

void results_import_run(const struct version *v, struct digest *ret)
{
    uint8_t text[9 + sizeof v->digest.b] = "imported";
    memcpy(text + 9, v->digest.b, sizeof v->digest.b);
    hash_sha256(text, sizeof text, ret);
}

static int engine_run(const struct pick *p, const char *fingerprint, struct digest *ret)
{
    struct hash *h = hash_new();
    if (!h)
        return fail(-ENOMEM, "out of memory");
    hash_update(h, p->content.b, sizeof p->content.b);
    hash_update(h, fingerprint, strlen(fingerprint));
    hash_final(h, ret);
    hash_free(h);
    return 0;
}

/* ---- what runs now ---- */

static void work_begin(struct results *r, const struct version *v, uint64_t all)
{
    pthread_mutex_lock(&r->lock);
    if (r->running++ == 0) {
        r->done = r->all = 0;
        clock_gettime(CLOCK_MONOTONIC, &r->began);
    }
    r->all += all;
    version_unref(r->version);
    r->version = version_ref(v);
    pthread_mutex_unlock(&r->lock);
}

static void work_done(struct results *r, uint64_t n)
{
    pthread_mutex_lock(&r->lock);
    r->done += n;
    pthread_mutex_unlock(&r->lock);
}

static void work_end(struct results *r)
{
    pthread_mutex_lock(&r->lock);
    if (--r->running == 0) {
        version_unref(r->version);
        r->version = NULL;
    }
    pthread_mutex_unlock(&r->lock);
}

void results_status(struct results *r, struct eval_status *ret)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    pthread_mutex_lock(&r->lock);
    *ret = (struct eval_status){.version = r->version ? version_ref(r->version) : NULL};
    if (r->running) {
        ret->done = r->done;
        ret->all = r->all;
        ret->seconds =
            (double)(now.tv_sec - r->began.tv_sec) + 1e-9 * (double)(now.tv_nsec - r->began.tv_nsec);
    }
    pthread_mutex_unlock(&r->lock);
}

/* ---- computing ---- */

struct job {
    struct results *results;
    struct answers *answers, *given; /* the engine's; imported ones */
    struct pick *pick;
    const struct eval_set *set;
    const char *fingerprint;
    const struct version *version;
    size_t rows;  /* the first of the set's that are to be answered */
    size_t known; /* of them, those that had answers when this began */
    int again;    /* the second time, for the A/A control: a run of its own */
    int (*progress)(void *ctx, uint64_t done, uint64_t all);
    void *ctx;
};

static size_t missing(const struct job *j)
{
    size_t n, k = 0;
    for (size_t i = 0; i < j->rows; i++)
        k += !answers_get(j->answers, &j->set->rows[i]->input_digest, &n);
    return k;
}

static int given_up(void *ctx)
{
    const struct job *j = ctx;
    return j->progress && j->progress(j->ctx, j->rows - missing(j), j->rows);
}

/* What a later reader needs to know of the run without opening the model. */
static int note(const struct job *j, const struct runner_signature *s)
{
    json_t *labels = json_array();
    for (size_t i = 0; i < s->nlabels; i++)
        json_array_append_new(labels, json_string(s->labels[i]));
    json_t *o =
        json_pack("{s:s s:s s:s s:s s:i s:o}", "engine", spec_engine_name(j->pick->engine), "fingerprint",
                  j->fingerprint, "producer", s->producer ? s->producer : "", "objective",
                  s->objective ? s->objective : "", "output", (int)s->output.dtype, "labels", labels);
    int err = o ? answers_set_about(j->answers, o) : fail(-ENOMEM, "out of memory");
    json_decref(o);
    return err;
}

/* Runs and stores n rows, n <= CHUNK. */
static int run_chunk(const struct job *j, struct runner *runner, const struct row *const *rows, size_t n,
                     int *ret_refused)
{
    const json_t *inputs[CHUNK] = {NULL};
    json_t *whole[CHUNK] = {NULL};
    struct runner_answer answers[CHUNK];
    struct stored_prediction p[CHUNK];
    struct out bytes[CHUNK] = {{0}};
    int err = 0;
    for (size_t i = 0; !err && i < n; i++) {
        inputs[i] = rows[i]->input;
        if (inputs_any(inputs[i]) && (err = inputs_resolve(j->results->store, rows[i]->input,
                                                           j->pick->engine == SPEC_PYTHON, &whole[i])) == 0)
            inputs[i] = whole[i];
    }
    if (!err)
        err = runner_predict(runner, inputs, n, answers);
    for (size_t i = 0; i < n; i++)
        json_decref(whole[i]);
    if (err) {
        *ret_refused = err != -ENOMEM && err != -EINTR;
        return err;
    }
    for (size_t i = 0; i < n; i++) {
        answers_format(&answers[i], &bytes[i]);
        p[i] = (struct stored_prediction){rows[i]->input_digest, bytes[i].p, bytes[i].n};
        if (out_error(&bytes[i]))
            err = fail(-ENOMEM, "out of memory");
        runner_answer_fini(&answers[i]);
    }
    if (!err)
        err = answers_put(j->answers, p, n, 0);
    for (size_t i = 0; i < n; i++)
        out_fini(&bytes[i]);
    return err;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int run_missing(const struct job *j, struct runner *runner, int *ret_refused)
{
    const struct row *rows[CHUNK];
    size_t n, k = 0, most = RUNNER_BATCH, all = j->rows, known = all - missing(j);
    int err = 0;
    for (size_t i = 0; !err && i < all; i++) {
        if (!answers_get(j->answers, &j->set->rows[i]->input_digest, &n))
            rows[k++] = j->set->rows[i];
        if (k > 0 && inputs_any(rows[k - 1]->input)) /* they are large: few at once */
            most = RUNNER_BATCH;
        if (k == 0 || (k < most && i + 1 < all))
            continue;
        if (j->progress && j->progress(j->ctx, known, all))
            return fail(-EINTR, "stopped");
        double began = now();
        err = run_chunk(j, runner, rows, k, ret_refused);
        most = now() - began > PAUSE ? RUNNER_BATCH : most < CHUNK ? 2 * most : CHUNK;
        known += k;
        work_done(j->results, k);
        k = 0;
    }
    if (!err && j->progress && j->progress(j->ctx, known, all))
        err = fail(-EINTR, "stopped");
    return err;
}

static int stop_asked(void *ctx)
{
    const struct job *j = ctx;
    return j->progress(j->ctx, j->known, j->rows);
}

/* *ret_refused: the engine does not take the model, or gave up on it; fail_text() says why. */
static int compute_alone(struct job *j, int *ret_refused)
{
    struct models_slot *slot;
    struct runner *runner;
    size_t n = missing(j);
    if (!n)
        return 0;
    j->known = j->rows - n;
    runner_set_stop(j->progress ? stop_asked : NULL, j);
    int err = models_runner(j->results->models, j->pick, &slot, &runner);
    if (err) {
        runner_set_stop(NULL, NULL);
        *ret_refused = err != -ENOMEM && err != -EINTR;
        return err;
    }
    work_begin(j->results, j->version, n);
    err = note(j, runner_signature(runner));
    if (!err)
        err = run_missing(j, runner, ret_refused);
    work_end(j->results);
    runner_set_stop(NULL, NULL);
    models_release(j->results->models, slot);
    return err;
}

static int compute(struct job *j, int *ret_refused)
{
    int err = 0;
    *ret_refused = 0;
    while (!err && missing(j)) {
        int mine = answers_begin(j->answers, given_up, j);
        if (mine < 0)
            return mine;
        if (!mine)
            continue;
        err = compute_alone(j, ret_refused);
        answers_end(j->answers);
    }
    return err;
}

/* ---- one version ---- */

struct result {
    struct eval_result r; /* first */
    struct arena arena;
};

void results_free(struct eval_result *r)
{
    if (!r)
        return;
    struct result *x = (struct result *)r;
    version_unref(r->version);
    view_unref(r->set);
    arena_fini(&x->arena);
    free(x);
}

static int problem(struct result *x, const char *why, const char *hint)
{
    x->r.problem = arena_strdup(&x->arena, why);
    x->r.hint = hint && *hint ? arena_strdup(&x->arena, hint) : pick_ways_in;
    return x->r.problem && x->r.hint ? 0 : fail(-ENOMEM, "out of memory");
}

/* With a problem, whoever found it, there are ways in and cells all the same: every one unknown. */
static int no_cells(struct result *x)
{
    if (!x->r.hint)
        x->r.hint = pick_ways_in;
    x->r.known = x->r.errors = 0;
    x->r.cells = arena_array(&x->arena, x->r.set->nrows + 1, sizeof *x->r.cells);
    if (!x->r.cells)
        return fail(-ENOMEM, "out of memory");
    for (size_t i = 0; i < x->r.set->nrows; i++) {
        struct eval_cell *c = &x->r.cells[i];
        c->right = c->label = c->pred = -1;
        c->value = c->truth = c->p_label = c->loss = c->margin = __builtin_nan("");
    }
    x->r.complete = 0;
    return 0;
}

static int version_labels(struct result *x, const struct pick *p, struct cells *c)
{
    const char **labels = arena_array(&x->arena, p->nlabels + 1, sizeof *labels);
    for (size_t i = 0; labels && i < p->nlabels; i++)
        if (!(labels[i] = arena_strdup(&x->arena, p->labels[i])))
            return fail(-ENOMEM, "out of memory");
    c->version_labels = labels;
    c->nversion_labels = p->nlabels;
    return labels ? 0 : fail(-ENOMEM, "out of memory");
}

static int not_allowed(struct result *x, size_t waiting)
{
    char why[160];
    runner_lack();
    snprintf(why, sizeof why, "eval/predict.py may not run here: %zu of %zu rows wait for it", waiting,
             x->r.set->nrows);
    return problem(x, why, "allow it: modelfs eval REPO --allow-python, or mount with -o allow_python");
}

static void again_run(struct digest *run)
{
    uint8_t text[6 + sizeof run->b] = "again";
    memcpy(text + 6, run->b, sizeof run->b);
    hash_sha256(text, sizeof text, run);
}

static int by_engine(struct results *r, struct job *j, enum eval_want want, struct result *x, struct cells *c)
{
    int refused = 0, err = engine_run(j->pick, j->fingerprint, &x->r.run);
    if (!err && j->again)
        again_run(&x->r.run);
    if (!err)
        err = runs_get(r->runs, &x->r.run, &j->answers);
    if (err)
        return err;
    x->r.model = j->pick->content;
    x->r.engine = spec_engine_name(j->pick->engine);
    x->r.fingerprint = j->fingerprint;
    size_t waiting = missing(j);
    if (want == EVAL_COMPUTE && waiting && j->pick->engine == SPEC_PYTHON && !runner_python_allowed())
        return not_allowed(x, waiting);
    if (want == EVAL_COMPUTE && waiting && (err = compute(j, &refused)) && refused)
        return problem(x, fail_text(), fail_hint_text());
    c->answers = j->answers;
    return err ? err : cells_of_engine(c, &x->r);
}

int results_has(struct results *r, const struct pick *p, const struct digest *input)
{
    struct digest run;
    struct answers *a;
    const char *fingerprint;
    size_t n;
    if (p->engine == SPEC_ENGINE_INFER || runner_fingerprint(p->engine, &fingerprint))
        return 0;
    int err = engine_run(p, fingerprint, &run);
    if (!err)
        err = runs_get(r->runs, &run, &a);
    if (err)
        return err;
    int known = answers_get(a, input, &n) != NULL;
    runs_put(r->runs, a);
    return known;
}

static int by_import(struct answers *given, struct result *x, struct cells *c)
{
    x->r.run = *answers_run(given);
    uint64_t sum = answers_sum(given);
    hash_sha256(&sum, sizeof sum, &x->r.model);
    x->r.engine = x->r.fingerprint = "imported";
    c->answers = given;
    return cells_of_import(c, &x->r);
}

/* Whose predictions: see struct eval_result. */
static int choose(struct results *r, struct job *j, enum eval_want want, struct result *x, struct cells *c)
{
    struct digest run;
    results_import_run(j->version, &run);
    int err = runs_get(r->runs, &run, &j->given);
    if (err)
        return err;
    int have = answers_count(j->given) > 0;
    if (have && (j->pick->engine == SPEC_ENGINE_INFER || !j->pick->spec))
        return by_import(j->given, x, c);
    if (j->pick->engine == SPEC_ENGINE_INFER)
        return problem(x, j->pick->problem, NULL);
    if ((err = runner_fingerprint(j->pick->engine, &j->fingerprint)))
        return have             ? by_import(j->given, x, c)
               : err == -ENOMEM ? err
                                : problem(x, fail_text(), fail_hint_text());
    return by_engine(r, j, want, x, c);
}

static int make(struct results *r, struct job *j, enum eval_want want, struct eval_result **ret)
{
    struct result *x = calloc(1, sizeof *x);
    if (!x)
        return fail(-ENOMEM, "out of memory");
    x->r.version = version_ref(j->version);
    x->r.set = view_ref(j->set);
    x->r.intervals = r->intervals;
    x->r.engine = x->r.fingerprint = "";
    struct cells c = {.arena = &x->arena};
    int err = pick_make(r->store, j->version, view_settings(j->set), &j->pick);
    if (!err && j->again && j->pick->engine != SPEC_ONNX && j->pick->engine != SPEC_XGBOOST)
        err = -ENOENT;
    if (!err)
        err = version_labels(x, j->pick, &c);
    if (!err)
        err = choose(r, j, want, x, &c);
    if (!err && x->r.problem)
        err = no_cells(x);
    if (!err)
        err = price_cells(&x->r);
    runs_put(r->runs, j->answers);
    runs_put(r->runs, j->given);
    pick_free(j->pick);
    if (err)
        results_free(&x->r);
    else
        *ret = &x->r;
    return err;
}

int results_version(struct results *r, const struct version *v, enum eval_want want,
                    const struct eval_set *set, int (*progress)(void *ctx, uint64_t done, uint64_t all),
                    void *ctx, struct eval_result **ret)
{
    struct job j = {
        .results = r, .set = set, .version = v, .rows = set->nrows, .progress = progress, .ctx = ctx};
    return make(r, &j, want, ret);
}

int results_again(struct results *r, const struct version *v, enum eval_want want, const struct eval_set *set,
                  size_t rows, int (*progress)(void *ctx, uint64_t done, uint64_t all), void *ctx,
                  struct eval_result **ret)
{
    struct job j = {.results = r,
                    .set = set,
                    .version = v,
                    .rows = rows < set->nrows ? rows : set->nrows,
                    .again = 1,
                    .progress = progress,
                    .ctx = ctx};
    struct eval_result *again;
    int err = make(r, &j, want, &again);
    if (err)
        return err;
    if (again->problem || !strcmp(again->engine, "imported")) {
        results_free(again);
        return -ENOENT;
    }
    *ret = again;
    return 0;
}
