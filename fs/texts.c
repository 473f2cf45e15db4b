/* SPDX-License-Identifier: Apache-2.0 */
/* Single flight: one job a key, with the list of who waits; it ends when nobody does. */
#include "fs/texts.h"
#include "fs/keep.h"
#include "store/base/fail.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct text_job {
    struct texts *texts;
    struct digest key;
    struct text_maker maker;
    struct text_ask *waiting; /* (m) */
    atomic_uint nwaiting;
    int (*stop)(void *ctx); /* of the thread that makes it for itself: used by that thread alone; or NULL */
    void *stop_ctx;
    struct text_job *next; /* (m) in `running` or `queue` */
};

struct failure {
    struct digest subject; /* zero: none */
    char why[256];
};

struct texts {
    pthread_mutex_t mutex; /* (m) */
    pthread_cond_t work;
    struct text_job *running, *queue; /* (m) first asked, first made */
    unsigned queued, workers, free;   /* (m) workers: threads there are; free: of these without a job */
    atomic_int closing;
    struct failure failures[TEXTS_FAILURES]; /* (m) a ring */
    unsigned next_failure;
    struct keep *keep;
    pthread_t thread[TEXTS_AT_ONCE];
};

int texts_open(const char *dir, struct texts **ret)
{
    struct texts *t = calloc(1, sizeof *t);
    if (!t)
        return fail(-ENOMEM, "out of memory");
    int r = keep_open(dir, &t->keep);
    if (r < 0) {
        free(t);
        return r;
    }
    pthread_mutex_init(&t->mutex, NULL);
    pthread_cond_init(&t->work, NULL);
    *ret = t;
    return 0;
}

/* Nobody waits, or the repo is being closed. */
static int job_stopped(void *ctx)
{
    struct text_job *j = ctx;
    if (j->stop && j->stop(j->stop_ctx)) { /* others may wait still */
        j->stop = NULL;
        atomic_fetch_sub(&j->nwaiting, 1);
    }
    return atomic_load(&j->nwaiting) == 0 || atomic_load(&j->texts->closing);
}

static struct text_job *job_find(struct text_job *list, const struct digest *key)
{
    while (list && !hash_equal(&list->key, key))
        list = list->next;
    return list;
}

static void job_unlink(struct text_job **list, const struct text_job *j)
{
    while (*list != j)
        list = &(*list)->next;
    *list = j->next;
}

static void job_free(struct text_job *j)
{
    j->maker.drop(j->maker.ctx);
    free(j);
}

static struct text_job *job_new(struct texts *t, const struct digest *key, struct text_maker m)
{
    struct text_job *j = calloc(1, sizeof *j);
    if (!j) {
        m.drop(m.ctx);
        return NULL;
    }
    j->texts = t;
    j->key = *key;
    j->maker = m;
    return j;
}

static void failure_set(struct texts *t, const struct digest *subject, const char *why)
{
    struct failure *at = NULL;
    for (unsigned i = 0; i < TEXTS_FAILURES; i++)
        if (hash_equal(&t->failures[i].subject, subject))
            at = &t->failures[i];
    if (!why) {
        if (at)
            memset(at, 0, sizeof *at);
        return;
    }
    if (!at)
        at = &t->failures[t->next_failure++ % TEXTS_FAILURES];
    at->subject = *subject;
    snprintf(at->why, sizeof at->why, "%s", why);
}

static void tell(struct text_ask *list, int err, const char *why, const struct text *text)
{
    for (struct text_ask *next; list; list = next) {
        next = list->next;
        list->done(list, err, why, text);
    }
}

/* Makes the text of a job in `running` and tells everybody; the job is gone afterwards. When it was stopped
 * and somebody asked again meanwhile, it begins anew. The caller of texts_make gets the text as well. */
static int job_run(struct text_job *j, const struct text **ret)
{
    struct texts *t = j->texts;
    const struct text *text = NULL;
    struct text_ask *waiting;
    int r;
    for (int again = 3;;) {
        struct out o = {0};
        fail_clear();
        r = j->maker.make(j->maker.ctx, job_stopped, j, &o);
        if (r >= 0)
            r = out_error(&o);
        int how = r >= 0 ? j->maker.keep(j->maker.ctx) : TEXTS_PASS;
        if (r >= 0)
            r = how == TEXTS_PASS ? keep_pass(&j->key, &o, &text)
                                  : keep_add(t->keep, &j->key, &o, how == TEXTS_FILE, &text);
        out_fini(&o);
        pthread_mutex_lock(&t->mutex);
        if (r != -EINTR || job_stopped(j) || --again == 0)
            break;
        pthread_mutex_unlock(&t->mutex);
    }
    job_unlink(&t->running, j);
    waiting = j->waiting;
    if (r >= 0)
        failure_set(t, &j->maker.subject, NULL);
    else if (r != -EINTR)
        failure_set(t, &j->maker.subject, fail_describe(r));
    pthread_mutex_unlock(&t->mutex);

    tell(waiting, r < 0 ? r : 0, r < 0 ? fail_describe(r) : "", text);
    job_free(j);
    if (r >= 0 && ret)
        *ret = text_ref(text);
    text_unref(text);
    return r < 0 ? r : 0;
}

static void *worker(void *ctx)
{
    struct texts *t = ctx;
    pthread_mutex_lock(&t->mutex);
    for (;;) {
        struct text_job *j = t->queue;
        if (!j) {
            if (atomic_load(&t->closing))
                break;
            t->free++;
            pthread_cond_wait(&t->work, &t->mutex);
            t->free--;
            continue;
        }
        t->queue = j->next;
        t->queued--;
        j->next = t->running;
        t->running = j;
        pthread_mutex_unlock(&t->mutex);
        job_run(j, NULL);
        pthread_mutex_lock(&t->mutex);
    }
    pthread_mutex_unlock(&t->mutex);
    return NULL;
}

static void join(struct text_job *j, struct text_ask *ask)
{
    ask->next = j->waiting;
    j->waiting = ask;
    atomic_fetch_add(&j->nwaiting, 1);
}

int texts_ask(struct texts *t, const struct digest *key, struct text_maker m, struct text_ask *ask,
              const struct text **ret)
{
    int r = 0;
    struct text_job *j, *unused = job_new(t, key, m);
    if (!unused)
        return fail(-ENOMEM, "out of memory");
    pthread_mutex_lock(&t->mutex);
    if (!(j = job_find(t->running, key)) && !(j = job_find(t->queue, key))) {
        if (keep_find(t->keep, key, ret) == 0) {
            r = 1;
        } else if (t->queued >= TEXTS_QUEUE || atomic_load(&t->closing)) {
            r = fail(-EBUSY, "%u reports are waiting to be made; try again later", t->queued);
        } else if (t->workers == 0 && pthread_create(&t->thread[0], NULL, worker, t) != 0) {
            r = fail(-EAGAIN, "no thread for a report");
        } else {
            t->workers += t->workers == 0;
            if (t->free == 0 && t->workers < TEXTS_AT_ONCE &&
                pthread_create(&t->thread[t->workers], NULL, worker, t) == 0)
                t->workers++;
            struct text_job **last = &t->queue;
            while (*last)
                last = &(*last)->next;
            *last = j = unused;
            unused = NULL;
            t->queued++;
            pthread_cond_signal(&t->work);
        }
    }
    if (j)
        join(j, ask);
    pthread_mutex_unlock(&t->mutex);
    if (unused)
        job_free(unused);
    return r;
}

int texts_cancel(struct texts *t, struct text_ask *ask)
{
    struct text_job *dead = NULL;
    int found = 0;
    pthread_mutex_lock(&t->mutex);
    struct text_job *lists[] = {t->running, t->queue};
    for (int i = 0; i < 2 && !found; i++)
        for (struct text_job *j = lists[i]; j && !found; j = j->next)
            for (struct text_ask **at = &j->waiting; *at; at = &(*at)->next)
                if (*at == ask) {
                    *at = ask->next;
                    found = 1;
                    if (atomic_fetch_sub(&j->nwaiting, 1) == 1 && i == 1)
                        dead = j; /* not begun: forget it */
                    break;
                }
    if (dead) {
        job_unlink(&t->queue, dead);
        t->queued--;
    }
    pthread_mutex_unlock(&t->mutex);
    if (dead)
        job_free(dead);
    return found;
}

/* ---- waiting in the caller's thread for a job of another ---- */

struct waiter {
    struct text_ask ask; /* first */
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    int done, err;
    char why[256];
    const struct text *text;
};

static void waiter_done(struct text_ask *ask, int err, const char *why, const struct text *text)
{
    struct waiter *w = (struct waiter *)ask;
    pthread_mutex_lock(&w->mutex);
    w->err = err;
    snprintf(w->why, sizeof w->why, "%s", why);
    w->text = text_ref(text);
    w->done = 1;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->mutex);
}

/* Looks at stop every 20 ms: there is no way to be told. */
static int waiter_wait(struct texts *t, struct waiter *w, int (*stop)(void *), void *stop_ctx,
                       const struct text **ret)
{
    int given_up = 0;
    pthread_mutex_lock(&w->mutex);
    while (!w->done && !given_up) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += 20000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (!stop)
            pthread_cond_wait(&w->cond, &w->mutex);
        else if (pthread_cond_clockwait(&w->cond, &w->mutex, CLOCK_MONOTONIC, &until) == ETIMEDOUT &&
                 stop(stop_ctx)) {
            pthread_mutex_unlock(&w->mutex);
            given_up = texts_cancel(t, &w->ask);
            pthread_mutex_lock(&w->mutex);
        }
    }
    pthread_mutex_unlock(&w->mutex);
    pthread_mutex_destroy(&w->mutex);
    pthread_cond_destroy(&w->cond);
    if (given_up)
        return fail(-EINTR, "interrupted");
    if (w->err < 0)
        return fail(w->err, "%s", w->why);
    *ret = w->text;
    return 0;
}

int texts_make(struct texts *t, const struct digest *key, struct text_maker m, int (*stop)(void *ctx),
               void *stop_ctx, const struct text **ret)
{
    struct waiter w = {.ask.done = waiter_done};
    struct text_job *j, *mine = job_new(t, key, m);
    if (!mine)
        return fail(-ENOMEM, "out of memory");
    pthread_mutex_lock(&t->mutex);
    int found = 0;
    if ((j = job_find(t->running, key)) || (j = job_find(t->queue, key))) {
        pthread_mutex_init(&w.mutex, NULL);
        pthread_cond_init(&w.cond, NULL);
        join(j, &w.ask);
    } else if ((found = keep_find(t->keep, key, ret) == 0) == 0) {
        mine->next = t->running;
        t->running = mine;
        mine->stop = stop;
        mine->stop_ctx = stop_ctx;
        atomic_store(&mine->nwaiting, 1); /* this thread */
    }
    pthread_mutex_unlock(&t->mutex);
    if (!j && !found)
        return job_run(mine, ret);
    job_free(mine);
    return j ? waiter_wait(t, &w, stop, stop_ctx, ret) : 0;
}

int texts_find(struct texts *t, const struct digest *key, const struct text **ret)
{
    return keep_find(t->keep, key, ret);
}

int texts_put(struct texts *t, struct out *o, const struct text **ret)
{
    struct digest key;
    if (out_error(o))
        return fail(-ENOMEM, "out of memory");
    hash_sha256(o->p, o->n, &key);
    return keep_add(t->keep, &key, o, 0, ret);
}

void texts_clear(struct texts *t)
{
    pthread_mutex_lock(&t->mutex);
    memset(t->failures, 0, sizeof t->failures);
    pthread_mutex_unlock(&t->mutex);
    keep_clear(t->keep);
}

void texts_set_failure(struct texts *t, const struct digest *subject, const char *why)
{
    pthread_mutex_lock(&t->mutex);
    failure_set(t, subject, why);
    pthread_mutex_unlock(&t->mutex);
}

int texts_failure(struct texts *t, const struct digest *subject, const struct text **ret)
{
    struct out o = {0};
    pthread_mutex_lock(&t->mutex);
    for (unsigned i = 0; i < TEXTS_FAILURES && o.n == 0; i++)
        if (hash_equal(&t->failures[i].subject, subject)) {
            out_text(&o, t->failures[i].why, strlen(t->failures[i].why), 0);
            out_char(&o, '\n');
        }
    pthread_mutex_unlock(&t->mutex);
    int r = o.n ? texts_put(t, &o, ret) : -ENOENT;
    out_fini(&o);
    return r;
}

void texts_close(struct texts *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->mutex);
    atomic_store(&t->closing, 1);
    pthread_cond_broadcast(&t->work);
    unsigned n = t->workers;
    pthread_mutex_unlock(&t->mutex);
    for (unsigned i = 0; i < n; i++)
        pthread_join(t->thread[i], NULL);
    keep_close(t->keep);
    pthread_mutex_destroy(&t->mutex);
    pthread_cond_destroy(&t->work);
    free(t);
}
