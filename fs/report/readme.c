/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/report.h"
#include <errno.h>

static int count(void *ctx, const struct version *v)
{
    (void)v;
    ++*(uint64_t *)ctx;
    return 0;
}

static int see_tag(void *ctx, const char *name, const struct digest *d)
{
    struct out *o = ctx;
    (void)d;
    out_printf(o, "%stags/%s", o->n ? ", " : "", name);
    return o->n > 60;
}

static int first_parent(const struct subject *s, const struct version *v, const struct version **ret)
{
    for (size_t i = 0; i < v->nparents; i++)
        if (version_get(s->store, &v->parents[i], ret) == 0)
            return 1;
    return 0;
}

static int render(const struct subject *s, struct out *o)
{
    const struct version *v = NULL, *parent = NULL;
    uint64_t versions = 0;
    struct out tags = {0};
    int r = version_latest(s->store, &v);
    if (r < 0 && r != -ENOENT)
        return r;
    if (r == -ENOENT) {
        out_str(o, "A model repo of modelfs, still empty. The first version:\n\n"
                   "    modelfs commit REPO DIRECTORY -m \"what it is\"\n");
        return 0;
    }
    version_each(s->store, count, &versions);
    tag_each(s->store, see_tag, &tags);
    out_printf(o, "A model repo of modelfs: %llu version%s of one model. See modelfs(5).\n\n",
               (unsigned long long)versions, versions == 1 ? "" : "s");
    unsigned n = v->number;
    out_printf(o, "  latest/                      the newest version, v%u: its files as committed\n", n);
    out_printf(o, "  log.txt                      the history, newest first\n");
    if (tags.n)
        out_printf(o, "  tags/                        %s\n", out_cstr(&tags));
    else
        out_printf(o, "  tags/                        names for versions: ln -s ../v%u tags/prod\n", n);
    out_printf(o, "  tensors/v%u/                  each tensor as a NumPy array\n", n);
    if (first_parent(s, v, &parent))
        out_printf(o, "  diff/v%u..v%u/                what changed from v%u to v%u\n", parent->number, n,
                   parent->number, n);
    version_unref(parent);
    version_unref(v);
    out_fini(&tags);
    return 0;
}

const struct report report_readme = {
    .name = "README.txt",
    .version = 1,
    .inputs = INPUT_HISTORY,
    .doc = "what is here, in a few lines",
    .render = render,
};
