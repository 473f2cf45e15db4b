/* SPDX-License-Identifier: Apache-2.0 */
/* What the <…> of the map stand for: versions, tags, pairs, files, tensors, examples. */
#include "fs/eval/eval.h"
#include "fs/node.h"
#include "fs/tensors.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- versions ---- */

/* "v12", exactly as it is printed. */
static int version_find(const struct place *dir, const char *name, const struct version **ret)
{
    char *end, again[16];
    unsigned long n = name[0] == 'v' && name[1] >= '1' && name[1] <= '9' ? strtoul(name + 1, &end, 10) : 0;
    if (n == 0 || *end || n > UINT32_MAX)
        return -ENOENT;
    snprintf(again, sizeof again, "v%lu", n);
    if (strcmp(again, name) != 0)
        return -ENOENT;
    return version_by_number(repo_store(dir->repo), (uint32_t)n, ret);
}

static int find_version(const struct place *dir, const char *name, struct place *ret)
{
    return version_find(dir, name, &ret->a);
}

struct naming {
    int (*each)(void *ctx, const char *name);
    void *ctx;
    struct store *store;
};

static int name_version(void *ctx, const struct version *v)
{
    struct naming *x = ctx;
    char name[16];
    snprintf(name, sizeof name, "v%u", v->number);
    return x->each(x->ctx, name);
}

static int each_version(const struct place *dir, int (*each)(void *ctx, const char *name), void *ctx)
{
    struct naming x = {each, ctx, repo_store(dir->repo)};
    return version_each(x.store, name_version, &x);
}

const struct names names_version = {find_version, each_version};

static int find_latest(const struct place *dir, const char *name, struct place *ret)
{
    (void)name;
    return version_latest(repo_store(dir->repo), &ret->a);
}

const struct names names_latest = {find_latest, NULL};

/* ---- tags ---- */

static int find_tag(const struct place *dir, const char *name, struct place *ret)
{
    struct digest d;
    if (tag_get(repo_store(dir->repo), name, &d) < 0 || !(ret->name = strdup(name)))
        return -ENOENT;
    return version_get(repo_store(dir->repo), &d, &ret->a);
}

static int name_tag(void *ctx, const char *name, const struct digest *d)
{
    struct naming *x = ctx;
    (void)d;
    return x->each(x->ctx, name);
}

static int each_tag(const struct place *dir, int (*each)(void *ctx, const char *name), void *ctx)
{
    struct naming x = {each, ctx, repo_store(dir->repo)};
    return tag_each(x.store, name_tag, &x);
}

const struct names names_tag = {find_tag, each_tag};

/* ---- revisions of the evaluation set ---- */

static int is_revision(void *ctx, const char *name)
{
    return strcmp(name, *(const char **)ctx) == 0;
}

static int find_revision(const struct place *dir, const char *name, struct place *ret)
{
    int r = eval_revisions(repo_eval(dir->repo), is_revision, &name);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    return (ret->name = strdup(name)) ? 0 : -ENOMEM;
}

static int each_revision(const struct place *dir, int (*each)(void *ctx, const char *name), void *ctx)
{
    return eval_revisions(repo_eval(dir->repo), each, ctx);
}

const struct names names_revision = {find_revision, each_revision};

/* ---- eval/inputs ---- */

static int find_input(const struct place *dir, const char *name, struct place *ret)
{
    struct out o = {0};
    out_printf(&o, "inputs/%s", name);
    struct digest d, empty;
    int r = eval_is_input(out_cstr(&o)) ? config_get(repo_store(dir->repo), out_cstr(&o), NULL, &d) : -ENOENT;
    out_fini(&o);
    hash_sha256("", 0, &empty);
    if (r == 0 && hash_equal(&d, &empty)) /* removed */
        r = -ENOENT;
    return r == 0 && !(ret->name = strdup(name)) ? -ENOMEM : r;
}

static int name_input(void *ctx, const char *name)
{
    struct naming *x = ctx;
    return x->each(x->ctx, name + strlen("inputs/"));
}

static int each_input(const struct place *dir, int (*each)(void *ctx, const char *name), void *ctx)
{
    struct naming x = {each, ctx, repo_store(dir->repo)};
    return config_each(x.store, "inputs/", name_input, &x);
}

const struct names names_input = {find_input, each_input};

/* ---- pairs ---- */

/* A name holds no "..", so that a pair splits at its only one. */
static int split(const char *pair, char ret_a[128], const char **ret_b)
{
    const char *dots = strstr(pair, "..");
    if (!dots || dots == pair || dots - pair >= 128 || !dots[2] || strstr(dots + 1, "..") != NULL)
        return -ENOENT;
    memcpy(ret_a, pair, (size_t)(dots - pair));
    ret_a[dots - pair] = 0;
    *ret_b = dots + 2;
    return 0;
}

static int find_pair(const struct place *dir, const char *name, struct place *ret)
{
    char a[128];
    const char *b;
    int r = split(name, a, &b);
    if (r == 0 && (r = version_find(dir, a, &ret->a)) == 0)
        r = version_find(dir, b, &ret->b);
    return r;
}

static int name_pairs(void *ctx, const struct version *v)
{
    struct naming *x = ctx;
    int r = 0;
    for (size_t i = 0; i < v->nparents && r == 0; i++) {
        const struct version *parent;
        char name[32];
        if (version_get(x->store, &v->parents[i], &parent) < 0)
            continue; /* removed */
        snprintf(name, sizeof name, "v%u..v%u", parent->number, v->number);
        version_unref(parent);
        r = x->each(x->ctx, name);
    }
    return r;
}

static int each_pair(const struct place *dir, int (*each)(void *ctx, const char *name), void *ctx)
{
    struct naming x = {each, ctx, repo_store(dir->repo)};
    return version_each(x.store, name_pairs, &x);
}

const struct names names_pair = {find_pair, each_pair};

static int find_alias(const struct place *dir, const char *name, struct place *ret)
{
    char a[128];
    const char *b;
    int movable, r = split(name, a, &b);
    if (r == 0 && (r = version_resolve(repo_store(dir->repo), a, &ret->a, &movable)) == 0)
        r = version_resolve(repo_store(dir->repo), b, &ret->b, &movable);
    if (r == 0 && !(ret->name = strdup(name)))
        r = -ENOMEM;
    return r == -EEXIST || r == -EINVAL ? -ENOENT : r; /* an ambiguous digest, or no name at all */
}

const struct names names_alias = {find_alias, NULL};

/* ---- files ---- */

static int bind_manifest(struct place *p)
{
    return p->manifest ? 0 : manifest_get(repo_store(p->repo), p->a, &p->manifest);
}

/* The directory's path with a slash, "" at the top; or NULL. */
static char *prefix(const struct place *dir)
{
    char *s;
    return asprintf(&s, "%s%s", dir->name ? dir->name : "", dir->name ? "/" : "") < 0 ? NULL : s;
}

static int has_below(const struct manifest *m, const char *path)
{
    struct out o = {0};
    out_printf(&o, "%s/", path);
    size_t i = manifest_lower_bound(m, out_cstr(&o));
    int found = i < m->nfiles && strncmp(m->files[i].path, out_cstr(&o), o.n) == 0;
    out_fini(&o);
    return found;
}

static int find_file(const struct place *dir, const char *name, struct place *ret)
{
    char *path = NULL;
    int r = bind_manifest(ret);
    if (r < 0)
        return r;
    if (asprintf(&path, "%s%s%s", dir->name ? dir->name : "", dir->name ? "/" : "", name) < 0)
        return -ENOMEM;
    ret->file = manifest_find(ret->manifest, path);
    if (!ret->file && !has_below(ret->manifest, path)) {
        free(path);
        return -ENOENT;
    }
    free(ret->name);
    ret->name = path;
    return 0;
}

/* Whatever is below a folder stands together in byte order: its name is told once, and what is below is
 * skipped. A folder that has an entry of its own was told by that. */
static int each_file(const struct place *dir, int (*each)(void *ctx, const char *name), void *ctx)
{
    const struct manifest *m;
    int r = manifest_get(repo_store(dir->repo), dir->a, &m);
    if (r < 0)
        return r;
    char *below = prefix(dir);
    size_t n = below ? strlen(below) : 0;
    struct out name = {0};
    if (!below)
        r = -ENOMEM;
    for (size_t i = below ? manifest_lower_bound(m, below) : m->nfiles; r == 0 && i < m->nfiles;) {
        const char *path = m->files[i].path, *slash;
        if (strncmp(path, below, n) != 0)
            break;
        slash = strchr(path + n, '/');
        out_reset(&name);
        out_write(&name, path, slash ? (size_t)(slash - path) : strlen(path));
        if (!slash || !manifest_find(m, out_cstr(&name)))
            r = each(ctx, out_cstr(&name) + n);
        if (slash) {
            out_char(&name, '/' + 1);
            i = manifest_lower_bound(m, out_cstr(&name));
        } else {
            i++;
        }
        if (r == 0)
            r = out_error(&name);
    }
    free(below);
    out_fini(&name);
    manifest_unref(repo_store(dir->repo), m);
    return r;
}

const struct names names_file = {find_file, each_file};

/* ---- tensors ---- */

/* In a file's own directory dir->file is bound. */
static uint32_t tensor_dir(const struct place *dir)
{
    return dir->file ? (uint32_t)(dir->file - dir->manifest->files) : UINT32_MAX;
}

static int tensor_find(const struct place *dir, const char *name, int want_dir, struct place *ret)
{
    const struct tensors *t;
    const struct tensors_name *x = NULL;
    int r = bind_manifest(ret);
    if (r < 0 || (r = tensors_get(dir->a, ret->manifest, &t)) < 0)
        return r;
    x = tensors_find(t, dir->file ? (uint32_t)(ret->file - ret->manifest->files) : UINT32_MAX, name);
    if (x && (x->tensor == UINT32_MAX) == want_dir) {
        ret->file = &ret->manifest->files[x->file];
        ret->tensor = want_dir ? 0 : x->tensor;
    } else {
        r = -ENOENT;
    }
    tensors_unref(t);
    return r;
}

static int find_tensor(const struct place *dir, const char *name, struct place *ret)
{
    return tensor_find(dir, name, 0, ret);
}

static int find_tensor_dir(const struct place *dir, const char *name, struct place *ret)
{
    return tensor_find(dir, name, 1, ret);
}

static int tensor_each(const struct place *dir, int want_dir, int (*each)(void *ctx, const char *name),
                       void *ctx)
{
    const struct manifest *m;
    const struct tensors *t;
    int r = manifest_get(repo_store(dir->repo), dir->a, &m);
    if (r < 0)
        return r;
    if ((r = tensors_get(dir->a, m, &t)) == 0) {
        size_t n;
        const struct tensors_name *v = tensors_dir(t, tensor_dir(dir), &n);
        for (size_t i = 0; i < n && r == 0; i++)
            if ((v[i].tensor == UINT32_MAX) == want_dir)
                r = each(ctx, v[i].name);
        tensors_unref(t);
    }
    manifest_unref(repo_store(dir->repo), m);
    return r;
}

static int each_tensor(const struct place *dir, int (*each)(void *ctx, const char *name), void *ctx)
{
    return tensor_each(dir, 0, each, ctx);
}

static int each_tensor_dir(const struct place *dir, int (*each)(void *ctx, const char *name), void *ctx)
{
    return tensor_each(dir, 1, each, ctx);
}

const struct names names_tensor = {find_tensor, each_tensor};
const struct names names_tensor_dir = {find_tensor_dir, each_tensor_dir};

/* ---- examples ---- */

/* An id that had to be escaped is found by trying them all. */
static int find_escaped(const struct eval_set *set, const char *name, size_t *ret)
{
    struct out o = {0};
    int r = -ENOENT;
    for (size_t i = 0; r < 0 && i < set->nrows; i++) {
        out_reset(&o);
        tree_component(&o, set->rows[i]->id);
        if (strcmp(out_cstr(&o), name) == 0) {
            *ret = i;
            r = 0;
        }
    }
    out_fini(&o);
    return r;
}

static int find_example(const struct place *dir, const char *name, struct place *ret)
{
    const struct eval_set *set;
    size_t n = strlen(name), i;
    if (n <= 4 || strcmp(name + n - 4, ".csv") != 0)
        return -ENOENT;
    char *id = strndup(name, n - 4);
    int r = id ? eval_view(repo_eval(dir->repo), &set) : -ENOMEM;
    if (r == 0) {
        r = strpbrk(id, "%~") ? find_escaped(set, id, &i) : eval_view_find(set, id, &i);
        if (r == 0 && !(ret->name = strdup(set->rows[i]->id)))
            r = -ENOMEM;
        eval_view_unref(set);
    }
    free(id);
    return r;
}

static int each_example(const struct place *dir, int (*each)(void *ctx, const char *name), void *ctx)
{
    const struct eval_set *set;
    struct out o = {0};
    int r = eval_view(repo_eval(dir->repo), &set);
    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < set->nrows; i++) {
        out_reset(&o);
        tree_component(&o, set->rows[i]->id);
        out_str(&o, ".csv");
        r = out_error(&o) ? out_error(&o) : each(ctx, out_cstr(&o));
    }
    out_fini(&o);
    eval_view_unref(set);
    return r;
}

const struct names names_example = {find_example, each_example};
