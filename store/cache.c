/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table of entries, each on the list of its use: in flight, or ready and, while nobody holds it, in
 * the order of its last use. One mutex guards all of it; fetching and copying happen outside.
 */
#include "store/cache.h"
#include "store/base/fail.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUCKETS = 8192, QUEUE = 1024, MAX_THREADS = 16 };

struct cache_entry {
    struct cache_chunk chunk;
    struct cache_entry *hash_next;     /* (m) */
    struct cache_entry *newer, *older; /* (m) in the list of the unheld */
    unsigned held;                     /* (m) readers, and the fetching thread */
    int ready;                         /* (m) 1: p is final; 0: being fetched; -errno: it failed */
    int listed;                        /* (m) in the hash table */
    char *text;                        /* why it failed, for the others that waited */
    uint8_t *p;
};

struct cache {
    pthread_mutex_t mutex; /* (m) */
    pthread_cond_t ready, work;
    cache_fetch fetch;
    void *ctx;
    struct cache_entry *bucket[BUCKETS];
    struct cache_entry *newest, *oldest;
    uint64_t limit, bytes, hits, fetches;
    struct cache_chunk queue[QUEUE]; /* ring of wishes */
    size_t queue_first, queue_n;
    int stop, nthreads;
    pthread_t thread[MAX_THREADS];
};

struct cache *cache_new(uint64_t limit, cache_fetch fetch, void *ctx)
{
    struct cache *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    pthread_mutex_init(&c->mutex, NULL);
    pthread_cond_init(&c->ready, NULL);
    pthread_cond_init(&c->work, NULL);
    c->limit = limit;
    c->fetch = fetch;
    c->ctx = ctx;
    return c;
}

static struct cache_entry **bucket_of(struct cache *c, uint64_t id)
{
    return &c->bucket[(id * UINT64_C(0x9e3779b97f4a7c15)) >> 51];
}

static void unlink_unheld(struct cache *c, struct cache_entry *e)
{
    *(e->newer ? &e->newer->older : &c->newest) = e->older;
    *(e->older ? &e->older->newer : &c->oldest) = e->newer;
    e->newer = e->older = NULL;
}

static void unlist(struct cache *c, struct cache_entry *e)
{
    struct cache_entry **at = bucket_of(c, e->chunk.id);
    while (*at != e)
        at = &(*at)->hash_next;
    *at = e->hash_next;
    e->listed = 0;
    c->bytes -= e->chunk.n;
}

static void entry_free(struct cache_entry *e)
{
    free(e->p);
    free(e->text);
    free(e);
}

/* Drops what was unused longest until the rest is within the limit. */
static void shrink(struct cache *c)
{
    while (c->bytes > c->limit && c->oldest) {
        struct cache_entry *e = c->oldest;
        unlink_unheld(c, e);
        unlist(c, e);
        entry_free(e);
    }
}

static void release(struct cache *c, struct cache_entry *e)
{
    if (--e->held)
        return;
    if (!e->listed) {
        entry_free(e);
        return;
    }
    e->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
    shrink(c);
}

void cache_free(struct cache *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->mutex);
    c->stop = 1;
    pthread_cond_broadcast(&c->work);
    pthread_mutex_unlock(&c->mutex);
    for (int i = 0; i < c->nthreads; i++)
        pthread_join(c->thread[i], NULL);
    c->limit = 0;
    shrink(c);
    pthread_cond_destroy(&c->work);
    pthread_cond_destroy(&c->ready);
    pthread_mutex_destroy(&c->mutex);
    free(c);
}

void cache_limit(struct cache *c, uint64_t bytes)
{
    pthread_mutex_lock(&c->mutex);
    c->limit = bytes;
    shrink(c);
    pthread_mutex_unlock(&c->mutex);
}

static struct cache_entry *lookup(struct cache *c, uint64_t id)
{
    struct cache_entry *e = *bucket_of(c, id);
    while (e && e->chunk.id != id)
        e = e->hash_next;
    return e;
}

/* A new entry, held by the caller and listed as in flight. (m) */
static struct cache_entry *enlist(struct cache *c, const struct cache_chunk *chunk)
{
    struct cache_entry *e = calloc(1, sizeof *e);
    if (!e || !(e->p = malloc(chunk->n ? chunk->n : 1))) {
        free(e);
        return NULL;
    }
    struct cache_entry **at = bucket_of(c, chunk->id);
    e->chunk = *chunk;
    e->held = 1;
    e->listed = 1;
    e->hash_next = *at;
    *at = e;
    c->bytes += chunk->n;
    c->fetches++;
    shrink(c);
    return e;
}

int cache_get(struct cache *c, const struct cache_chunk *chunk, struct cache_entry **ret)
{
    pthread_mutex_lock(&c->mutex);
    struct cache_entry *e = lookup(c, chunk->id);
    if (e && (e->chunk.n != chunk->n || e->chunk.xxh3 != chunk->xxh3)) {
        pthread_mutex_unlock(&c->mutex);
        return fail(-EBADMSG, "two records disagree on chunk %llu", (unsigned long long)chunk->id);
    }
    int r;
    if (e) {
        if (e->held++ == 0)
            unlink_unheld(c, e);
        c->hits++;
        while (!e->ready)
            pthread_cond_wait(&c->ready, &c->mutex);
        r = e->ready < 0 ? fail(e->ready, "%s", e->text ? e->text : strerror(-e->ready)) : 0;
    } else if ((e = enlist(c, chunk)) != NULL) {
        pthread_mutex_unlock(&c->mutex);
        r = c->fetch(c->ctx, chunk, e->p);
        char *text = r < 0 ? strdup(fail_describe(r)) : NULL;
        pthread_mutex_lock(&c->mutex);
        e->ready = r < 0 ? r : 1;
        e->text = text;
        if (r < 0) /* not kept: the next reader tries again */
            unlist(c, e);
        pthread_cond_broadcast(&c->ready);
    } else {
        r = fail(-ENOMEM, "out of memory");
    }
    if (e && r < 0)
        release(c, e);
    pthread_mutex_unlock(&c->mutex);
    if (r == 0)
        *ret = e;
    return r;
}

const void *cache_data(const struct cache_entry *e)
{
    return e->p;
}

void cache_put(struct cache *c, struct cache_entry *e)
{
    pthread_mutex_lock(&c->mutex);
    release(c, e);
    pthread_mutex_unlock(&c->mutex);
}

static void *prefetcher(void *arg)
{
    struct cache *c = arg;
    pthread_mutex_lock(&c->mutex);
    while (!c->stop) {
        if (c->queue_n == 0) {
            pthread_cond_wait(&c->work, &c->mutex);
            continue;
        }
        struct cache_chunk chunk = c->queue[c->queue_first];
        c->queue_first = (c->queue_first + 1) % QUEUE;
        c->queue_n--;
        if (lookup(c, chunk.id))
            continue;
        pthread_mutex_unlock(&c->mutex);
        struct cache_entry *e;
        if (cache_get(c, &chunk, &e) == 0)
            cache_put(c, e);
        pthread_mutex_lock(&c->mutex);
    }
    pthread_mutex_unlock(&c->mutex);
    return NULL;
}

void cache_prefetch(struct cache *c, const struct cache_chunk *chunk)
{
    pthread_mutex_lock(&c->mutex);
    if (c->nthreads == 0) {
        long n = sysconf(_SC_NPROCESSORS_ONLN);
        sigset_t all, before; /* signals are for the threads that were there */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        while (c->nthreads < n && c->nthreads < MAX_THREADS &&
               pthread_create(&c->thread[c->nthreads], NULL, prefetcher, c) == 0)
            c->nthreads++;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (!c->stop && c->queue_n < QUEUE && !lookup(c, chunk->id)) {
        c->queue[(c->queue_first + c->queue_n++) % QUEUE] = *chunk;
        pthread_cond_signal(&c->work);
    }
    pthread_mutex_unlock(&c->mutex);
}

void cache_counts(struct cache *c, struct cache_counts *ret)
{
    pthread_mutex_lock(&c->mutex);
    *ret = (struct cache_counts){c->bytes, c->hits, c->fetches};
    pthread_mutex_unlock(&c->mutex);
}
