/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/settings.h"
#include "fs/eval/graph.h"
#include "store/base/fail.h"
#include "store/rows.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

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
    if (!(err = out_error(&o)))
        hash_sha256(o.p, o.n, &s->inference);
    out_reset(&o);
    spec_format(&s->spec, &o);
    out_write(&o, s->graph_digest.b, sizeof s->graph_digest.b);
    if (!err && !(err = out_error(&o)))
        hash_sha256(o.p, o.n, &s->all);
    out_fini(&o);
    return err;
}

/* Takes the graph's bytes out of `graph`. */
static int make(const struct out *spec, struct out *graph, struct settings **ret)
{
    struct settings *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->refs = 1;
    int err = spec_parse(spec->n ? spec->p : "", spec->n, &s->spec);
    if (!err) {
        s->graph = *graph;
        *graph = (struct out){0};
        if (s->graph.n)
            hash_sha256(s->graph.p, s->graph.n, &s->graph_digest);
        err = digests(s);
    }
    if (err)
        settings_unref(s);
    else
        *ret = s;
    return err;
}

/* Appends what is configured under the name; nothing when there is none. */
static int stored(struct store *s, const char *name, struct out *o)
{
    int err = config_get(s, name, o, NULL);
    return err == -ENOENT ? 0 : err;
}

int settings_load(struct store *s, struct settings **ret)
{
    struct out spec = {0}, graph = {0};
    int err = stored(s, "spec.json", &spec);
    if (!err)
        err = stored(s, "graph.onnx", &graph);
    if (!err)
        err = make(&spec, &graph, ret);
    out_fini(&spec);
    out_fini(&graph);
    return err;
}

/* The caller's text was refused: -EINVAL, with the reason that a parser gave. */
static int refused(void)
{
    char why[512];
    snprintf(why, sizeof why, "%s", fail_text());
    return fail(-EINVAL, "%s", why);
}

int settings_try(struct store *s, const char *name, const void *p, size_t n, struct settings **ret)
{
    struct out spec = {0}, graph = {0};
    int err = 0;
    if (!strcmp(name, "spec.json")) {
        out_write(&spec, p, n);
        err = stored(s, "graph.onnx", &graph);
    } else if (!strcmp(name, "graph.onnx")) {
        struct arena a = {0};
        struct graph g;
        out_write(&graph, p, n);
        if (n && (err = graph_parse("eval/graph.onnx", p, n, &a, &g)) == -EBADMSG)
            err = refused();
        arena_fini(&a);
        if (!err)
            err = stored(s, "spec.json", &spec);
    } else {
        err = fail(-EINVAL, "eval/%s: not a file that configures anything", name);
    }
    if (!err)
        err = out_error(&spec) ? out_error(&spec) : out_error(&graph);
    if (!err && (err = make(&spec, &graph, ret)) == -EBADMSG)
        err = refused();
    out_fini(&spec);
    out_fini(&graph);
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
    out_fini(&s->graph);
    free(s);
}
