/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/models.h"
#include "fs/eval/checkout.h"
#include "store/base/fail.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define OPEN_MAX_MODELS 8
#define KEEP_BYTES      (UINT64_C(64) << 20)
#define OPEN_MAX_BYTES  (UINT64_C(1) << 30) /* of their files, above which unused ones are closed */

/* A model that is open, or being opened. */
struct models_slot {
    struct digest content;
    struct settings *settings; /* its spec entry lives there */
    struct runner *runner;
    unsigned users;
    int opening;
    char *dir;            /* python: a folder with the version's files */
    uint64_t bytes, used; /* used: when last */
    struct models_slot *next;
};

struct models {
    struct store *store;
    pthread_mutex_t lock;
    pthread_cond_t opened;
    struct models_slot *list; /* (m) */
    uint64_t clock;           /* (m) */
};

int models_open(struct store *s, struct models **ret)
{
    struct models *m = calloc(1, sizeof *m);
    if (!m)
        return fail(-ENOMEM, "out of memory");
    m->store = s;
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->opened, NULL);
    *ret = m;
    return 0;
}

static void close_one(struct models_slot *o)
{
    runner_close(o->runner);
    checkout_remove(o->dir);
    settings_unref(o->settings);
    free(o);
}

void models_close(struct models *m)
{
    if (!m)
        return;
    for (struct models_slot *o = m->list, *next; o; o = next) {
        next = o->next;
        close_one(o);
    }
    pthread_mutex_destroy(&m->lock);
    pthread_cond_destroy(&m->opened);
    free(m);
}

/* Where each offered tensor is. */
struct place {
    const struct manifest_file *file;
    uint64_t off;
};
struct source {
    struct store *store;
    struct place *places; /* (ntensors) */
};

static int read_tensor(void *ctx, size_t tensor, void *p, size_t n)
{
    const struct source *s = ctx;
    const struct place *at = &s->places[tensor];
    int64_t got = file_read(s->store, at->file, at->off, p, n);
    if (got < 0)
        return (int)got;
    return (size_t)got == n ? 0 : fail(-EBADMSG, "%s: ends inside a tensor", at->file->path);
}

/* The file that a tensor of `f` says its bytes are in, beside f; NULL: the version has none. */
static const struct manifest_file *location(struct pick *p, const struct manifest_file *f, const char *name)
{
    const char *slash = strrchr(f->path, '/');
    const char *path =
        slash ? arena_printf(&p->arena, "%.*s/%s", (int)(slash - f->path), f->path, name) : name;
    return path ? manifest_find(p->manifest, path) : NULL;
}

/* Offers a tensor by name, unless its bytes cannot be read as they are or the name is there already (what a
 * graph says of its own external data comes last, and only fills gaps). */
static void offer(struct pick *p, const struct manifest_file *f, struct runner_source *src, struct source *at,
                  int fill)
{
    struct runner_tensor *tensors = (struct runner_tensor *)src->tensors;
    size_t before = src->ntensors;
    for (size_t i = 0; i < f->ntensors; i++) {
        const struct manifest_tensor *t = &f->tensors[i];
        const struct manifest_file *file = f;
        if (t->flags & (TENSOR_STRIDED | TENSOR_INLINE))
            continue;
        if (fill) {
            size_t k = 0;
            while (k < before && strcmp(tensors[k].name, t->name) != 0)
                k++;
            if (k < before || !(t->flags & TENSOR_EXTERNAL) || !t->location)
                continue;
            file = location(p, f, t->location);
            if (!file || t->len > file->size || t->off > file->size - t->len)
                continue;
        }
        at->places[src->ntensors] = (struct place){file, t->off};
        tensors[src->ntensors++] = (struct runner_tensor){t->name, t->dtype, t->rank, t->shape};
    }
}

static int gather(struct pick *p, struct runner_source *src, struct source *at)
{
    size_t n = p->model ? p->model->ntensors : 0;
    for (size_t i = 0; i < p->nweights; i++)
        n += p->weights[i]->ntensors;
    src->tensors = arena_array(&p->arena, n + 1, sizeof *src->tensors);
    at->places = arena_array(&p->arena, n + 1, sizeof *at->places);
    if (!src->tensors || !at->places)
        return fail(-ENOMEM, "out of memory");
    for (size_t i = 0; i < p->nweights; i++)
        offer(p, p->weights[i], src, at, 0);
    if (p->model && p->engine == SPEC_ONNX && pick_lacks_weights(p->model))
        offer(p, p->model, src, at, 1);
    return 0;
}

/* predict.py and all of the version's files, as files. */
static int open_python(struct models *m, struct pick *p, struct models_slot *o)
{
    struct runner_source src = {.name = "eval/predict.py",
                                .model = p->settings->predict.p,
                                .model_len = p->settings->predict.n,
                                .spec = p->spec};
    int err = checkout_make(m->store, p->manifest, &o->dir);
    src.dir = o->dir;
    for (size_t i = 0; i < p->manifest->nfiles; i++)
        o->bytes += p->manifest->files[i].size;
    return err ? err : runner_open(SPEC_PYTHON, &src, &o->runner);
}

/* Where the engine's own form of a large model goes; NULL: not worth it. */
static int keep_name(struct models *m, const struct pick *p, uint64_t bytes, char **ret)
{
    char hex[HASH_HEX];
    struct out dir = {0}, path = {0};
    *ret = NULL;
    if (p->engine != SPEC_ONNX || bytes < KEEP_BYTES)
        return 0;
    hash_hex(&p->content, hex);
    out_printf(&dir, "%s/cache", store_path(m->store));
    mkdir(out_cstr(&dir), 0700);
    out_str(&dir, "/ort");
    mkdir(out_cstr(&dir), 0700);
    out_printf(&path, "%s/%s", out_cstr(&dir), hex);
    int err = out_error(&dir) ? out_error(&dir) : out_error(&path);
    if (!err && !(*ret = strdup(out_cstr(&path))))
        err = -ENOMEM;
    out_fini(&dir);
    out_fini(&path);
    return err;
}

static int open_runner(struct models *m, struct pick *p, struct models_slot *o)
{
    if (p->engine == SPEC_PYTHON)
        return open_python(m, p, o);
    struct source at = {.store = m->store};
    struct runner_source src = {.name = p->model ? p->model->path : "eval/graph.onnx",
                                .model = p->settings->graph.p,
                                .model_len = p->settings->graph.n,
                                .read = read_tensor,
                                .ctx = &at,
                                .spec = p->spec};
    int err = gather(p, &src, &at);
    void *bytes = NULL;
    char *keep = NULL;
    if (!err && p->model) {
        bytes = malloc(p->model->size ? p->model->size : 1);
        int64_t got = bytes ? file_read(m->store, p->model, 0, bytes, p->model->size) : -ENOMEM;
        err = got < 0 ? (int)got : (uint64_t)got == p->model->size ? 0 : -EIO;
        src.model = bytes;
        src.model_len = p->model->size;
        o->bytes = p->model->size;
    }
    for (size_t i = 0; i < p->nweights; i++)
        o->bytes += p->weights[i]->size;
    if (!err)
        err = keep_name(m, p, o->bytes, &keep);
    src.keep = keep;
    if (!err)
        err = runner_open(p->engine, &src, &o->runner);
    free(keep);
    free(bytes);
    return err;
}

/* Closes those that were not used for longest until the rest is within bounds. With the lock held. */
static void shrink(struct models *m)
{
    for (;;) {
        size_t count = 0;
        uint64_t bytes = 0;
        struct models_slot **oldest = NULL;
        for (struct models_slot **at = &m->list; *at; at = &(*at)->next) {
            count++;
            bytes += (*at)->bytes;
            if (!(*at)->users && (!oldest || (*at)->used < (*oldest)->used))
                oldest = at;
        }
        if (!oldest || (count <= OPEN_MAX_MODELS && bytes <= OPEN_MAX_BYTES))
            return;
        struct models_slot *o = *oldest;
        *oldest = o->next;
        close_one(o);
    }
}

static struct models_slot *lookup(struct models *m, const struct digest *content)
{
    struct models_slot *o = m->list;
    while (o && !hash_equal(&o->content, content))
        o = o->next;
    return o;
}

static void forget(struct models *m, struct models_slot *o)
{
    struct models_slot **at = &m->list;
    while (*at != o)
        at = &(*at)->next;
    *at = o->next;
    close_one(o);
}

int models_runner(struct models *m, struct pick *p, struct models_slot **ret, struct runner **ret_runner)
{
    struct models_slot *o;
    pthread_mutex_lock(&m->lock);
    while ((o = lookup(m, &p->content)) && o->opening)
        pthread_cond_wait(&m->opened, &m->lock);
    int err = 0;
    if (!o) {
        if (!(o = calloc(1, sizeof *o))) {
            pthread_mutex_unlock(&m->lock);
            return fail(-ENOMEM, "out of memory");
        }
        o->content = p->content;
        o->settings = settings_ref(p->settings);
        o->opening = 1;
        o->users = 1;
        o->next = m->list;
        m->list = o;
        pthread_mutex_unlock(&m->lock);
        err = open_runner(m, p, o);
        pthread_mutex_lock(&m->lock);
        o->opening = 0;
        o->users = 0;
        pthread_cond_broadcast(&m->opened);
        if (err)
            forget(m, o);
    }
    if (!err) {
        o->users++;
        o->used = ++m->clock;
        shrink(m);
        *ret = o;
        *ret_runner = o->runner;
    }
    pthread_mutex_unlock(&m->lock);
    return err;
}

void models_release(struct models *m, struct models_slot *o)
{
    if (!o)
        return;
    pthread_mutex_lock(&m->lock);
    o->users--;
    shrink(m);
    pthread_mutex_unlock(&m->lock);
}
