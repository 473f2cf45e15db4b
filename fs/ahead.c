/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/ahead.h"
#include "store/base/fail.h"
#include <errno.h>
#include <linux/ioprio.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ahead {
    struct repo *repo;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    atomic_uint wanted; /* counts changes */
    atomic_int closing;
    unsigned seen; /* of the thread */
};

/* Of this thread alone: on Linux both are a thread's own. */
static void be_idle(void)
{
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 19);
    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
}

/* A newer version goes first, so a change begins anew; what was computed is kept. */
static int stop(void *ctx)
{
    struct ahead *a = ctx;
    return atomic_load(&a->closing) || atomic_load(&a->wanted) != a->seen;
}

static int fill(void *ctx, const struct version *v)
{
    struct ahead *a = ctx;
    int err = stop(a) ? -EINTR : repo_fill(a->repo, v, stop, a);
    return err == -EINTR ? err : 0; /* why a version cannot be evaluated is in its results */
}

static void *run(void *ctx)
{
    struct ahead *a = ctx;
    be_idle();
    pthread_mutex_lock(&a->mutex);
    while (!atomic_load(&a->closing)) {
        if (atomic_load(&a->wanted) == a->seen) {
            pthread_cond_wait(&a->changed, &a->mutex);
            continue;
        }
        a->seen = atomic_load(&a->wanted);
        pthread_mutex_unlock(&a->mutex);
        version_each(repo_store(a->repo), fill, a);
        pthread_mutex_lock(&a->mutex);
    }
    pthread_mutex_unlock(&a->mutex);
    return NULL;
}

int ahead_open(struct repo *r, struct ahead **ret)
{
    struct ahead *a = calloc(1, sizeof *a);
    if (!a)
        return fail(-ENOMEM, "out of memory");
    a->repo = r;
    atomic_init(&a->wanted, 1); /* what is missing now */
    pthread_mutex_init(&a->mutex, NULL);
    pthread_cond_init(&a->changed, NULL);
    int err = pthread_create(&a->thread, NULL, run, a);
    if (err) {
        free(a);
        return fail(-err, "no thread to evaluate ahead");
    }
    *ret = a;
    return 0;
}

void ahead_wake(struct ahead *a)
{
    pthread_mutex_lock(&a->mutex);
    atomic_fetch_add(&a->wanted, 1);
    pthread_cond_signal(&a->changed);
    pthread_mutex_unlock(&a->mutex);
}

void ahead_close(struct ahead *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->mutex);
    atomic_store(&a->closing, 1);
    pthread_cond_signal(&a->changed);
    pthread_mutex_unlock(&a->mutex);
    pthread_join(a->thread, NULL);
    pthread_mutex_destroy(&a->mutex);
    pthread_cond_destroy(&a->changed);
    free(a);
}
