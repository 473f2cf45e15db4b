/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/answers.h"
#include "store/base/arena.h"
#include "store/base/fail.h"
#include "store/base/wire.h"
#include <stdlib.h>
#include <time.h>

/* Open addressing over the first bytes of the input's digest, which are as good as any hash. */
struct slot {
    struct digest input;
    const uint8_t *p; /* (n) in the arena; NULL: free */
    uint32_t n;
};

struct answers {
    struct store *store;
    struct digest run;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t idle;
    int busy;
    struct arena arena;
    struct slot *slots; /* (cap), a power of two, at most 3/4 full */
    size_t cap, count;
    uint64_t sum, bytes; /* bytes: of the arena, about */
    char *about;         /* JSON, or NULL */
    int about_stored;
};

static struct slot *seek(struct slot *slots, size_t cap, const struct digest *input)
{
    uint64_t h;
    memcpy(&h, input->b, sizeof h);
    size_t i = h & (cap - 1);
    while (slots[i].p && !hash_equal(&slots[i].input, input))
        i = (i + 1) & (cap - 1);
    return &slots[i];
}

static int grow(struct answers *a)
{
    size_t cap = a->cap ? 2 * a->cap : 64;
    struct slot *slots = calloc(cap, sizeof *slots);
    if (!slots)
        return fail(-ENOMEM, "out of memory");
    for (size_t i = 0; i < a->cap; i++)
        if (a->slots[i].p)
            *seek(slots, cap, &a->slots[i].input) = a->slots[i];
    free(a->slots);
    a->slots = slots;
    a->cap = cap;
    return 0;
}

static uint64_t fingerprint(const struct digest *input, const void *p, size_t n)
{
    return hash_xxh3(input->b, sizeof input->b) * 31 + hash_xxh3(p, n);
}

/* With the lock held, or before anyone else knows of it. */
static int keep(struct answers *a, const struct stored_prediction *x)
{
    if (x->n == 0 || x->n > UINT32_MAX)
        return fail(-EBADMSG, "a stored prediction of %zu bytes", x->n);
    int err = 4 * (a->count + 1) > 3 * a->cap ? grow(a) : 0;
    if (err)
        return err;
    uint8_t *copy = arena_alloc(&a->arena, x->n);
    if (!copy)
        return fail(-ENOMEM, "out of memory");
    memcpy(copy, x->p, x->n);
    a->bytes += x->n;
    struct slot *s = seek(a->slots, a->cap, &x->input);
    if (s->p)
        a->sum -= fingerprint(&s->input, s->p, s->n);
    else
        a->count++;
    *s = (struct slot){x->input, copy, (uint32_t)x->n};
    a->sum += fingerprint(&x->input, x->p, x->n);
    return 0;
}

static int load(void *ctx, const struct stored_prediction *p)
{
    return keep(ctx, p);
}

int answers_open(struct store *s, const struct digest *run, struct answers **ret)
{
    struct out about = {0};
    struct answers *a = calloc(1, sizeof *a);
    if (!a)
        return fail(-ENOMEM, "out of memory");
    a->store = s;
    a->run = *run;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->idle, NULL);
    int err = grow(a);
    if (!err && (err = predictions_info(s, run, &about)) == 0) {
        a->about = strdup(out_cstr(&about));
        a->about_stored = 1;
        err = predictions_each(s, run, load, a);
    } else if (err == -ENOENT) {
        err = 0;
    }
    out_fini(&about);
    if (err)
        answers_close(a);
    else
        *ret = a;
    return err;
}

void answers_close(struct answers *a)
{
    if (!a)
        return;
    pthread_mutex_destroy(&a->lock);
    pthread_cond_destroy(&a->idle);
    arena_fini(&a->arena);
    free(a->slots);
    free(a->about);
    free(a);
}

const struct digest *answers_run(const struct answers *a)
{
    return &a->run;
}

json_t *answers_about(struct answers *a)
{
    pthread_mutex_lock(&a->lock);
    json_t *ret = a->about ? json_loads(a->about, 0, NULL) : NULL;
    pthread_mutex_unlock(&a->lock);
    return ret;
}

int answers_set_about(struct answers *a, const json_t *about)
{
    char *text = json_dumps(about, JSON_COMPACT | JSON_SORT_KEYS);
    if (!text)
        return fail(-ENOMEM, "out of memory");
    pthread_mutex_lock(&a->lock);
    if (!a->about) {
        a->about = text;
        text = NULL;
    }
    pthread_mutex_unlock(&a->lock);
    free(text);
    return 0;
}

const uint8_t *answers_get(struct answers *a, const struct digest *input, size_t *ret_n)
{
    pthread_mutex_lock(&a->lock);
    const struct slot s = *seek(a->slots, a->cap, input);
    pthread_mutex_unlock(&a->lock);
    *ret_n = s.n;
    return s.p;
}

int answers_put(struct answers *a, const struct stored_prediction *p, size_t n, int sync)
{
    pthread_mutex_lock(&a->lock);
    const char *about = a->about_stored ? NULL : a->about;
    int err = predictions_put(a->store, &a->run, about, p, n, sync);
    if (!err)
        a->about_stored |= about != NULL;
    for (size_t i = 0; !err && i < n; i++)
        err = keep(a, &p[i]);
    pthread_mutex_unlock(&a->lock);
    return err;
}

size_t answers_count(struct answers *a)
{
    pthread_mutex_lock(&a->lock);
    size_t n = a->count;
    pthread_mutex_unlock(&a->lock);
    return n;
}

uint64_t answers_bytes(struct answers *a)
{
    pthread_mutex_lock(&a->lock);
    uint64_t n = a->bytes + a->cap * sizeof *a->slots + sizeof *a;
    pthread_mutex_unlock(&a->lock);
    return n;
}

uint64_t answers_sum(struct answers *a)
{
    pthread_mutex_lock(&a->lock);
    uint64_t sum = a->sum;
    pthread_mutex_unlock(&a->lock);
    return sum;
}

void answers_format(const struct runner_answer *a, struct out *o)
{
    if (a->error || a->text) {
        wire_put_u8(o, a->error ? ANSWERS_ERROR : ANSWERS_TEXT);
        out_str(o, a->error ? a->error : a->text);
        return;
    }
    int exact = 1;
    for (size_t i = 0; i < a->width; i++)
        exact &= a->values[i] != a->values[i] || (double)(float)a->values[i] == a->values[i];
    wire_put_u8(o, exact ? ANSWERS_F32 : ANSWERS_F64);
    for (size_t i = 0; i < a->width; i++) {
        float f = (float)a->values[i];
        uint32_t u;
        memcpy(&u, &f, sizeof u);
        if (exact)
            wire_put_u32(o, u);
        else
            wire_put_f64(o, a->values[i]);
    }
}

int answers_parse(const uint8_t *p, size_t n, double *few, size_t nfew, struct runner_answer *ret)
{
    struct wire w = wire_read(p, n);
    struct runner_answer a = {0};
    int kind = wire_u8(&w);
    size_t left = wire_left(&w), each = kind == ANSWERS_F64 ? 8 : 4;
    if (kind == ANSWERS_TEXT || kind == ANSWERS_ERROR) {
        char *text = strndup((const char *)w.p, left);
        if (!text)
            return fail(-ENOMEM, "out of memory");
        a.error = kind == ANSWERS_ERROR ? text : NULL;
        a.text = kind == ANSWERS_TEXT ? text : NULL;
        *ret = a;
        return 0;
    }
    if ((kind != ANSWERS_F32 && kind != ANSWERS_F64) || left == 0 || left % each)
        return fail(-EBADMSG, "a stored prediction is damaged (kind %d, %zu bytes)", kind, n);
    a.width = left / each;
    if (!(a.values = a.width <= nfew ? few : calloc(a.width, sizeof *a.values)))
        return fail(-ENOMEM, "out of memory");
    for (size_t i = 0; i < a.width; i++) {
        uint32_t u;
        float f;
        if (kind == ANSWERS_F64) {
            a.values[i] = wire_f64(&w);
            continue;
        }
        u = wire_u32(&w);
        memcpy(&f, &u, sizeof f);
        a.values[i] = (double)f;
    }
    *ret = a;
    return 0;
}

int answers_begin(struct answers *a, int (*stop)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&a->lock);
    int waited = a->busy, err = 0;
    while (a->busy && !err) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        t.tv_nsec += 50000000; /* how soon a caller that gives up is let go */
        t.tv_sec += t.tv_nsec / 1000000000;
        t.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&a->idle, &a->lock, &t);
        if (stop) {
            pthread_mutex_unlock(&a->lock);
            err = stop(ctx) ? fail(-EINTR, "stopped") : 0;
            pthread_mutex_lock(&a->lock);
        }
    }
    if (!err && !waited)
        a->busy = 1;
    pthread_mutex_unlock(&a->lock);
    return err ? err : !waited;
}

void answers_end(struct answers *a)
{
    pthread_mutex_lock(&a->lock);
    a->busy = 0;
    pthread_cond_broadcast(&a->idle);
    pthread_mutex_unlock(&a->lock);
}
