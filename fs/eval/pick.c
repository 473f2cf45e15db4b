/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/pick.h"
#include "store/base/fail.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define CONFIG_MAX (1u << 20)

const char pick_ways_in[] =
    "ways in: a self-contained .onnx or an XGBoost model in the version; eval/graph.onnx for all versions; "
    "eval/predict.py; predictions made elsewhere (modelfs predictions REPO V FILE)";

static int problem(struct pick *p, const char *why)
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
static int choose_weights(struct pick *p, const struct spec_model *only)
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

int pick_lacks_weights(const struct manifest_file *f)
{
    for (size_t i = 0; i < f->ntensors; i++)
        if (f->tensors[i].flags & TENSOR_EXTERNAL)
            return 1;
    return 0;
}

static const char *safe_path(struct pick *p, const char *path)
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
             !strcmp(dot, ".pt") || !strcmp(dot, ".pth") || !strcmp(dot, ".model") || !strcmp(dot, ".bin")))
            return &mf->files[i];
    }
    return NULL;
}

static int choose_without_spec(struct pick *p)
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
        return p->engine == SPEC_ONNX && pick_lacks_weights(p->model) ? choose_weights(p, NULL) : 0;
    }
    if (p->settings->predict.n && !(weights && p->settings->graph.n)) {
        p->engine = SPEC_PYTHON;
        return 0;
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
static int choose_by(struct pick *p, const struct spec_model *m, const struct manifest_file *first,
                     size_t matches)
{
    p->spec = m;
    p->engine = m->engine;
    int weights = m->graph || is_weights(first);
    if (p->engine == SPEC_ENGINE_INFER)
        p->engine = weights ? SPEC_ONNX : engine_of(first);
    const char *path = safe_path(p, first->path);
    if (p->engine == SPEC_PYTHON)
        return p->settings->predict.n
                   ? 0
                   : problem(p, arena_printf(&p->arena, "%s: there is no eval/predict.py", path));
    if (p->engine == SPEC_ENGINE_INFER)
        return problem(p, arena_printf(&p->arena, "%s: %s", path,
                                       first->problem ? first->problem : "no engine knows it"));
    if (!weights) {
        p->model = first;
        if (matches > 1)
            return problem(p, arena_printf(&p->arena, "%s: eval/spec.json's \"%s\" matches %zu files", path,
                                           m->match ? m->match : "*", matches));
        return p->engine == SPEC_ONNX && pick_lacks_weights(first) ? choose_weights(p, NULL) : 0;
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

static int choose(struct pick *p)
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

static int digest_content(struct pick *p)
{
    struct digest inference;
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&one); /* the spec's JSON values are counted while they are digested */
    int err = spec_inference_digest(p->spec, p->engine, &inference);
    pthread_mutex_unlock(&one);
    struct hash *h = err ? NULL : hash_new();
    if (!h)
        return err ? err : fail(-ENOMEM, "out of memory");
    hash_update(h, inference.b, sizeof inference.b);
    if (p->engine == SPEC_PYTHON) { /* it may read any of the version's files */
        hash_update(h, p->settings->predict_digest.b, sizeof(struct digest));
        for (size_t i = 0; i < p->manifest->nfiles; i++) {
            hash_update(h, p->manifest->files[i].path, strlen(p->manifest->files[i].path) + 1);
            hash_update(h, p->manifest->files[i].sha256.b, sizeof(struct digest));
        }
        hash_final(h, &p->content);
        hash_free(h);
        return 0;
    }
    hash_update(h, p->model ? p->model->sha256.b : p->settings->graph_digest.b, sizeof(struct digest));
    for (size_t i = 0; i < p->nweights; i++)
        hash_update(h, p->weights[i]->sha256.b, sizeof(struct digest));
    hash_final(h, &p->content);
    hash_free(h);
    return 0;
}

/* {"id2label": {"0": "ok", …}}; anything else is no labels. */
static int read_labels(struct pick *p)
{
    const struct manifest_file *f = manifest_find(p->manifest, "config.json");
    if (!f || !f->size || f->size > CONFIG_MAX)
        return 0;
    char *text = malloc(f->size);
    if (!text)
        return fail(-ENOMEM, "out of memory");
    int64_t got = file_read(p->store, f, 0, text, f->size);
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

int pick_make(struct store *s, const struct version *v, struct settings *with, struct pick **ret)
{
    struct pick *p = calloc(1, sizeof *p);
    if (!p)
        return fail(-ENOMEM, "out of memory");
    p->store = s;
    p->settings = settings_ref(with);
    int err = manifest_get(s, v, &p->manifest);
    if (!err)
        err = choose(p);
    if (!err && p->engine != SPEC_ENGINE_INFER)
        err = digest_content(p);
    if (!err)
        err = read_labels(p);
    if (err)
        pick_free(p);
    else
        *ret = p;
    return err;
}

void pick_free(struct pick *p)
{
    if (!p)
        return;
    if (p->manifest)
        manifest_unref(p->store, p->manifest);
    settings_unref(p->settings);
    arena_fini(&p->arena);
    free(p);
}
