/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/spec.h"
#include "fs/eval/metric.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

#define SPEC_MAX_DEPTH 16

static const char *const tasks[] = {"?", "classification", "binary", "regression"};
static const char *const engines[] = {"?", "onnx", "xgboost", "python"};

const char *spec_task_name(enum spec_task t)
{
    return tasks[t];
}
const char *spec_engine_name(enum spec_engine e)
{
    return engines[e];
}

/* `at` is the key's full name: "models[1].engine" */
static int bad(const char *at, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int bad(const char *at, const char *fmt, ...)
{
    char what[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return fail(-EBADMSG, "eval/spec.json: %s: %s", at, what);
}

static int only_keys(json_t *o, const char *at, const char *const *known)
{
    const char *key;
    json_t *v;
    json_object_foreach(o, key, v)
    {
        size_t i = 0;
        while (known[i] && strcmp(known[i], key))
            i++;
        if (!known[i])
            return fail(-EBADMSG, "eval/spec.json: %s%s%s: no such key", at, *at ? "." : "", key);
    }
    return 0;
}

static int text(const json_t *o, const char *prefix, const char *key, const char **ret)
{
    const json_t *v = json_object_get(o, key);
    if (!v)
        return 0;
    char at[128];
    snprintf(at, sizeof at, "%s%s", prefix, key);
    if (!json_is_string(v) || !json_string_length(v))
        return bad(at, "must be text");
    *ret = json_string_value(v);
    return 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* 1, 0, or -ENOMEM */
static int has_twins(const char *const *list, size_t n)
{
    const char **sorted = calloc(n, sizeof *sorted);
    int twins = 0;
    if (!sorted)
        return -ENOMEM;
    memcpy(sorted, list, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_text);
    for (size_t i = 1; i < n; i++)
        twins |= !strcmp(sorted[i - 1], sorted[i]);
    free(sorted);
    return twins;
}

/* A list of texts; numbers are not labels: "3" is. */
static int texts(const json_t *v, const char *at, const char ***ret, size_t *ret_n)
{
    if (!v)
        return 0;
    size_t n = json_array_size(v), k = 0;
    if (!json_is_array(v) || n == 0)
        return bad(at, "must be a list of texts");
    const char **list = calloc(n, sizeof *list);
    if (!list)
        return -ENOMEM;
    while (k < n && (list[k] = json_string_value(json_array_get(v, k))))
        k++;
    int err = k < n ? bad(at, "must be a list of texts") : has_twins(list, n);
    if (err) {
        free(list);
        return err > 0 ? bad(at, "the same text twice") : err;
    }
    *ret = list;
    *ret_n = n;
    return 0;
}

static int one_of(const char *s, const char *const *names, size_t n, int *ret)
{
    for (size_t i = 1; i < n; i++)
        if (!strcmp(s, names[i])) {
            *ret = (int)i;
            return 0;
        }
    return -1;
}

static int parse_input(const char *name, const json_t *v, const char *at, struct spec_input *in)
{
    in->name = name;
    in->stacked = json_is_array(v);
    if (in->stacked)
        return texts(v, at, &in->fields, &in->nfields);
    if (!json_is_string(v))
        return bad(at, "must name a field of the row (\"input.x\") or list several");
    if (!(in->fields = calloc(1, sizeof *in->fields)))
        return -ENOMEM;
    in->fields[in->nfields++] = json_string_value(v);
    return 0;
}

/* What belongs to the python engine alone. */
static int parse_python(const json_t *o, const char *at, struct spec_model *m)
{
    const json_t *seconds = json_object_get(o, "seconds"), *memory = json_object_get(o, "memory_mb");
    const char *key = m->file ? "file" : seconds ? "seconds" : memory ? "memory_mb" : NULL;
    double x = json_number_value(seconds), mb = json_number_value(memory);
    if (m->engine != SPEC_PYTHON)
        return key ? fail(-EBADMSG, "eval/spec.json: %s%s: only with \"engine\": \"python\"", at, key) : 0;
    if (!m->file || strcmp(m->file, "eval/predict.py") != 0)
        return fail(-EBADMSG, "eval/spec.json: %sfile: the python engine needs \"eval/predict.py\"", at);
    if (seconds && !(x > 0 && x <= 86400))
        return fail(-EBADMSG, "eval/spec.json: %sseconds: must be a number above 0, at most 86400", at);
    if (memory && !(mb >= 64 && mb <= 1 << 24))
        return fail(-EBADMSG, "eval/spec.json: %smemory_mb: must be a number of at least 64", at);
    m->seconds = x;
    m->memory_mb = (unsigned)mb;
    return 0;
}

static int parse_model(json_t *o, size_t i, struct spec_model *m)
{
    static const char *const known[] = {"match",  "engine",  "graph",     "file", "output",
                                        "inputs", "seconds", "memory_mb", NULL};
    char at[64], deep[192];
    const char *engine = NULL;
    snprintf(at, sizeof at, "models[%zu]", i);
    if (!json_is_object(o))
        return bad(at, "must be an object");
    int err = only_keys(o, at, known);
    snprintf(at, sizeof at, "models[%zu].", i);
    if (err || (err = text(o, at, "match", &m->match)) || (err = text(o, at, "engine", &engine)) ||
        (err = text(o, at, "graph", &m->graph)) || (err = text(o, at, "file", &m->file)) ||
        (err = text(o, at, "output", &m->output)))
        return err;
    int e = SPEC_ENGINE_INFER;
    if (engine && one_of(engine, engines, 4, &e))
        return fail(-EBADMSG, "eval/spec.json: %sengine: must be onnx, xgboost or python", at);
    m->json = o;
    m->engine = (enum spec_engine)e;
    if ((err = parse_python(o, at, m)))
        return err;
    if (m->graph && m->engine != SPEC_ONNX)
        return fail(-EBADMSG, "eval/spec.json: %sgraph: only with \"engine\": \"onnx\"", at);
    json_t *inputs = json_object_get(o, "inputs"), *v;
    if (!inputs)
        return 0;
    snprintf(deep, sizeof deep, "%sinputs", at);
    if (!json_is_object(inputs) || !json_object_size(inputs))
        return bad(deep, "must be an object ({\"x\": \"input.x\"})");
    if (!(m->inputs = calloc(json_object_size(inputs), sizeof *m->inputs)))
        return -ENOMEM;
    const char *name;
    json_object_foreach(inputs, name, v)
    {
        snprintf(deep, sizeof deep, "%sinputs.%.64s", at, name);
        if ((err = parse_input(name, v, deep, &m->inputs[m->ninputs++])))
            return err;
    }
    return 0;
}

static int parse_models(const json_t *v, struct spec *s)
{
    if (!v)
        return 0;
    size_t n = json_array_size(v);
    if (!json_is_array(v) || !n)
        return bad("models", "must be a list of objects");
    if (!(s->models = calloc(n, sizeof *s->models)))
        return -ENOMEM;
    int err = 0;
    while (!err && s->nmodels < n) {
        size_t i = s->nmodels++;
        err = parse_model(json_array_get(v, i), i, &s->models[i]);
    }
    return err;
}

static int parse_decision(json_t *v, struct spec *s)
{
    s->threshold = NAN;
    if (!v || (json_is_string(v) && !strcmp(json_string_value(v), "argmax")))
        return 0;
    const json_t *t = json_object_get(v, "threshold");
    double x = json_number_value(t);
    if (!json_is_number(t) || json_object_size(v) != 1 || !(x > 0 && x < 1))
        return bad("decision", "must be \"argmax\" or {\"threshold\": a number between 0 and 1}");
    if (s->task == SPEC_REGRESSION || (s->nlabels && s->nlabels != 2))
        return bad("decision", "a threshold needs two labels");
    s->threshold = x;
    return 0;
}

/* "recall:fraud" needs the label among the given ones */
static int check_metric(const struct spec *s, const char *at, const char *name)
{
    if (!metric_known(name))
        return bad(at, "no metric \"%.60s\"", name);
    struct metric m;
    if (s->nlabels && metric_find(name, s->labels, s->nlabels, &m))
        return bad(at, "\"%.60s\": no such label", name);
    return 0;
}

static int parse_slices(const json_t *v, struct spec *s)
{
    const char **names = NULL;
    size_t n = 0;
    int err = texts(v, "slices", &names, &n);
    if (!err && n && !(s->slices = arena_array(&s->arena, n, sizeof *s->slices)))
        err = -ENOMEM;
    for (size_t i = 0; !err && i < n; i++)
        if ((err = where_parse(names[i], &s->arena, &s->slices[i])) == 0)
            s->nslices++;
        else if (err == -EINVAL) {
            const char *said = arena_strdup(&s->arena, fail_text());
            err = fail(-EBADMSG, "eval/spec.json: slices[%zu]: %.200s", i, said ? said : "");
        }
    free(names);
    return err;
}

static int parse_rest(const json_t *o, struct spec *s)
{
    const char *errors = NULL;
    int err;
    if ((err = texts(json_object_get(o, "metrics"), "metrics", &s->metrics, &s->nmetrics)) ||
        (err = text(o, "", "headline", &s->headline)) || (err = text(o, "", "errors", &errors)) ||
        (err =
             texts(json_object_get(o, "release_tags"), "release_tags", &s->release_tags, &s->nrelease_tags)))
        return err;
    for (size_t i = 0; i < s->nmetrics; i++)
        if ((err = check_metric(s, "metrics", s->metrics[i])))
            return err;
    if (s->headline && (err = check_metric(s, "headline", s->headline)))
        return err;
    if (errors && strcmp(errors, "wrong") && strcmp(errors, "exclude"))
        return bad("errors", "must be \"wrong\" or \"exclude\"");
    s->errors_excluded = errors && !strcmp(errors, "exclude");
    const char *ratchet = NULL;
    if ((err = text(o, "", "ratchet", &ratchet)))
        return err;
    if (ratchet && strcmp(ratchet, "on") && strcmp(ratchet, "off"))
        return bad("ratchet", "must be \"on\" or \"off\"");
    s->ratchet = ratchet && !strcmp(ratchet, "on");
    const json_t *v = json_object_get(o, "volume_per_month");
    if (v && !(json_is_number(v) && json_number_value(v) > 0))
        return bad("volume_per_month", "must be a number above 0");
    s->volume_per_month = v ? json_number_value(v) : NAN;
    return parse_slices(json_object_get(o, "slices"), s);
}

static int parse(struct spec *s)
{
    static const char *const known[] = {"models",   "task",   "labels", "decision",     "metrics",
                                        "headline", "errors", "slices", "release_tags", "volume_per_month",
                                        "ratchet",  NULL};
    if (!json_is_object(s->json))
        return fail(-EBADMSG, "eval/spec.json: not an object");
    const char *task = NULL;
    int t = SPEC_TASK_INFER, err;
    if ((err = only_keys(s->json, "", known)) ||
        (err = parse_models(json_object_get(s->json, "models"), s)) ||
        (err = text(s->json, "", "task", &task)))
        return err;
    if (task && one_of(task, tasks, 4, &t))
        return bad("task", "must be classification, binary or regression");
    s->task = (enum spec_task)t;
    if ((err = texts(json_object_get(s->json, "labels"), "labels", &s->labels, &s->nlabels)))
        return err;
    if (s->nlabels == 1 || (s->task == SPEC_BINARY && s->nlabels && s->nlabels != 2))
        return bad("labels", s->nlabels == 1 ? "one label leaves nothing to tell apart" : "binary needs two");
    if (s->task == SPEC_REGRESSION && s->nlabels)
        return bad("labels", "regression has none");
    if ((err = parse_decision(json_object_get(s->json, "decision"), s)))
        return err;
    return parse_rest(s->json, s);
}

int spec_parse(const char *p, size_t n, struct spec *ret)
{
    struct spec s = {0};
    int err = n ? canon_parse("eval/spec.json", p, n, SPEC_MAX_DEPTH, &s.json) : 0;
    if (!n && !(s.json = json_object()))
        err = -ENOMEM;
    if (!err)
        err = parse(&s);
    if (err)
        spec_fini(&s);
    else
        *ret = s;
    return err;
}

void spec_fini(struct spec *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->nmodels; i++) {
        for (size_t k = 0; k < s->models[i].ninputs; k++)
            free(s->models[i].inputs[k].fields);
        free(s->models[i].inputs);
    }
    free(s->models);
    free(s->labels);
    free(s->metrics);
    free(s->release_tags);
    arena_fini(&s->arena);
    json_decref(s->json);
    *s = (struct spec){0};
}

/* Backtracks to the last * and the last ** only, so that no pattern takes exponential time. */
static int glob_match(const char *p, const char *s)
{
    const char *star = NULL, *from = NULL, *deep = NULL, *deep_from = NULL;
    while (*s) {
        if (p[0] == '*' && p[1] == '*') {
            deep = p += 2;
            deep_from = s;
            star = NULL;
        } else if (*p == '*') {
            star = ++p;
            from = s;
        } else if (*p == *s || (*p == '?' && *s != '/')) {
            p++;
            s++;
        } else if (star && *from != '/') {
            p = star;
            s = ++from;
        } else if (deep) {
            p = deep;
            s = ++deep_from;
            star = NULL;
        } else {
            return 0;
        }
    }
    while (*p == '*')
        p++;
    return !*p;
}

int spec_glob(const char *pattern, const char *path)
{
    if (glob_match(pattern, path))
        return 1;
    const char *base = strrchr(path, '/');
    return base && !strchr(pattern, '/') && glob_match(pattern, base + 1);
}

const struct spec_model *spec_match(const struct spec *s, const char *path)
{
    for (size_t i = 0; i < s->nmodels; i++)
        if (!s->models[i].match || spec_glob(s->models[i].match, path))
            return &s->models[i];
    return NULL;
}

/* The digest of the named keys of an object (NULL: an empty one), and of `engine` when it is told. */
static int digest_of(const json_t *o, const char *const *keys, const char *engine, struct digest *ret)
{
    json_t *part = json_object();
    int err = part ? 0 : -ENOMEM;
    for (size_t i = 0; !err && keys[i]; i++) {
        json_t *v = json_object_get(o, keys[i]);
        if (v && json_object_set(part, keys[i], v))
            err = -ENOMEM;
    }
    if (!err && engine && json_object_set_new(part, "engine", json_string(engine)))
        err = -ENOMEM;
    if (!err)
        err = canon_digest(part, ret);
    json_decref(part);
    return err;
}

int spec_inference_digest(const struct spec_model *m, enum spec_engine engine, struct digest *ret)
{
    static const char *const keys[] = {"inputs", "output", NULL};
    return digest_of(m ? m->json : NULL, keys, spec_engine_name(engine), ret);
}

int spec_scorer_digest(const struct spec *s, struct digest *ret)
{
    static const char *const keys[] = {"task", "labels", "decision", "errors", "metrics", NULL};
    return digest_of(s->json, keys, NULL, ret);
}

void spec_format(const struct spec *s, struct out *o)
{
    canon_format(s->json, o);
}
