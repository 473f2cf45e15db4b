/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/node.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int place_copy(const struct place *p, struct place *ret)
{
    struct place c = *p;
    c.a = p->a ? version_ref(p->a) : NULL;
    c.b = p->b ? version_ref(p->b) : NULL;
    c.name = NULL;
    c.manifest = NULL;
    c.file = NULL;
    int r = p->name && !(c.name = strdup(p->name)) ? fail(-ENOMEM, "out of memory") : 0;
    if (r == 0 && p->manifest && (r = manifest_get(repo_store(p->repo), p->a, &c.manifest)) == 0 && p->file)
        c.file = manifest_find(c.manifest, p->file->path); /* its files may be another copy in memory */
    if (r < 0)
        place_fini(&c);
    else
        *ret = c;
    return r;
}

void place_fini(struct place *p)
{
    version_unref(p->a);
    version_unref(p->b);
    if (p->manifest)
        manifest_unref(repo_store(p->repo), p->manifest);
    free(p->name);
    *p = (struct place){0};
}

static int same_version(const struct version *a, const struct version *b)
{
    return a == b || (a && b && hash_equal(&a->digest, &b->digest));
}

static int same_name(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

int place_equal(const struct place *p, const struct place *q)
{
    return p->node == q->node && p->error == q->error && p->tensor == q->tensor && same_version(p->a, q->a) &&
           same_version(p->b, q->b) && same_name(p->name, q->name) &&
           same_name(p->file ? p->file->path : NULL, q->file ? q->file->path : NULL) &&
           hash_equal(&p->content, &q->content);
}
