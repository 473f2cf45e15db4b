/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/diff/booster.h"
#include "fs/diff/structure.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(void)
{
    return fail(-ENOMEM, "out of memory");
}

static const char *text_of(const json_t *doc, const char *key)
{
    const char *s = json_string_value(json_object_get(doc, key));
    return s ? s : "";
}

static uint64_t count_of(const json_t *doc, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(doc, key));
    return n < 0 ? 0 : (uint64_t)n;
}

static int same_tree(const json_t *a, const json_t *b, size_t i)
{
    const json_t *x = json_array_get(a, i), *y = json_array_get(b, i);
    return strcmp(text_of(x, "digest"), text_of(y, "digest")) == 0 &&
           json_equal(json_object_get(x, "class"), json_object_get(y, "class"));
}

static void compare_trees(const json_t *a, const json_t *b, struct diff_booster *ret)
{
    size_t na = json_array_size(a), nb = json_array_size(b), both = na < nb ? na : nb;
    ret->trees_a = na;
    ret->trees_b = nb;
    while (ret->prefix < both && same_tree(a, b, ret->prefix))
        ret->prefix++;
    for (size_t i = ret->prefix; i < both; i++)
        ret->changed += !same_tree(a, b, i);
    ret->added = nb - both;
    ret->removed = na - both;
}

/* ---- split gain by feature ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct diff_feature *)a)->name, ((const struct diff_feature *)b)->name);
}

static int by_change(const void *a, const void *b)
{
    const struct diff_feature *x = a, *y = b;
    double dx = fabs(x->gain_b - x->gain_a), dy = fabs(y->gain_b - y->gain_a);
    return dx != dy ? (dx < dy) - (dx > dy) : strcmp(x->name, y->name);
}

/* Appends one booster's features with their shares of its gain; is_b says to which side they belong. */
static int take_gain(const json_t *doc, int is_b, struct arena *arena, struct diff_feature *v, size_t *n)
{
    json_t *gain = json_object_get(doc, "gain"), *names = json_object_get(doc, "features"), *x;
    const char *index;
    double all = 0;
    json_object_foreach(gain, index, x) all += json_number_value(json_array_get(x, 0));
    json_object_foreach(gain, index, x)
    {
        const char *name = json_string_value(json_array_get(names, (size_t)strtoull(index, NULL, 10)));
        double share = all > 0 ? json_number_value(json_array_get(x, 0)) / all : 0;
        struct diff_feature *f = &v[(*n)++];
        f->name = name ? arena_strdup(arena, name) : arena_printf(arena, "f%s", index);
        f->gain_a = is_b ? 0 : share;
        f->gain_b = is_b ? share : 0;
        if (!f->name)
            return no_memory();
    }
    return 0;
}

static int compare_gain(const json_t *a, const json_t *b, struct arena *arena, struct diff_booster *ret)
{
    size_t n = json_object_size(json_object_get(a, "gain")) + json_object_size(json_object_get(b, "gain")),
           all = 0, kept = 0;
    struct diff_feature *v = arena_array(arena, n, sizeof *v);
    int r;
    if (!v)
        return no_memory();
    if ((r = take_gain(a, 0, arena, v, &all)) < 0 || (r = take_gain(b, 1, arena, v, &all)) < 0)
        return r;
    qsort(v, all, sizeof *v, by_name);
    for (size_t i = 0; i < all; i++)
        if (kept && strcmp(v[kept - 1].name, v[i].name) == 0) {
            v[kept - 1].gain_a += v[i].gain_a;
            v[kept - 1].gain_b += v[i].gain_b;
        } else {
            v[kept++] = v[i];
        }
    qsort(v, kept, sizeof *v, by_change);
    ret->features = v;
    ret->nfeatures = kept;
    return 0;
}

/* ---- what goes in and out ---- */

static int compare_io(const json_t *a, const json_t *b, struct arena *arena, struct diff_booster *ret)
{
    const json_t *na = json_object_get(a, "features"), *nb = json_object_get(b, "features");
    uint64_t ca = count_of(a, "num_class"), cb = count_of(b, "num_class");
    uint64_t ta = count_of(a, "num_target"), tb = count_of(b, "num_target");
    ret->inputs_a = count_of(a, "num_feature");
    ret->inputs_b = count_of(b, "num_feature");
    ret->io_changed = 1;
    if (ret->inputs_a != ret->inputs_b)
        ret->io_note = arena_printf(arena, "%llu -> %llu features", (unsigned long long)ret->inputs_a,
                                    (unsigned long long)ret->inputs_b);
    else if (ca != cb)
        ret->io_note =
            arena_printf(arena, "%llu -> %llu classes", (unsigned long long)ca, (unsigned long long)cb);
    else if (ta != tb)
        ret->io_note =
            arena_printf(arena, "%llu -> %llu targets", (unsigned long long)ta, (unsigned long long)tb);
    else if (json_array_size(na) && json_array_size(nb) && !json_equal(na, nb))
        ret->io_note = "other feature names, or another order of them";
    else if (json_array_size(json_object_get(a, "feature_types")) &&
             json_array_size(json_object_get(b, "feature_types")) &&
             !json_equal(json_object_get(a, "feature_types"), json_object_get(b, "feature_types")))
        ret->io_note = "other feature types";
    else
        ret->io_changed = 0;
    return ret->io_changed && !ret->io_note ? no_memory() : 0;
}

int booster_compare(const json_t *a, const json_t *b, struct arena *arena, struct diff_booster *ret)
{
    struct diff_booster d = {0};
    int r;
    d.objective_a = arena_strdup(arena, text_of(a, "objective"));
    d.objective_b = arena_strdup(arena, text_of(b, "objective"));
    if (!d.objective_a || !d.objective_b)
        return no_memory();
    compare_trees(json_object_get(a, "trees"), json_object_get(b, "trees"), &d);
    if ((r = compare_gain(a, b, arena, &d)) < 0 || (r = compare_io(a, b, arena, &d)) < 0)
        return r;
    *ret = d;
    return 0;
}

int booster_all(struct diff *d, struct arena *a)
{
    struct structure_pair *p;
    size_t n;
    int r = structure_pairs(d, FORMAT_XGBOOST, a, &p, &n);
    if (r < 0)
        return r;
    if (!(d->boosters = arena_array(a, n, sizeof *d->boosters)))
        return no_memory();
    for (size_t i = 0; i < n; i++) {
        json_t *x = NULL, *y = NULL;
        if ((r = structure_load(d->store, p[i].a, &x)) >= 0 &&
            (r = structure_load(d->store, p[i].b, &y)) >= 0)
            r = booster_compare(x, y, a, &d->boosters[i]);
        json_decref(x);
        json_decref(y);
        if (r < 0)
            return r;
        d->boosters[i].path = p[i].b->path;
        d->nboosters++;
    }
    return 0;
}
