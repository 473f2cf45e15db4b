/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/weights.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64u

struct name {
    const char *s;
    size_t tensor;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->s, ((const struct name *)b)->s);
}

static const char *strip(const char *s)
{
    static const char *const prefixes[] = {"module.", "_orig_mod.", "model."};
    for (size_t i = 0; i < 3; i++)
        if (!strncmp(s, prefixes[i], strlen(prefixes[i]))) {
            s += strlen(prefixes[i]);
            i = (size_t)-1;
        }
    return s;
}

/* The tensors' names, sorted; as they are or stripped. */
static struct name *sorted(const struct runner_source *src, int stripped, struct arena *a)
{
    struct name *names = arena_array(a, src->ntensors, sizeof *names);
    for (size_t i = 0; names && i < src->ntensors; i++)
        names[i] = (struct name){stripped ? strip(src->tensors[i].name) : src->tensors[i].name, i};
    if (names)
        qsort(names, src->ntensors, sizeof *names, by_name);
    return names;
}

static const struct name *find(const struct name *names, size_t n, const char *s)
{
    struct name key = {s, 0};
    return bsearch(&key, names, n, sizeof *names, by_name);
}

/* How many external initializers have no tensor; the first of them. */
static size_t missing(const struct graph *g, const struct name *names, size_t n, int stripped,
                      const struct graph_init **ret_first)
{
    size_t k = 0;
    for (size_t i = g->ninits; i-- > 0;)
        if (g->inits[i].external && !find(names, n, stripped ? strip(g->inits[i].name) : g->inits[i].name)) {
            *ret_first = &g->inits[i];
            k++;
        }
    return k;
}

static void shape_text(struct out *o, enum dtype t, uint32_t rank, const uint64_t *shape)
{
    out_printf(o, "%s [", dtype_name(t));
    for (uint32_t i = 0; i < rank; i++)
        out_printf(o, "%s%llu", i ? "," : "", (unsigned long long)shape[i]);
    out_char(o, ']');
}

static int misfit(const struct runner_source *src, const struct graph_init *init,
                  const struct runner_tensor *t)
{
    struct out want = {0}, have = {0};
    shape_text(&want, init->dtype, init->rank, init->shape);
    shape_text(&have, t->dtype, t->rank, t->shape);
    int err = fail(-EINVAL, "%s: the graph wants \"%s\" as %s, the version has %s", src->name, init->name,
                   out_cstr(&want), out_cstr(&have));
    out_fini(&want);
    out_fini(&have);
    return err;
}

/* Every value of `from` is a value of `to`. */
static int widens(enum dtype from, enum dtype to)
{
    return dtype_is_float(from) && (to == DTYPE_F32 || to == DTYPE_F64) && dtype_size(from) < dtype_size(to);
}

/* Elements of a fitting tensor and the bytes it will take; 0 elements are fine. */
static int measure(const struct runner_source *src, const struct graph_init *init,
                   const struct runner_tensor *t, uint64_t *ret_count)
{
    uint64_t count = 1, bytes;
    int same = init->rank == t->rank && (init->dtype == t->dtype || widens(t->dtype, init->dtype));
    for (uint32_t i = 0; same && i < t->rank; i++)
        same = init->shape[i] == t->shape[i];
    if (!same || !dtype_size(init->dtype))
        return misfit(src, init, t);
    for (uint32_t i = 0; i < t->rank; i++)
        if (__builtin_mul_overflow(count, t->shape[i], &count))
            return misfit(src, init, t);
    if (__builtin_mul_overflow(count, dtype_size(init->dtype), &bytes))
        return misfit(src, init, t);
    *ret_count = count;
    return 0;
}

static int widen(const void *p, enum dtype from, size_t n, enum dtype to, void *ret)
{
    double few[256];
    for (size_t i = 0, k; i < n; i += k) {
        k = n - i < 256 ? n - i : 256;
        dtype_decode(from, (const char *)p + i * dtype_size(from), k, few);
        for (size_t j = 0; j < k; j++) {
            float x = (float)few[j];
            if (to == DTYPE_F64)
                memcpy((char *)ret + (i + j) * 8, &few[j], 8);
            else
                memcpy((char *)ret + (i + j) * 4, &x, 4);
        }
    }
    return 0;
}

static int load(const struct runner_source *src, const struct graph_init *init, size_t tensor, uint8_t *ret)
{
    const struct runner_tensor *t = &src->tensors[tensor];
    if (t->dtype == init->dtype)
        return src->read(src->ctx, tensor, ret, init->length);
    size_t n = init->length / dtype_size(init->dtype), bytes = n * dtype_size(t->dtype);
    void *raw = malloc(bytes ? bytes : 1);
    int err = raw ? src->read(src->ctx, tensor, raw, bytes) : -ENOMEM;
    if (!err)
        err = widen(raw, t->dtype, n, init->dtype, ret);
    free(raw);
    return err;
}

/* Which tensor each initializer takes: at[i], or SIZE_MAX for one that keeps its own data. Offsets are laid
 * out.
 */
static int lay_out(const struct runner_source *src, struct graph *g, const struct name *names, int stripped,
                   size_t *at, size_t *ret_len)
{
    size_t len = 0, taken = 0;
    for (size_t i = 0; i < g->ninits; i++) {
        struct graph_init *init = &g->inits[i];
        const struct name *n = find(names, src->ntensors, stripped ? strip(init->name) : init->name);
        at[i] = SIZE_MAX;
        if (!n)
            continue;
        if ((n > names && !strcmp(n[-1].s, n->s)) || (n + 1 < names + src->ntensors && !strcmp(n[1].s, n->s)))
            return fail(-EINVAL, "%s: \"%s\" may be more than one tensor of the version", src->name,
                        init->name);
        uint64_t count = 0;
        int err = measure(src, init, &src->tensors[n->tensor], &count);
        if (err)
            return err;
        at[i] = n->tensor;
        init->bound = 1;
        init->offset = len;
        init->length = count * dtype_size(init->dtype);
        if (__builtin_add_overflow(len, init->length + ALIGNMENT - 1, &len))
            return -ENOMEM;
        len &= ~(size_t)(ALIGNMENT - 1);
        taken++;
    }
    if (!taken)
        return fail(-EINVAL, "%s: no initializer of the graph has the name of a tensor of the version",
                    src->name);
    *ret_len = len;
    return 0;
}

static int unused(const struct runner_source *src, const struct graph *g, const size_t *at, struct arena *a,
                  struct weights *w)
{
    char *used = arena_alloc(a, src->ntensors);
    w->unused = arena_array(a, src->ntensors, sizeof *w->unused);
    if (!used || !w->unused)
        return -ENOMEM;
    for (size_t i = 0; i < g->ninits; i++)
        if (at[i] != SIZE_MAX)
            used[at[i]] = 1;
    for (size_t i = 0; i < src->ntensors; i++)
        if (!used[i] && !(w->unused[w->nunused++] = arena_strdup(a, src->tensors[i].name)))
            return -ENOMEM;
    return 0;
}

int weights_bind(const struct runner_source *src, struct graph *g, struct arena *a, struct weights *ret)
{
    struct weights w = {0};
    const struct graph_init *first = NULL;
    size_t *at = arena_array(a, g->ninits + 1, sizeof *at), lacks = 0;
    int stripped = 0, err = 0;
    struct name *names = sorted(src, 0, a);
    if (!at || !names)
        return -ENOMEM;
    if ((lacks = missing(g, names, src->ntensors, 0, &first))) {
        const struct graph_init *other = NULL;
        struct name *short_names = sorted(src, 1, a);
        if (!short_names)
            return -ENOMEM;
        if (missing(g, short_names, src->ntensors, 1, &other))
            return fail(-EINVAL, "%s: the version has no tensor \"%s\" (%zu of the graph's %zu are missing)",
                        src->name, first->name, lacks, g->ninits);
        names = short_names;
        stripped = 1;
    }
    if ((err = lay_out(src, g, names, stripped, at, &w.len)))
        return err;
    if (!(w.data = calloc(w.len ? w.len : 1, 1)))
        return -ENOMEM;
    for (size_t i = 0; !err && i < g->ninits; i++)
        if (at[i] != SIZE_MAX)
            err = load(src, &g->inits[i], at[i], w.data + g->inits[i].offset);
    if (!err) {
        graph_bind(g, WEIGHTS_LOCATION, &w.model);
        err = out_error(&w.model);
    }
    if (!err)
        err = unused(src, g, at, a, &w);
    if (err)
        weights_fini(&w);
    else
        *ret = w;
    return err;
}

void weights_fini(struct weights *w)
{
    out_fini(&w->model);
    free(w->data);
    w->data = NULL;
}
