/* SPDX-License-Identifier: Apache-2.0 */
/* What is here, in a few lines, with paths that exist in this repo. */
#include "fs/report/figure.h"
#include "fs/report/report.h"
#include <errno.h>

static int count(void *ctx, const struct version *v)
{
    (void)v;
    ++*(uint64_t *)ctx;
    return 0;
}

static int first_tag(void *ctx, const char *name, const struct digest *d)
{
    (void)d;
    out_printf(ctx, "tags/%s/", name);
    return 1;
}

static int first_parent(const struct subject *s, const struct version *v, const struct version **ret)
{
    for (size_t i = 0; i < v->nparents; i++)
        if (version_get(s->store, &v->parents[i], ret) == 0)
            return 1;
    return 0;
}

static void put(struct out *o, const char *path, const char *what)
{
    size_t from = o->n;
    out_printf(o, "  %s ", path);
    figure_pad(o, from, 30);
    out_printf(o, "%s\n", what);
}

static void put_of(struct out *o, const char *before, const struct version *v, const char *after,
                   const char *what)
{
    struct out path = {0};
    out_printf(&path, "%sv%u%s", before, v->number, after);
    put(o, out_cstr(&path), what);
    out_fini(&path);
}

static int render(const struct subject *s, struct out *o)
{
    const struct version *v = NULL, *parent = NULL;
    uint64_t versions = 0;
    struct out tag = {0}, pair = {0};
    int r = version_latest(s->store, &v);
    if (r == -ENOENT) {
        out_str(o, "A model repo of modelfs, still empty. The first version:\n\n"
                   "    modelfs commit REPO DIRECTORY -m \"what it is\"\n");
        return 0;
    }
    if (r < 0)
        return r;
    version_each(s->store, count, &versions);
    tag_each(s->store, first_tag, &tag);
    out_printf(o, "A model repo of modelfs: %llu version%s of one model. man 5 modelfs tells all.\n\n",
               (unsigned long long)versions, versions == 1 ? "" : "s");
    put_of(o, "", v, "/", "the newest version's files; latest/ is the same");
    if (tag.n)
        put(o, out_cstr(&tag), "a name for a version: ln -sfn moves it, rm removes it");
    else
        put(o, "tags/", "names for versions: ln -s ../latest tags/prod");
    put(o, "log.txt", "the history, newest first");
    put_of(o, "info/", v, "/summary.txt", "one screen about a version");
    put_of(o, "tensors/", v, "/", "each tensor as a NumPy array");
    if (first_parent(s, v, &parent)) {
        out_printf(&pair, "diff/v%u..", parent->number);
        put_of(o, out_cstr(&pair), v, "/summary.txt", "what a reviewer reads first, evidence beside it");
    }
    put(o, "eval/summary.txt", "how well each version does, one line each");
    put(o, "eval/examples.jsonl", "the evaluation set; append a row such as");
    out_str(o, "    echo '{\"input\":{\"FIELD\":VALUE},\"label\":\"LABEL\"}' >> eval/examples.jsonl\n");
    put(o, "store.txt", "what it all costs in bytes");
    version_unref(parent);
    version_unref(v);
    out_fini(&tag);
    out_fini(&pair);
    return 0;
}

const struct report report_readme = {
    .name = "README.txt",
    .version = 2,
    .inputs = INPUT_HISTORY,
    .doc = "what is here, in a few lines",
    .render = render,
};
