/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/figure.h"
#include "fs/report/origin.h"
#include "fs/report/section.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE 24 /* columns of one value */

static void end(struct figure_list *l, const char *otherwise)
{
    if (l->n == 0)
        out_str(l->o, otherwise);
    figure_list_end(l);
}

/* "lr 0.02 -> 0.03"; an unknown side is said. */
static void change(struct out *o, const char *name, const json_t *a, const json_t *b)
{
    out_printf(o, "%s ", name);
    origin_text(o, a, VALUE);
    out_str(o, " -> ");
    origin_text(o, b, VALUE);
}

static int equal(const json_t *a, const json_t *b)
{
    return a == b || (a && b && json_equal(a, b));
}

/* The fields of a part that differ, computed ones first, then observed, then declared. Fields that are said
 * in another way are named in `but`. */
static void changes(struct figure_list *l, const json_t *ra, const json_t *rb, const char *part,
                    const char *but)
{
    struct out fact = {0};
    for (const char *mark = "*+?"; *mark; mark++)
        for (const struct origin_field *f = origin_fields(); f->field; f++) {
            const json_t *la = origin_leaf(ra, f->part, f->field), *lb = origin_leaf(rb, f->part, f->field);
            char word[48];
            snprintf(word, sizeof word, " %s ", f->field);
            if (strcmp(f->part, part) || strstr(but, word) || origin_mark(lb ? lb : la) != *mark ||
                equal(origin_value(la), origin_value(lb)))
                continue;
            change(&fact, f->field, origin_value(la), origin_value(lb));
            figure_item(l, *mark, &fact);
        }
}

static int any(const json_t *ra, const json_t *rb, const char *part)
{
    for (const struct origin_field *f = origin_fields(); f->field; f++)
        if (strcmp(f->part, part) == 0 &&
            (origin_leaf(ra, part, f->field) || origin_leaf(rb, part, f->field)))
            return 1;
    return 0;
}

static void data(const json_t *a, const json_t *b, struct out *o)
{
    struct figure_list l = figure_list(o, "  data   ", "lineage.txt");
    changes(&l, a, b, "data", "");
    end(&l, any(a, b, "data") ? "same, as far as known" : "unknown");
}

static const json_t *value(const json_t *record, const char *part, const char *field)
{
    return origin_value(origin_leaf(record, part, field));
}

/* The commits between, where B's record counted them from A; else the two commits. */
static void commits(struct figure_list *l, const struct subject *s, const json_t *a, const json_t *b)
{
    struct out fact = {0};
    const json_t *ca = value(a, "code", "commit"), *cb = value(b, "code", "commit");
    const json_t *n = value(b, "code", "commits"), *files = value(b, "code", "files");
    int child = s->b->nparents && memcmp(&s->b->parents[0], &s->a->digest, sizeof s->a->digest) == 0;
    if (!ca && !cb)
        return;
    if (equal(ca, cb)) {
        out_str(&fact, "same commit ");
        origin_text(&fact, cb, VALUE);
    } else if (child && ca && json_is_integer(n) && json_integer_value(n) > 0) {
        out_printf(&fact, "%lld commit%s", (long long)json_integer_value(n),
                   json_integer_value(n) == 1 ? "" : "s");
        if (json_is_integer(files))
            out_printf(&fact, ", %lld file%s +%lld -%lld", (long long)json_integer_value(files),
                       json_integer_value(files) == 1 ? "" : "s",
                       (long long)json_integer_value(value(b, "code", "added")),
                       (long long)json_integer_value(value(b, "code", "removed")));
    } else {
        change(&fact, "commit", ca, cb);
    }
    const json_t *dirty = value(b, "code", "dirty");
    if (dirty)
        out_printf(&fact, "; %s", json_is_true(dirty) ? "uncommitted changes" : "clean");
    figure_item(l, origin_mark(origin_leaf(cb ? b : a, "code", "commit")), &fact);
}

/* Hyper-parameters by key, as declared. */
static void hyper(struct figure_list *l, const json_t *a, const json_t *b)
{
    json_t *ha = (json_t *)(uintptr_t)value(a, "model", "hyperparameters"), *v;
    json_t *hb = (json_t *)(uintptr_t)value(b, "model", "hyperparameters");
    struct out fact = {0};
    const char *key;
    char mark = origin_mark(origin_leaf(hb ? b : a, "model", "hyperparameters"));
    json_object_foreach(hb, key, v) if (!equal(json_object_get(ha, key), v))
    {
        change(&fact, key, json_object_get(ha, key), v);
        figure_item(l, mark, &fact);
    }
    json_object_foreach(ha, key, v) if (!json_object_get(hb, key))
    {
        change(&fact, key, v, NULL);
        figure_item(l, mark, &fact);
    }
}

static void code(const struct subject *s, const json_t *a, const json_t *b, struct out *o)
{
    struct figure_list l = figure_list(o, "  code   ", "lineage.txt");
    commits(&l, s, a, b);
    changes(&l, a, b, "code", " commit dirty ");
    hyper(&l, a, b);
    end(&l, any(a, b, "code") ? "same, as far as known" : "unknown");
}

/* What the bytes prove of the descent: tensors, trees or files that are still the same. */
static void descent(struct figure_list *l, const struct subject *s, const struct diff *d)
{
    struct out fact = {0};
    int parent = 0;
    uint64_t common = 0, same = 0;
    for (size_t i = 0; i < s->b->nparents; i++)
        parent |= memcmp(&s->b->parents[i], &s->a->digest, sizeof s->a->digest) == 0;
    for (size_t i = 0; i < d->ntensors; i++) {
        const struct diff_tensor *t = &d->tensors[i];
        common += t->a && t->b;
        same += t->a && t->b && !(t->status & ~(unsigned)DIFF_RENAMED);
    }
    out_printf(&fact, parent ? "parent v%u: " : "v%u is not a parent: ", s->a->number);
    if (d->nboosters && d->boosters[0].prefix)
        out_printf(&fact, "first %zu trees identical", d->boosters[0].prefix);
    else if (common)
        out_printf(&fact, "%llu of %llu tensors identical", (unsigned long long)same,
                   (unsigned long long)d->tensors_b);
    else
        out_str(&fact, "no tensor or tree in common");
    figure_item(l, '*', &fact);
}

static void model(const struct subject *s, const struct diff *d, const json_t *a, const json_t *b,
                  struct out *o)
{
    struct figure_list l = figure_list(o, "  model  ", "lineage.txt");
    descent(&l, s, d);
    changes(&l, a, b, "model", " parents format params dtypes bytes digest inputs outputs hyperparameters ");
    end(&l, "");
}

static void hardware(const json_t *a, const json_t *b, struct out *o)
{
    struct figure_list l = figure_list(o, "  hw     ", "lineage.txt");
    struct out fact = {0};
    const json_t *ta = value(a, "hardware.train", "accelerator"),
                 *tb = value(b, "hardware.train", "accelerator");
    if (!equal(ta, tb)) {
        change(&fact, "trained on", ta, tb);
        figure_item(&l, origin_mark(origin_leaf(tb ? b : a, "hardware.train", "accelerator")), &fact);
    }
    changes(&l, a, b, "hardware.train", " accelerator ");
    changes(&l, a, b, "hardware.eval", "");
    end(&l, any(a, b, "hardware.train") || any(a, b, "hardware.eval") ? "same, as far as known" : "unknown");
}

int section_lineage(const struct subject *s, const struct diff *d, struct out *o)
{
    json_t *a = NULL, *b = NULL;
    int r = origin_record(s->store, s->a, d->ma, &a);
    if (r >= 0 && (r = origin_record(s->store, s->b, d->mb, &b)) >= 0) {
        out_str(o, "LINEAGE  how known: * proved from the bytes, + seen by modelfs, ? as declared\n");
        data(a, b, o);
        code(s, a, b, o);
        model(s, d, a, b, o);
        hardware(a, b, o);
    }
    json_decref(a);
    json_decref(b);
    return r < 0 ? r : out_error(o);
}
