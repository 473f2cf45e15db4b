/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/settings.h"
#include "fs/eval/graph.h"
#include "store/base/fail.h"
#include "store/manifest.h"
#include "store/rows.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PREDICT_MAX (1u << 20)

static int digests(struct settings *s)
{
    int err = spec_scorer_digest(&s->spec, &s->scorer);
    if (err)
        return err;
    struct out o = {0};
    const json_t *models = json_object_get(s->spec.json, "models");
    if (models)
        canon_format(models, &o);
    out_write(&o, s->graph_digest.b, sizeof s->graph_digest.b);
    out_write(&o, s->predict_digest.b, sizeof s->predict_digest.b);
    if (!(err = out_error(&o)))
        hash_sha256(o.p, o.n, &s->inference);
    out_reset(&o);
    spec_format(&s->spec, &o);
    out_write(&o, s->graph_digest.b, sizeof s->graph_digest.b);
    out_write(&o, s->predict_digest.b, sizeof s->predict_digest.b);
    out_write(&o, s->money.b, sizeof s->money.b);
    if (!err && !(err = out_error(&o)))
        hash_sha256(o.p, o.n, &s->all);
    out_fini(&o);
    return err;
}

/* The files, in the order of their names below. */
enum { SPEC, GRAPH, PREDICT, COST, TRAFFIC, FILES };
static const char *const names[FILES] = {"spec.json", "graph.onnx", "predict.py", "cost.csv", "traffic.csv"};

/* Labels in the cost table are held against the spec when the table is written, not when the spec is: else
 * neither could be changed first. */
static int take_money(struct settings *s, const struct out *cost, const struct out *traffic, int checked)
{
    int err = cost->n ? cost_parse(cost->p, cost->n, checked ? &s->spec : NULL, &s->cost) : 0;
    if (!err && traffic->n)
        err = cost_traffic_parse(traffic->p, traffic->n, &s->traffic);
    if (err || !cost->n)
        return err;
    struct digest d[2] = {{{0}}, {{0}}};
    hash_sha256(cost->p, cost->n, &d[0]);
    if (traffic->n)
        hash_sha256(traffic->p, traffic->n, &d[1]);
    hash_sha256(d, sizeof d, &s->money);
    return 0;
}

/* Takes the bytes of graph and predict.py out of the files. written: which of them is new; -1: none. */
static int make(struct out files[FILES], int written, struct settings **ret)
{
    struct settings *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->refs = 1;
    int err = spec_parse(files[SPEC].n ? files[SPEC].p : "", files[SPEC].n, &s->spec);
    if (!err)
        err = take_money(s, &files[COST], &files[TRAFFIC], written == COST);
    if (!err) {
        s->graph = files[GRAPH];
        s->predict = files[PREDICT];
        files[GRAPH] = files[PREDICT] = (struct out){0};
        if (s->graph.n)
            hash_sha256(s->graph.p, s->graph.n, &s->graph_digest);
        if (s->predict.n)
            hash_sha256(s->predict.p, s->predict.n, &s->predict_digest);
        err = digests(s);
    }
    if (err)
        settings_unref(s);
    else
        *ret = s;
    return err;
}

static void fini(struct out files[FILES])
{
    for (int i = 0; i < FILES; i++)
        out_fini(&files[i]);
}

/* Reads what is stored of every file but `except`; one that there is none of is empty. */
static int stored(struct store *s, int except, struct out files[FILES])
{
    int err = 0;
    for (int i = 0; !err && i < FILES; i++)
        if (i != except && (err = config_get(s, names[i], &files[i], NULL)) == -ENOENT)
            err = 0;
    return err;
}

/* The files of the digests. */
static int once(struct store *s, const json_t *digests, struct out files[FILES])
{
    int err = 0;
    for (int i = 0; !err && i < FILES; i++) {
        struct digest d;
        const char *hex = json_string_value(json_object_get(digests, names[i]));
        if (hex && !(err = hash_parse(hex, &d)))
            err = blob_get(s, &d, &files[i]);
    }
    return err;
}

/* The reason that a parser gave, under another code: a text is refused, or what is stored is damaged. */
static int again(int err)
{
    char why[512];
    snprintf(why, sizeof why, "%s", fail_text());
    return fail(err, "%s", why);
}

int settings_load(struct store *s, struct settings **ret)
{
    struct out files[FILES] = {{0}};
    int err = stored(s, -1, files);
    if (!err)
        err = make(files, -1, ret);
    fini(files);
    return err == -EINVAL ? again(-EBADMSG) : err;
}

int settings_past(struct store *s, const json_t *digests, struct settings **ret)
{
    struct out files[FILES] = {{0}};
    int err = once(s, digests, files);
    if (!err)
        err = make(files, -1, ret);
    fini(files);
    return err == -EINVAL ? again(-EBADMSG) : err;
}

static int check_graph(const struct out *graph)
{
    struct arena a = {0};
    struct graph g;
    int err = graph->n ? graph_parse("eval/graph.onnx", graph->p, graph->n, &a, &g) : 0;
    arena_fini(&a);
    return err;
}

/* It is not run to find out more: that may not be allowed here. */
static int check_predict(const struct out *text)
{
    if (!text->n)
        return 0;
    json_t *v = memchr(text->p, 0, text->n) ? NULL : json_stringn(text->p, text->n);
    int utf8 = v != NULL;
    json_decref(v);
    if (!utf8 || text->n > PREDICT_MAX)
        return fail(-EBADMSG, "eval/predict.py: not UTF-8 text of at most %u MiB", PREDICT_MAX >> 20);
    return 0;
}

int settings_try(struct store *s, const char *name, const void *p, size_t n, struct settings **ret)
{
    struct out files[FILES] = {{0}};
    int at = 0;
    while (at < FILES && strcmp(names[at], name) != 0)
        at++;
    if (at == FILES)
        return fail(-EINVAL, "eval/%s: not a file that configures anything", name);
    out_write(&files[at], p, n);
    int err = out_error(&files[at]);
    if (!err)
        err = stored(s, at, files);
    if (!err) {
        err = at == GRAPH ? check_graph(&files[at]) : at == PREDICT ? check_predict(&files[at]) : 0;
        if (!err)
            err = make(files, at, ret);
        if (err == -EBADMSG)
            err = again(-EINVAL);
    }
    fini(files);
    return err;
}

struct settings *settings_ref(struct settings *s)
{
    __atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
    return s;
}

void settings_unref(struct settings *s)
{
    if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL))
        return;
    spec_fini(&s->spec);
    cost_fini(&s->cost);
    cost_traffic_fini(&s->traffic);
    out_fini(&s->graph);
    out_fini(&s->predict);
    free(s);
}
