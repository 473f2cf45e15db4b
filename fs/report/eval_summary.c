/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/measure.h"
#include "fs/report/results_of.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct versions {
    const struct version **v; /* oldest first */
    size_t n, cap;
};

static int collect(void *ctx, const struct version *v)
{
    struct versions *l = ctx;
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        const struct version **more = reallocarray(l->v, cap, sizeof *more);
        if (!more)
            return -ENOMEM;
        l->v = more;
        l->cap = cap;
    }
    l->v[l->n++] = version_ref(v);
    return 0;
}

struct tags {
    const struct version *v;
    struct out text;
};

static int tag(void *ctx, const char *name, const struct digest *d)
{
    struct tags *t = ctx;
    if (hash_equal(d, &t->v->digest))
        out_printf(&t->text, "%s%s", t->text.n ? "," : "", name);
    return 0;
}

/* Rows right of a cohort, "64/64"; "-": the set has none, or they are not right or wrong. */
static void cohort(struct out *o, const struct eval_score *s, size_t n, const char *name, int width)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(s[i].cohort, name) && !strcmp(s[i].metric, "accuracy")) {
            struct out text = {0};
            out_printf(&text, "%.0f/%llu", isnan(s[i].value) ? 0 : s[i].value * (double)s[i].scored,
                       (unsigned long long)s[i].n);
            out_printf(o, " %*s", width, out_cstr(&text));
            out_fini(&text);
            return;
        }
    out_printf(o, " %*s", width, "-");
}

static void headline(struct out *o, const struct eval_score *h)
{
    struct out text = {0};
    if (h->partial) {
        out_str(&text, "partial");
    } else if (!strcmp(h->ci_method, "wilson") && h->scored < MEASURE_SMALL) {
        out_printf(&text, "%llu/%llu", (unsigned long long)h->hits, (unsigned long long)h->scored);
    } else {
        int share = measure_is_share(h->unit);
        measure_value(&text, h->unit, h->value, h->scored);
        if (!isnan(h->lo) && share)
            out_printf(&text, " [%.1f, %.1f]", 100 * h->lo, 100 * h->hi);
        else if (!isnan(h->lo)) {
            out_str(&text, " [");
            measure_value(&text, h->unit, h->lo, h->scored);
            out_str(&text, ", ");
            measure_value(&text, h->unit, h->hi, h->scored);
            out_char(&text, ']');
        }
    }
    out_printf(o, " %-22s", out_cstr(&text));
    out_fini(&text);
}

/* With a cost table its column takes its room from tags and the worst slice. */
struct widths {
    int tags, cost, slice, cohort;
};
static const struct widths plain = {12, 0, 21, 10}, priced = {9, 9, 18, 9};

static void cost(struct out *o, const struct eval_score *s, size_t n, const struct widths *w)
{
    struct out text = {0};
    for (size_t i = 0; w->cost && i < n && !text.n; i++)
        if (!s[i].slice[0] && !strcmp(s[i].metric, "cost_per_k"))
            measure_value(&text, s[i].unit, s[i].value, s[i].scored);
    if (w->cost)
        out_printf(o, " %*s", w->cost, text.n ? out_cstr(&text) : "-");
    out_fini(&text);
}

static void worst_slice(struct out *o, const struct eval_score *s, size_t n, const struct eval_score *h,
                        const struct widths *widths)
{
    const struct eval_score *w = NULL;
    struct out text = {0};
    for (size_t i = 0; i < n; i++)
        if (s[i].slice[0] && !strcmp(s[i].metric, h->metric) && !isnan(s[i].value) &&
            (!w || s[i].direction * s[i].value < w->direction * w->value))
            w = &s[i];
    if (w) {
        out_text(&text, w->slice, strlen(w->slice), (size_t)widths->slice - 8);
        out_char(&text, ' ');
        if (!strcmp(w->ci_method, "wilson") && w->scored < MEASURE_SMALL)
            out_printf(&text, "%llu/%llu", (unsigned long long)w->hits, (unsigned long long)w->scored);
        else if (measure_is_share(w->unit))
            out_printf(&text, "%.1f %%", 100 * w->value);
        else
            measure_value(&text, w->unit, w->value, w->scored);
    }
    out_printf(o, " %-*s", widths->slice, w ? out_cstr(&text) : "-");
    out_fini(&text);
}

static void name(const struct subject *s, struct out *o, const struct version *v, const struct widths *w)
{
    struct tags t = {.v = v};
    struct out safe = {0};
    if (tag_each(s->store, tag, &t))
        out_reset(&t.text);
    out_text(&safe, t.text.n ? t.text.p : "-", t.text.n ? t.text.n : 1, (size_t)w->tags);
    out_printf(o, "v%-6u %-*s", v->number, w->tags, out_cstr(&safe));
    out_fini(&t.text);
    out_fini(&safe);
}

/* Fits what is left of a line of 80 columns. */
static void why(struct out *o, const char *text)
{
    out_char(o, ' ');
    out_text(o, text, strlen(text), 58);
}

/* A note below the table: how many rows the version fails on, and why one of them. */
static void failed_rows(struct out *notes, const struct eval_result *r)
{
    for (size_t i = 0; i < r->set->nrows && r->errors; i++)
        if (r->cells[i].state == 2) {
            struct out text = {0};
            out_printf(&text, "v%u fails on %zu of %zu rows: %s: %s", r->version->number, r->errors,
                       r->set->nrows, r->set->rows[i]->id, r->cells[i].error);
            out_text(notes, out_cstr(&text), text.n, 80);
            out_char(notes, '\n');
            out_fini(&text);
            return;
        }
}

static int line(const struct subject *s, struct out *o, struct out *notes, const struct version *v,
                const struct eval_set *set, const char **metric)
{
    struct eval_result *r;
    struct eval_score *scores = NULL;
    size_t n = 0;
    int err = results_of(s, v, set, &r);
    if (err)
        return err;
    const struct widths *w = set->cost ? &priced : &plain;
    name(s, o, v, w);
    if (r->problem)
        why(o, r->problem);
    else if (!(err = eval_scores(r, s->arena, &scores, &n)) && n && !strcmp(scores[0].cohort, "core")) {
        headline(o, &scores[0]);
        cost(o, scores, n, w);
        worst_slice(o, scores, n, &scores[0], w);
        cohort(o, scores, n, "must-pass", w->cohort);
        if (*metric && strcmp(*metric, scores[0].metric) != 0)
            out_printf(o, " (%s)", scores[0].metric);
        else
            *metric = arena_strdup(s->arena, scores[0].metric);
    } else {
        why(o, r->errors ? "answers no row" : "no core rows to score");
    }
    out_char(o, '\n');
    if (!r->problem)
        failed_rows(notes, r);
    eval_result_free(r);
    return err;
}

static void head(struct out *o, const struct eval_set *set)
{
    uint64_t n[4] = {0};
    for (size_t i = 0; i < set->nrows; i++)
        n[set->rows[i]->cohort]++;
    out_printf(o, "set %s: %llu core rows, %llu failures, %llu must-pass", set->revision,
               (unsigned long long)n[ROW_CORE], (unsigned long long)n[ROW_FAILURES],
               (unsigned long long)n[ROW_MUST_PASS]);
    if (n[ROW_OTHER])
        out_printf(o, ", %llu other", (unsigned long long)n[ROW_OTHER]);
    if (set->unlabelled)
        out_printf(o, "; %llu wait for a label", (unsigned long long)set->unlabelled);
    out_char(o, '\n');
    if (!set->nrows)
        out_str(o, "no eval rows: append to eval/examples.jsonl\n");
}

static int render(const struct subject *s, struct out *o)
{
    const struct eval_set *set;
    struct versions l = {0};
    struct out lines = {0}, notes = {0};
    const char *metric = NULL;
    int err = eval_view(s->eval, &set);
    if (err)
        return err;
    head(o, set);
    if (set->nrows)
        err = version_each(s->store, collect, &l);
    for (size_t i = l.n; !err && i-- > 0;)
        err = line(s, &lines, &notes, l.v[i], set, &metric);
    if (!err && l.n) {
        struct out title = {0};
        out_printf(&title, "%.12s [95 %%]", metric ? metric : "score");
        const struct widths *w = set->cost ? &priced : &plain;
        out_printf(o, "\n%-7s %-*s %-22s", "version", w->tags, "tags", out_cstr(&title));
        if (w->cost)
            out_printf(o, " %*s", w->cost, "cost/1000");
        out_printf(o, " %-*s %*s\n", w->slice, "worst slice", w->cohort, "must-pass");
        out_write(o, lines.p, lines.n);
        if (notes.n)
            out_printf(o, "\n%s", out_cstr(&notes));
        out_fini(&title);
    }
    for (size_t i = 0; i < l.n; i++)
        version_unref(l.v[i]);
    free(l.v);
    out_fini(&lines);
    out_fini(&notes);
    eval_view_unref(set);
    return err;
}

const struct report report_eval_summary = {
    .name = "summary.txt",
    .version = 3,
    .inputs = INPUT_HISTORY | INPUT_SET | INPUT_IMPORTS,
    .slow = 1,
    .doc = "one line a version, newest first: headline metric, cost, worst slice, must-pass rows",
    .render = render,
};
