/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/runs.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>

struct held {
    struct answers *answers;
    unsigned users;
    int stale; /* nobody gets it any more */
    TAILQ_ENTRY(held) all;
};

struct runs {
    struct store *store;
    pthread_mutex_t lock;            /* guards all below */
    TAILQ_HEAD(held_list, held) all; /* most recently used first */
    uint64_t limit;
};

int runs_open(struct store *s, struct runs **ret)
{
    struct runs *r = calloc(1, sizeof *r);
    if (!r)
        return fail(-ENOMEM, "out of memory");
    r->store = s;
    r->limit = RUNS_MEMORY;
    TAILQ_INIT(&r->all);
    pthread_mutex_init(&r->lock, NULL);
    *ret = r;
    return 0;
}

static void drop(struct runs *r, struct held *h)
{
    TAILQ_REMOVE(&r->all, h, all);
    answers_close(h->answers);
    free(h);
}

void runs_close(struct runs *r)
{
    if (!r)
        return;
    for (struct held *h; (h = TAILQ_FIRST(&r->all));)
        drop(r, h);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static uint64_t bytes(const struct runs *r)
{
    uint64_t n = 0;
    const struct held *h;
    TAILQ_FOREACH(h, &r->all, all)
    n += answers_bytes(h->answers);
    return n;
}

static void shrink(struct runs *r)
{
    struct held *h = TAILQ_LAST(&r->all, held_list), *before;
    for (uint64_t n = bytes(r); h && n > r->limit; h = before) {
        before = TAILQ_PREV(h, held_list, all);
        if (h->users)
            continue;
        n -= answers_bytes(h->answers);
        drop(r, h);
    }
}

int runs_get(struct runs *r, const struct digest *run, struct answers **ret)
{
    int err = 0;
    pthread_mutex_lock(&r->lock);
    struct held *h = TAILQ_FIRST(&r->all);
    while (h && (h->stale || !hash_equal(answers_run(h->answers), run)))
        h = TAILQ_NEXT(h, all);
    if (h) {
        TAILQ_REMOVE(&r->all, h, all);
    } else if (!(h = calloc(1, sizeof *h))) {
        err = fail(-ENOMEM, "out of memory");
    } else if ((err = answers_open(r->store, run, &h->answers))) {
        free(h);
    }
    if (!err) {
        TAILQ_INSERT_HEAD(&r->all, h, all);
        h->users++;
        *ret = h->answers;
    }
    pthread_mutex_unlock(&r->lock);
    return err;
}

void runs_put(struct runs *r, struct answers *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&r->lock);
    struct held *h = TAILQ_FIRST(&r->all);
    while (h->answers != a)
        h = TAILQ_NEXT(h, all);
    h->users--;
    if (h->stale && !h->users)
        drop(r, h);
    shrink(r);
    pthread_mutex_unlock(&r->lock);
}

void runs_forget(struct runs *r)
{
    pthread_mutex_lock(&r->lock);
    for (struct held *h = TAILQ_FIRST(&r->all), *next; h; h = next) {
        next = TAILQ_NEXT(h, all);
        h->stale = 1;
        if (!h->users)
            drop(r, h);
    }
    pthread_mutex_unlock(&r->lock);
}

void runs_limit(struct runs *r, uint64_t n)
{
    pthread_mutex_lock(&r->lock);
    r->limit = n;
    shrink(r);
    pthread_mutex_unlock(&r->lock);
}

uint64_t runs_bytes(struct runs *r)
{
    pthread_mutex_lock(&r->lock);
    uint64_t n = bytes(r);
    pthread_mutex_unlock(&r->lock);
    return n;
}
