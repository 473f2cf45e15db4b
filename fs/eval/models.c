/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/models.h"
#include "store/base/fail.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define OPEN_MAX_MODELS 8
#define OPEN_MAX_BYTES  (UINT64_C(1) << 30) /* of their files, above which unused ones are closed */
#define CONFIG_MAX      (1u << 20)

const char models_ways_in[] =
    "ways in: a self-contained .onnx or an XGBoost model in the version; eval/graph.onnx for all versions; "
    "predictions made elsewhere (modelfs predictions REPO V FILE)";

/* A model that is open, or being opened. */
struct models_slot {
    struct digest content;
    struct settings *settings; /* its spec entry lives there */
    struct runner *runner;
    unsigned users;
    int opening;
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

/* ---- choosing ---- */

static int problem(struct models_pick *p, const char *why)
{
    p->engine = SPEC_ENGINE_INFER;
    p->problem = why;
    return why ? 0 : fail(-ENOMEM, "out of memory");
}

static enum spec_engine engine_of(const struct manifest_file *f)
{
    return f->format == FORMAT_ONNX      ? SPEC_ONNX
           : f->format == FORMAT_XGBOOST ? SPEC_XGBOOST
                                         : SPEC_ENGINE_INFER;
}

static int is_weights(const struct manifest_file *f)
{
    return (f->format == FORMAT_SAFETENSORS || f->format == FORMAT_PT) && f->ntensors && !f->problem;
}

/* The files whose tensors go to the graph: all safetensors, else the only .pt. `only`: of these paths. */
static int choose_weights(struct models_pick *p, const struct spec_model *only)
{
    const struct manifest *mf = p->manifest;
    size_t safetensors = 0, pt = 0;
    p->weights = arena_array(&p->arena, mf->nfiles + 1, sizeof *p->weights);
    if (!p->weights)
        return fail(-ENOMEM, "out of memory");
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < mf->nfiles; i++) {
            const struct manifest_file *f = &mf->files[i];
            if (!is_weights(f) || (only && only->match && !spec_glob(only->match, f->path)))
                continue;
            if (pass == 0) {
                safetensors += f->format == FORMAT_SAFETENSORS;
                pt += f->format == FORMAT_PT;
            } else if (only || f->format == FORMAT_SAFETENSORS || (!safetensors && pt == 1)) {
                p->weights[p->nweights++] = f;
            }
        }
    return 0;
}

static int lacks_weights(const struct manifest_file *f)
{
    for (size_t i = 0; i < f->ntensors; i++)
        if (f->tensors[i].flags & TENSOR_EXTERNAL)
            return 1;
    return 0;
}

static const char *safe_path(struct models_pick *p, const char *path)
{
    struct out o = {0};
    out_text(&o, path, strlen(path), 60);
    const char *ret = arena_strdup(&p->arena, out_cstr(&o));
    out_fini(&o);
    return ret ? ret : "";
}

/* A model that an engine could not make sense of at commit, if there is one. */
static const struct manifest_file *broken(const struct manifest *mf)
{
    for (size_t i = 0; i < mf->nfiles; i++) {
        const char *dot = strrchr(mf->files[i].path, '.');
        if (mf->files[i].problem && dot &&
            (!strcmp(dot, ".onnx") || !strcmp(dot, ".ubj") || !strcmp(dot, ".safetensors") ||
             !strcmp(dot, ".pt") || !strcmp(dot, ".pth")))
            return &mf->files[i];
    }
    return NULL;
}

static int choose_without_spec(struct models_pick *p)
{
    const struct manifest *mf = p->manifest;
    const struct manifest_file *bad = broken(mf), *second = NULL, *weights = NULL;
    for (size_t i = 0; i < mf->nfiles; i++) {
        const struct manifest_file *f = &mf->files[i];
        if (engine_of(f) != SPEC_ENGINE_INFER && !f->problem) {
            second = p->model ? f : NULL;
            if (second)
                break;
            p->model = f;
        }
        if (is_weights(f))
            weights = f;
    }
    if (second)
        return problem(p, arena_printf(&p->arena,
                                       "%s and %s: say which one to run in eval/spec.json's \"models\"",
                                       safe_path(p, p->model->path), safe_path(p, second->path)));
    if (p->model) {
        p->engine = engine_of(p->model);
        return p->engine == SPEC_ONNX && lacks_weights(p->model) ? choose_weights(p, NULL) : 0;
    }
    if (bad)
        return problem(p, arena_printf(&p->arena, "%s: %s", safe_path(p, bad->path), bad->problem));
    if (!weights)
        return problem(p, "no model file that an engine knows");
    if (!p->settings->graph.n)
        return problem(p,
                       arena_printf(&p->arena, "%s: weights without a graph", safe_path(p, weights->path)));
    p->engine = SPEC_ONNX;
    int err = choose_weights(p, NULL);
    if (!err && !p->nweights)
        return problem(p, "several .pt files: say which in eval/spec.json's \"models\"");
    return err;
}

/* The entry m is for this version: which files does it mean? */
static int choose_by(struct models_pick *p, const struct spec_model *m, const struct manifest_file *first,
                     size_t matches)
{
    p->spec = m;
    p->engine = m->engine;
    int weights = m->graph || is_weights(first);
    if (p->engine == SPEC_ENGINE_INFER)
        p->engine = weights ? SPEC_ONNX : engine_of(first);
    const char *path = safe_path(p, first->path);
    if (p->engine == SPEC_PYTHON)
        return problem(p, arena_printf(&p->arena, "%s: no engine \"python\" here", path));
    if (p->engine == SPEC_ENGINE_INFER)
        return problem(p, arena_printf(&p->arena, "%s: %s", path,
                                       first->problem ? first->problem : "no engine knows it"));
    if (!weights) {
        p->model = first;
        if (matches > 1)
            return problem(p, arena_printf(&p->arena, "%s: eval/spec.json's \"%s\" matches %zu files", path,
                                           m->match ? m->match : "*", matches));
        return p->engine == SPEC_ONNX && lacks_weights(first) ? choose_weights(p, NULL) : 0;
    }
    if (m->graph && strcmp(m->graph, "eval/graph.onnx") != 0 &&
        !(p->model = manifest_find(p->manifest, m->graph)))
        return problem(p, arena_printf(&p->arena, "%s: the version has no %s", path, safe_path(p, m->graph)));
    if (!p->model && !p->settings->graph.n)
        return problem(p, arena_printf(&p->arena, "%s: there is no eval/graph.onnx", path));
    int err = choose_weights(p, m);
    if (!err && !p->nweights)
        return problem(
            p, arena_printf(&p->arena, "%s: %s", path, first->problem ? first->problem : "no tensors in it"));
    return err;
}

static int choose(struct models_pick *p)
{
    const struct spec *s = &p->settings->spec;
    const struct manifest *mf = p->manifest;
    for (size_t k = 0; k < s->nmodels; k++) {
        const struct manifest_file *first = NULL;
        size_t matches = 0;
        for (size_t i = 0; i < mf->nfiles; i++) {
            const struct manifest_file *f = &mf->files[i];
            if (!S_ISREG(f->mode) || (s->models[k].match && !spec_glob(s->models[k].match, f->path)))
                continue;
            if (!s->models[k].match && engine_of(f) == SPEC_ENGINE_INFER && !is_weights(f))
                continue;
            matches++;
            first = first ? first : f;
        }
        if (first)
            return choose_by(p, &s->models[k], first, matches);
    }
    return s->nmodels ? problem(p, "no file matches eval/spec.json's \"models\"") : choose_without_spec(p);
}

/* ---- what the pick depends on, and the version's labels ---- */

static int digest_content(struct models *m, struct models_pick *p)
{
    struct digest inference;
    pthread_mutex_lock(&m->lock); /* the spec's JSON values are counted while they are digested */
    int err = spec_inference_digest(p->spec, p->engine, &inference);
    pthread_mutex_unlock(&m->lock);
    struct hash *h = err ? NULL : hash_new();
    if (!h)
        return err ? err : fail(-ENOMEM, "out of memory");
    hash_update(h, inference.b, sizeof inference.b);
    hash_update(h, p->model ? p->model->sha256.b : p->settings->graph_digest.b, sizeof(struct digest));
    for (size_t i = 0; i < p->nweights; i++)
        hash_update(h, p->weights[i]->sha256.b, sizeof(struct digest));
    hash_final(h, &p->content);
    hash_free(h);
    return 0;
}

/* {"id2label": {"0": "ok", …}}; anything else is no labels. */
static int read_labels(struct models *m, struct models_pick *p)
{
    const struct manifest_file *f = manifest_find(p->manifest, "config.json");
    if (!f || !f->size || f->size > CONFIG_MAX)
        return 0;
    char *text = malloc(f->size);
    if (!text)
        return fail(-ENOMEM, "out of memory");
    int64_t got = file_read(m->store, f, 0, text, f->size);
    json_t *o = got == (int64_t)f->size ? json_loadb(text, f->size, 0, NULL) : NULL;
    const json_t *map = json_object_get(o, "id2label");
    size_t n = json_object_size(map);
    p->labels = arena_array(&p->arena, n + 1, sizeof *p->labels);
    for (size_t i = 0; p->labels && i < n; i++) {
        char key[24];
        snprintf(key, sizeof key, "%zu", i);
        const char *l = json_string_value(json_object_get(map, key));
        if (!l || !(p->labels[i] = arena_strdup(&p->arena, l)))
            n = 0;
    }
    p->nlabels = n;
    json_decref(o);
    free(text);
    return got < 0 ? (int)got : p->labels ? 0 : fail(-ENOMEM, "out of memory");
}

int models_pick(struct models *m, const struct version *v, struct settings *with, struct models_pick **ret)
{
    struct models_pick *p = calloc(1, sizeof *p);
    if (!p)
        return fail(-ENOMEM, "out of memory");
    p->settings = settings_ref(with);
    int err = manifest_get(m->store, v, &p->manifest);
    if (!err)
        err = choose(p);
    if (!err && p->engine != SPEC_ENGINE_INFER)
        err = digest_content(m, p);
    if (!err)
        err = read_labels(m, p);
    if (err)
        models_pick_free(m, p);
    else
        *ret = p;
    return err;
}

void models_pick_free(struct models *m, struct models_pick *p)
{
    if (!p)
        return;
    if (p->manifest)
        manifest_unref(m->store, p->manifest);
    settings_unref(p->settings);
    arena_fini(&p->arena);
    free(p);
}

/* ---- opening ---- */

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
static const struct manifest_file *location(struct models_pick *p, const struct manifest_file *f,
                                            const char *name)
{
    const char *slash = strrchr(f->path, '/');
    const char *path =
        slash ? arena_printf(&p->arena, "%.*s/%s", (int)(slash - f->path), f->path, name) : name;
    return path ? manifest_find(p->manifest, path) : NULL;
}

/* Offers a tensor by name, unless its bytes cannot be read as they are or the name is there already (what a
 * graph says of its own external data comes last, and only fills gaps). */
static void offer(struct models_pick *p, const struct manifest_file *f, struct runner_source *src,
                  struct source *at, int fill)
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

static int gather(struct models_pick *p, struct runner_source *src, struct source *at)
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
    if (p->model && p->engine == SPEC_ONNX && lacks_weights(p->model))
        offer(p, p->model, src, at, 1);
    return 0;
}

static int open_runner(struct models *m, struct models_pick *p, struct models_slot *o)
{
    struct source at = {.store = m->store};
    struct runner_source src = {.name = p->model ? p->model->path : "eval/graph.onnx",
                                .model = p->settings->graph.p,
                                .model_len = p->settings->graph.n,
                                .read = read_tensor,
                                .ctx = &at,
                                .spec = p->spec};
    int err = gather(p, &src, &at);
    void *bytes = NULL;
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
        err = runner_open(p->engine, &src, &o->runner);
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

int models_runner(struct models *m, struct models_pick *p, struct models_slot **ret,
                  struct runner **ret_runner)
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
