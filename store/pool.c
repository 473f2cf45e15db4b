/* SPDX-License-Identifier: Apache-2.0 */
#include "store/pool.h"
#include "store/base/fail.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_THREADS = 16 };

struct pool {
    pthread_mutex_t mutex; /* (m) */
    pthread_cond_t work, idle;
    int (*task)(void *ctx, size_t i, int thread); /* (m) */
    void *ctx;                                    /* (m) */
    size_t next, n, running;                      /* (m) */
    int stop, nthreads;
    int result; /* (m) */
    size_t failed_at;
    char text[512];
    pthread_t thread[MAX_THREADS];
};

struct seat {
    struct pool *p;
    int index;
};

/* Takes tasks until none is left. Called and left with the mutex held. */
static void work(struct pool *p, int thread)
{
    while (p->next < p->n) {
        size_t i = p->next++;
        p->running++;
        pthread_mutex_unlock(&p->mutex);
        int r = p->task(p->ctx, i, thread);
        pthread_mutex_lock(&p->mutex);
        if (r < 0 && (p->result == 0 || i < p->failed_at)) {
            p->result = r;
            p->failed_at = i;
            snprintf(p->text, sizeof p->text, "%s", fail_describe(r));
            p->next = p->n;
        }
        if (--p->running == 0)
            pthread_cond_broadcast(&p->idle);
    }
}

static void *run(void *arg)
{
    struct seat seat = *(struct seat *)arg;
    free(arg);
    struct pool *p = seat.p;
    pthread_mutex_lock(&p->mutex);
    while (!p->stop) {
        work(p, seat.index);
        if (!p->stop)
            pthread_cond_wait(&p->work, &p->mutex);
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

struct pool *pool_new(void)
{
    struct pool *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->idle, NULL);
    p->nthreads = 1;
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    sigset_t all, before; /* signals are for the threads that were there */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (p->nthreads < n && p->nthreads < MAX_THREADS) {
        struct seat *seat = malloc(sizeof *seat);
        if (!seat)
            break;
        *seat = (struct seat){p, p->nthreads};
        if (pthread_create(&p->thread[p->nthreads], NULL, run, seat) != 0) {
            free(seat);
            break;
        }
        p->nthreads++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return p;
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->mutex);
    p->stop = 1;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->mutex);
    for (int i = 1; i < p->nthreads; i++)
        pthread_join(p->thread[i], NULL);
    pthread_cond_destroy(&p->idle);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}

int pool_threads(const struct pool *p)
{
    return p->nthreads;
}

int pool_run(struct pool *p, size_t n, int (*task)(void *ctx, size_t i, int thread), void *ctx)
{
    pthread_mutex_lock(&p->mutex);
    p->task = task;
    p->ctx = ctx;
    p->next = p->result = 0;
    p->n = n;
    if (n > 1)
        pthread_cond_broadcast(&p->work);
    work(p, 0);
    while (p->running)
        pthread_cond_wait(&p->idle, &p->mutex);
    int r = p->result;
    if (r < 0)
        fail(r, "%s", p->text);
    pthread_mutex_unlock(&p->mutex);
    return r;
}
