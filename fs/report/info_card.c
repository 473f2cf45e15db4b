/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One version as facts, one a line, sorted: to be kept beside the code, so that the difference between two
 * of them reads like a review. It names nothing that is only true in this repo (no v3) and no time of
 * reading. What is not known has no line.
 */
#include "fs/report/figure.h"
#include "fs/report/measure.h"
#include "fs/report/origin.h"
#include "fs/report/results_of.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { KEY = 120, VALUE = 400 }; /* columns */

/* Lines, each ended by a newline. */
static void key(struct out *o, const char *a, const char *b, const char *c)
{
    struct out k = {0};
    out_printf(&k, "%s%s%s%s%s", a, *b ? "." : "", b, *c ? "." : "", c);
    out_text(o, out_cstr(&k), k.n, KEY);
    out_str(o, ": ");
    out_fini(&k);
}

static void files(const struct manifest *m, struct out *o)
{
    for (size_t i = 0; i < m->nfiles; i++) {
        char hex[HASH_HEX];
        if (S_ISDIR(m->files[i].mode))
            continue;
        hash_hex(&m->files[i].sha256, hex);
        key(o, "file", m->files[i].path, "");
        out_printf(o, "%.16s, %llu bytes\n", hex, (unsigned long long)m->files[i].size);
    }
}

static void hyperparameters(const json_t *v, struct out *o)
{
    const char *name;
    json_t *x;
    json_object_foreach((json_t *)(uintptr_t)v, name, x)
    {
        key(o, "model.hyperparameters", name, "");
        origin_text(o, x, VALUE);
        out_char(o, '\n');
    }
}

/* Parents are said by their number elsewhere: here only what is true in any repo. */
static int lineage(const struct subject *s, const struct manifest *m, struct out *o)
{
    json_t *record = NULL;
    int err = origin_record(s->store, s->a, m, &record);
    for (const struct origin_field *f = origin_fields(); err >= 0 && f->field; f++) {
        const json_t *v = origin_value(origin_leaf(record, f->part, f->field));
        if (!v || !strcmp(f->part, "who") || !strcmp(f->part, "hardware.eval") ||
            !strcmp(f->field, "parents"))
            continue;
        if (strcmp(f->field, "hyperparameters") == 0 && json_is_object(v)) {
            hyperparameters(v, o);
            continue;
        }
        key(o, f->part, f->field, "");
        origin_text(o, v, VALUE);
        out_char(o, '\n');
    }
    json_decref(record);
    return err;
}

/* Of slices and the other cohorts what is right or wrong, or the headline, is enough. */
static int is_wanted(const struct eval_score *x, const char *headline)
{
    int whole = !x->slice[0] && !strcmp(x->cohort, "core");
    return !isnan(x->value) &&
           (whole || !strcmp(x->metric, headline) || (!x->slice[0] && !strcmp(x->metric, "accuracy")));
}

static void score(const struct eval_score *x, struct out *o)
{
    if (strcmp(x->cohort, "core") != 0)
        key(o, "score", x->cohort, x->metric);
    else if (x->slice[0])
        key(o, "slice", x->slice, x->metric);
    else
        key(o, "score", x->metric, "");
    measure_value(o, x->unit, x->value, UINT64_MAX);
    if (!measure_is_share(x->unit) && *x->unit) {
        out_char(o, ' ');
        out_text(o, x->unit, strlen(x->unit), 16);
    }
    if (x->ci_method[0] == 'w')
        out_printf(o, ", %llu of %llu", (unsigned long long)x->hits, (unsigned long long)x->scored);
    else
        out_printf(o, ", %llu rows", (unsigned long long)x->scored);
    if (x->partial)
        out_str(o, ", not all rows are known");
    out_char(o, '\n');
}

static int scores(const struct subject *s, struct out *o)
{
    const struct eval_set *set = NULL;
    struct eval_result *r = NULL;
    struct eval_score *list;
    size_t n = 0;
    int err = eval_view(s->eval, &set);
    if (err < 0)
        return err;
    out_printf(o, "eval.set: %s, %zu rows\n", set->revision, set->nrows);
    if (set->nrows && (err = results_of(s, s->a, set, &r)) >= 0) {
        if (r->problem) {
            key(o, "eval.problem", "", "");
            out_text(o, r->problem, strlen(r->problem), VALUE);
            out_char(o, '\n');
        } else if ((err = eval_scores(r, s->arena, &list, &n)) >= 0) {
            out_printf(o, "eval.errors: %zu rows\n", r->errors);
            for (size_t i = 0; i < n; i++)
                if (is_wanted(&list[i], list[0].metric))
                    score(&list[i], o);
        }
    }
    eval_result_free(r);
    eval_view_unref(set);
    return err;
}

static int cmp(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A NUL cannot be in a line: out_text spells it. */
static int sorted(const struct subject *s, struct out *lines, struct out *o)
{
    size_t n = 0, k = 0;
    for (size_t i = 0; i < lines->n; i++)
        n += lines->p[i] == '\n';
    char **at = arena_array(s->arena, n + 1, sizeof *at), *p = arena_strndup(s->arena, lines->p, lines->n);
    if (!at || !p)
        return fail(-ENOMEM, "out of memory");
    for (char *end; k < n && (end = strchr(p, '\n')); p = end + 1) {
        *end = 0;
        at[k++] = p;
    }
    qsort(at, k, sizeof *at, cmp);
    for (size_t i = 0; i < k; i++)
        out_printf(o, "%s\n", at[i]);
    return 0;
}

static int render(const struct subject *s, struct out *o)
{
    const struct manifest *m = NULL;
    struct out lines = {0};
    char hex[HASH_HEX];
    int err = manifest_get(s->store, s->a, &m);
    hash_hex(&s->a->digest, hex);
    out_printf(&lines, "version: %.16s\n", hex);
    if (err >= 0) {
        files(m, &lines);
        err = lineage(s, m, &lines);
    }
    if (err >= 0)
        err = scores(s, &lines);
    if (err >= 0 && (err = out_error(&lines)) == 0)
        err = sorted(s, &lines, o);
    if (m)
        manifest_unref(s->store, m);
    out_fini(&lines);
    return err < 0 ? err : 0;
}

const struct report report_info_card = {
    .name = "card.txt",
    .version = 1,
    .inputs = INPUT_SET | INPUT_IMPORTS,
    .slow = 1,
    .doc = "the version as sorted facts, one a line, to keep beside the code",
    .render = render,
};
