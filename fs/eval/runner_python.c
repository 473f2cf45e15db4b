/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eval/predict.py in a Python of its own, one for each version that is open.
 *
 * What it raises is an error of the batch, which is then asked again row by row, so that it becomes the row's
 * that caused it. So is its end and a batch that takes too long: then it is started anew, and given up when
 * that happens to LOSSES rows one after the other. An answer that is no answer ends the evaluation.
 */
#include "fs/eval/runner.h"
#include "fs/eval/worker.h"
#include "store/base/arena.h"
#include "store/base/fail.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME    "eval/predict.py"
#define SECONDS 300.0 /* for load, and for a batch */
#define MEMORY  8192u /* MiB of address space; PyTorch alone maps three */
#define LOSSES  3

/* fs/eval/runner_python.py, ended by a NUL */
extern const char runner_python_script[];
__asm__(".pushsection .rodata\n"
        ".global runner_python_script\n"
        "runner_python_script:\n"
        ".incbin \"fs/eval/runner_python.py\"\n"
        ".byte 0\n"
        ".popsection\n");

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char fingerprint[128], problem[256];

/* ---- who may ---- */

static atomic_int everywhere;
static _Thread_local int here;

void runner_allow_python(enum runner_where where, int yes)
{
    if (where == RUNNER_EVERYWHERE)
        atomic_store(&everywhere, yes);
    else
        here = yes;
}

int runner_python_allowed(void)
{
    return here || atomic_load(&everywhere);
}

/* ---- the interpreter ---- */

static const char *interpreter(void)
{
    const char *given = getenv("MODELFS_PYTHON");
    return given && *given ? given : "python3";
}

/* Its version is part of the fingerprint. None of the user's code runs. */
static void find(void)
{
    static const char *const none[] = {NULL};
    const char *argv[] = {interpreter(), "-I", "-c", "import sys; print(sys.version.split()[0])", NULL};
    struct worker_patience p = {.seconds = 30};
    struct worker *w = NULL;
    struct out o = {0};
    int err = worker_start(argv, none, &w);
    if (!err)
        err = worker_ask(w, NULL, 0, &p, &o);
    if (err)
        snprintf(problem, sizeof problem, "%s: no Python here (%.150s)", argv[0], fail_text());
    else
        snprintf(fingerprint, sizeof fingerprint, "python %.32s threads=1 isa=%s batch=2..%d", out_cstr(&o),
                 runner_isa(), RUNNER_BATCH);
    worker_close(w);
    out_fini(&o);
}

static int found(void)
{
    pthread_once(&once, find);
    if (!problem[0])
        return 0;
    int err = fail(-ENOTSUP, "%s", problem);
    fail_hint("apt-get install python3, or MODELFS_PYTHON=/path/to/python3");
    return err;
}

/* ---- one version's ---- */

struct python {
    struct runner r;
    pthread_mutex_t lock;  /* guards all below */
    struct worker *worker; /* NULL: to be started */
    char *source;          /* the text of predict.py as JSON */
    char *dir;
    double seconds;
    char memory[16];
    unsigned lost; /* times it ended or was too slow, since it last answered */
};

static void lose(struct python *p)
{
    worker_close(p->worker);
    p->worker = NULL;
}

/* Puts the words of a failed worker_ask into "eval/predict.py: …". */
static int say_failed(int err)
{
    char why[256];
    snprintf(why, sizeof why, "%s", fail_describe(err));
    return fail(err, NAME ": %s", why);
}

/* One question. An object on success; -EBADMSG: the worker speaks of something else. */
static int ask(struct python *p, const char *line, size_t n, json_t **ret)
{
    struct worker_patience patience = {.seconds = p->seconds, .stop = runner_stop_asked};
    struct out o = {0};
    int err = worker_ask(p->worker, line, n, &patience, &o);
    if (err) {
        err = say_failed(err);
        lose(p);
    } else {
        err = canon_parse(NAME ": its answer", o.p, o.n, 8, ret);
    }
    out_fini(&o);
    return err;
}

static const char *text_of(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static int start(struct python *p)
{
    static const char *const env[] = {
        "OMP_NUM_THREADS=1", "MKL_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", "PYTHONDONTWRITEBYTECODE=1",
        "PYTHONHASHSEED=0",  "PYTHONSAFEPATH=1",  "PYTHONIOENCODING=utf-8", NULL};
    const char *argv[] = {interpreter(), "-c", runner_python_script, p->dir, p->memory, NULL};
    json_t *o = NULL;
    int err = worker_start(argv, env, &p->worker);
    if (!err)
        err = ask(p, p->source, strlen(p->source), &o);
    if (!err && !json_is_true(json_object_get(o, "ready"))) {
        const char *why = text_of(o, "error");
        err = fail(-EBADMSG, NAME ": load: %.300s", why ? why : "no answer");
    }
    json_decref(o);
    if (err)
        lose(p);
    return err;
}

static void python_close(struct runner *r)
{
    struct python *p = (struct python *)r;
    worker_close(p->worker);
    pthread_mutex_destroy(&p->lock);
    free(p->source);
    free(p->dir);
    free(p);
}

static int python_open(const struct runner_source *src, struct runner **ret)
{
    if (!runner_python_allowed())
        return fail(-EPERM, NAME " may not run here");
    int err = found();
    if (err)
        return err;
    struct python *p = calloc(1, sizeof *p);
    if (!p)
        return fail(-ENOMEM, "out of memory");
    const struct spec_model *m = src->spec;
    json_t *source = json_stringn(src->model, src->model_len);
    p->r.engine = &runner_python;
    p->r.sig = (struct runner_signature){
        .output = {.name = "prediction", .dtype = DTYPE_F64}, .producer = "", .objective = ""};
    pthread_mutex_init(&p->lock, NULL);
    p->seconds = m && m->seconds > 0 ? m->seconds : SECONDS;
    snprintf(p->memory, sizeof p->memory, "%u", m && m->memory_mb ? m->memory_mb : MEMORY);
    p->dir = strdup(src->dir);
    p->source = source ? json_dumps(source, JSON_ENCODE_ANY) : NULL;
    json_decref(source);
    err = p->dir && p->source ? start(p) : fail(-ENOMEM, "out of memory");
    if (err)
        python_close(&p->r);
    else
        *ret = &p->r;
    return err;
}

/* ---- asking ---- */

static int take(const json_t *v, struct runner_answer *a)
{
    const char *error = text_of(v, "error"), *text = text_of(v, "text");
    const json_t *values = json_object_get(v, "values"), *x;
    size_t i;
    if (error)
        return (a->error = strdup(error)) ? 0 : -ENOMEM;
    a->width = text ? 1 : json_array_size(values);
    if (text)
        return (a->text = strdup(text)) ? 0 : -ENOMEM;
    if (!a->width)
        return fail(-EBADMSG, NAME ": an answer without values");
    if (!(a->values = calloc(a->width, sizeof *a->values)))
        return -ENOMEM;
    json_array_foreach(values, i, x)
    {
        a->values[i] = json_number_value(x);
    }
    return 0;
}

/* 0: answered; 1: the rows together raised something, fail_text() says what. */
static int ask_rows(struct python *p, const json_t *const *inputs, size_t n, struct runner_answer *ret)
{
    struct out line = {0};
    json_t *o = NULL;
    size_t k = n > 1 ? n : 2;
    int err = p->worker ? 0 : start(p);
    for (size_t i = 0; i < k; i++) {
        out_char(&line, i ? ',' : '[');
        canon_format(inputs[i < n ? i : n - 1], &line);
    }
    out_char(&line, ']');
    if (!err && !(err = out_error(&line)))
        err = ask(p, line.p, line.n, &o);
    out_fini(&line);
    if (err)
        return err;
    const json_t *answers = json_object_get(o, "answers");
    const char *broken = text_of(o, "broken"), *error = text_of(o, "error");
    p->lost = 0;
    if (broken)
        err = fail(-EBADMSG, NAME ": %.300s", broken);
    else if (error)
        err = (fail(-EINVAL, NAME ": %.300s", error), 1);
    else if (json_array_size(answers) != k)
        err = fail(-EBADMSG, NAME ": no answers");
    for (size_t i = 0; !err && i < n; i++)
        err = take(json_array_get(answers, i), &ret[i]);
    json_decref(o);
    return err;
}

static int ask_or_blame(struct python *p, const json_t *const *inputs, size_t n, struct runner_answer *ret)
{
    int err = ask_rows(p, inputs, n, ret), gone = err == -EPIPE || err == -ETIMEDOUT;
    if (err != 1 && !gone)
        return err;
    if (n > 1) {
        for (size_t i = 0; i < n; i++)
            if ((err = ask_or_blame(p, inputs + i, 1, ret + i)))
                return err;
        return 0;
    }
    if (gone && ++p->lost == LOSSES)
        return err;
    return (ret->error = strdup(fail_text())) ? 0 : -ENOMEM;
}

static int python_predict(struct runner *r, const json_t *const *inputs, size_t n, struct runner_answer *ret)
{
    struct python *p = (struct python *)r;
    int err = runner_python_allowed() ? 0 : fail(-EPERM, NAME " may not run here");
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; !err && i < n; i += RUNNER_BATCH)
        err = ask_or_blame(p, inputs + i, n - i < RUNNER_BATCH ? n - i : RUNNER_BATCH, ret + i);
    pthread_mutex_unlock(&p->lock);
    return err;
}

/* Only its author knows what it takes; to ask would be to run it. */
static int python_check(struct runner *r, const json_t *input)
{
    (void)r, (void)input;
    return 0;
}

static int python_fingerprint(const char **ret)
{
    int err = found();
    if (!err)
        *ret = fingerprint;
    return err;
}

const struct runner_engine runner_python = {SPEC_PYTHON,  python_open,  python_predict,
                                            python_check, python_close, python_fingerprint};
