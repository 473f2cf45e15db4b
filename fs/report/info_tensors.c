/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/figure.h"
#include "fs/report/report.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const columns[] = {"name", "file", "dtype", "shape", "n",   "bytes", "digest", "norm",
                                      "mean", "std",  "min",   "max",   "nan", "inf",   "zeros",  "since"};

static const struct digest none;

/* Digests of versions as vN, each looked up once. */
struct names {
    struct store *store;
    struct named {
        struct digest digest;
        char name[24];
    } * v;
    size_t n, cap;
    struct arena *arena;
};

static const char *name_of(struct names *s, const struct digest *d)
{
    const struct version *v;
    char hex[HASH_HEX];
    for (size_t i = s->n; i-- > 0;)
        if (memcmp(&s->v[i].digest, d, sizeof *d) == 0)
            return s->v[i].name;
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 16;
        struct named *more = arena_array(s->arena, cap, sizeof *more);
        if (!more)
            return NULL;
        if (s->n)
            memcpy(more, s->v, s->n * sizeof *more);
        s->v = more;
        s->cap = cap;
    }
    struct named *x = &s->v[s->n++];
    x->digest = *d;
    if (version_get(s->store, d, &v) >= 0) {
        snprintf(x->name, sizeof x->name, "v%u", v->number);
        version_unref(v);
    } else { /* removed since */
        hash_hex(d, hex);
        snprintf(x->name, sizeof x->name, "%.12s", hex);
    }
    return x->name;
}

static void put_row(struct out *o, const struct manifest_file *f, const struct manifest_tensor *t,
                    const char *since)
{
    struct out shape = {0};
    char hex[HASH_HEX] = "";
    int read = memcmp(&t->digest, &none, sizeof none) != 0 && dtype_size(t->dtype) && t->dtype != DTYPE_C64 &&
               t->dtype != DTYPE_C128;
    out_csv(o, t->name);
    out_csv(o, f->path);
    out_csv(o, dtype_name(t->dtype));
    figure_shape(&shape, t);
    out_csv(o, out_cstr(&shape));
    out_fini(&shape);
    out_csv_u64(o, t->count);
    out_csv_u64(o, t->len);
    if (memcmp(&t->digest, &none, sizeof none))
        hash_hex(&t->digest, hex);
    hex[16] = 0;
    out_csv(o, hex);
    const double numbers[] = {t->stats.norm, t->stats.mean, t->stats.std, t->stats.min, t->stats.max};
    const uint64_t counts[] = {t->stats.nan, t->stats.inf, t->stats.zeros};
    int finite = read && t->count > t->stats.nan + t->stats.inf;
    for (int i = 0; i < 5; i++)
        if (finite)
            out_csv_num(o, numbers[i]);
        else
            out_csv_empty(o);
    for (int i = 0; i < 3; i++)
        if (read)
            out_csv_u64(o, counts[i]);
        else
            out_csv_empty(o);
    out_csv(o, since);
    out_csv_end(o);
}

static int render(const struct subject *s, struct out *o)
{
    const struct manifest *m;
    struct names names = {.store = s->store, .arena = s->arena};
    char self[24];
    int r = manifest_get(s->store, s->a, &m);
    if (r < 0)
        return r;
    snprintf(self, sizeof self, "v%u", s->a->number);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        out_csv(o, columns[i]);
    out_csv_end(o);
    for (size_t i = 0; i < m->nfiles && r == 0; i++)
        for (size_t k = 0; k < m->files[i].ntensors && r == 0; k++) {
            const struct manifest_tensor *t = &m->files[i].tensors[k];
            int here = memcmp(&t->since, &none, sizeof none) == 0;
            const char *since = here ? self : name_of(&names, &t->since);
            if (since)
                put_row(o, &m->files[i], t, since);
            else
                r = fail(-ENOMEM, "out of memory");
        }
    manifest_unref(s->store, m);
    return r;
}

const struct report report_info_tensors = {
    .name = "tensors.csv",
    .version = 1,
    .inputs = INPUT_HISTORY, /* `since` is a number while that version exists */
    .doc = "each tensor: shape, digest, statistics, the version that last changed it",
    .render = render,
};
