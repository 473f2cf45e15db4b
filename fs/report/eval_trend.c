/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eval/trend.svg: the headline over versions. Above, every version on today's set, with its interval: the
 * points can be compared. Below, each step from the version before, taken apart by chain-linking as a price
 * index is: what the model changed on the same rows, and what the rows that came between the two commits
 * changed for the version before.
 */
#include "fs/report/measure.h"
#include "fs/report/plot.h"
#include "fs/report/results_of.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>
#include <string.h>

enum { WIDTH = 960, LEFT = 84, RIGHT = 936, TOP = 84, MIDDLE = 344, LOW = 400, BOTTOM = 520, HEIGHT = 580 };
#define MOST 60 /* versions; the newest */

struct point {
    uint32_t number;
    const char *tags;      /* "prod, staging" or "" */
    const char *why;       /* NULL, or why there is no score */
    double value, lo, hi;  /* on today's set */
    double model, set_was; /* the step: the model's part; the set's, for the version before. NaN */
    double then;           /* the version's own score on the set as it was at its commit; NaN */
};

struct trend {
    const struct subject *s;
    const struct eval_set *set;
    struct point *points; /* a ring of MOST */
    size_t n;             /* all versions */
    const char *metric, *unit;
    struct eval_result *before; /* the result of the version before, or NULL */
    double was;                 /* its score on the set at its own commit */
};

static struct point *at(const struct trend *t, size_t i)
{
    return &t->points[i % MOST];
}

/* ---- numbers ---- */

struct tags {
    const struct version *v;
    struct out text;
};

static int tag(void *ctx, const char *name, const struct digest *d)
{
    struct tags *x = ctx;
    if (hash_equal(d, &x->v->digest))
        out_printf(&x->text, "%s%s", x->text.n ? ", " : "", name);
    return 0;
}

static int score(struct trend *t, const struct eval_result *r, struct point *p)
{
    struct eval_score *s;
    struct arena a = {0};
    size_t n = 0;
    int err = 0;
    if (r->problem)
        p->why = arena_strdup(t->s->arena, r->problem);
    else if ((err = eval_scores(r, &a, &s, &n)) == 0 && n && !strcmp(s[0].cohort, "core") && !s[0].partial &&
             !isnan(s[0].value) && (!t->metric || !strcmp(t->metric, s[0].metric))) {
        p->value = s[0].value;
        p->lo = s[0].lo;
        p->hi = s[0].hi;
        if (!t->metric) {
            t->metric = arena_strdup(t->s->arena, s[0].metric);
            t->unit = arena_strdup(t->s->arena, s[0].unit);
        }
    } else if (!err) {
        p->why = "no core row is scored";
    }
    arena_fini(&a);
    return err;
}

static double then(const struct trend *t, const struct eval_result *r, int64_t time_ns)
{
    struct eval_then x;
    return eval_score_then(t->s->eval, r, time_ns, &x) == 0 && x.rows ? x.value : NAN;
}

static int version(void *ctx, const struct version *v)
{
    struct trend *t = ctx;
    struct eval_result *r;
    struct tags tags = {.v = v};
    struct point *p = at(t, t->n);
    const struct point *last = t->n ? at(t, t->n - 1) : NULL;
    double before = last ? last->value : NAN;
    int err = results_of(t->s, v, t->set, &r);
    if (err)
        return err;
    *p = (struct point){.number = v->number, .value = NAN, .lo = NAN, .hi = NAN, .set_was = NAN};
    if ((err = tag_each(t->s->store, tag, &tags)) == 0)
        err = score(t, r, p);
    p->tags = arena_strdup(t->s->arena, out_cstr(&tags.text));
    p->model = p->value - before;
    p->then = then(t, r, v->time_ns);
    if (t->before)
        p->set_was = then(t, t->before, v->time_ns) - t->was;
    out_fini(&tags.text);
    eval_result_free(t->before);
    t->before = r;
    t->was = p->then;
    t->n++;
    return err ? err : p->tags ? 0 : fail(-ENOMEM, "out of memory");
}

/* ---- the picture ---- */

static size_t first(const struct trend *t)
{
    return t->n > MOST ? t->n - MOST : 0;
}

static double x_of(const struct trend *t, size_t i)
{
    size_t n = t->n - first(t);
    double wide = (RIGHT - LEFT) / (double)n;
    return LEFT + wide * ((double)(i - first(t)) + 0.5);
}

static const char *amount(const struct trend *t, double x, int change, struct out *o)
{
    out_reset(o);
    if (measure_is_share(t->unit))
        out_printf(o, change ? "%+.2f pp" : "%.2f %%", 100 * x);
    else if (change)
        out_printf(o, "%+.4g %s", x, t->unit);
    else
        out_printf(o, "%.4g %s", x, t->unit);
    return out_cstr(o);
}

static void hover(const struct trend *t, struct out *o, const struct point *p)
{
    struct out text = {0}, x = {0};
    out_printf(&text, "v%u: %s", p->number, amount(t, p->value, 0, &x));
    if (!isnan(p->lo))
        out_printf(&text, " [%s,", amount(t, p->lo, 0, &x)),
            out_printf(&text, " %s]", amount(t, p->hi, 0, &x));
    if (!isnan(p->then) && fabs(p->then - p->value) > 1e-12)
        out_printf(&text, "; %s on the set at its commit", amount(t, p->then, 0, &x));
    out_str(o, "<title>");
    plot_escape(o, out_cstr(&text), 0);
    out_str(o, "</title>");
    out_fini(&text);
    out_fini(&x);
}

static void curve(const struct trend *t, struct out *o, const struct plot_axis *y)
{
    out_str(o, "<polyline class=\"model\" points=\"");
    for (size_t i = first(t); i < t->n; i++)
        if (!isnan(at(t, i)->value))
            out_printf(o, "%.1f,%.1f ", x_of(t, i), plot_at(y, at(t, i)->value));
    out_str(o, "\"/>\n");
    for (size_t i = first(t); i < t->n; i++) {
        const struct point *p = at(t, i);
        double x = x_of(t, i);
        if (isnan(p->value))
            continue;
        if (!isnan(p->lo)) {
            plot_line(o, "model", x, plot_at(y, p->lo), x, plot_at(y, p->hi));
            plot_line(o, "model", x - 5, plot_at(y, p->lo), x + 5, plot_at(y, p->lo));
            plot_line(o, "model", x - 5, plot_at(y, p->hi), x + 5, plot_at(y, p->hi));
        }
        out_printf(o, "<circle class=\"model\" cx=\"%.1f\" cy=\"%.1f\" r=\"5\">", x, plot_at(y, p->value));
        hover(t, o, p);
        out_str(o, "</circle>\n");
    }
}

/* Every version's name where there is room, else every few; tags always. */
static void names(const struct trend *t, struct out *o)
{
    size_t n = t->n - first(t), every = (n + 19) / 20;
    for (size_t i = first(t); i < t->n; i++) {
        const struct point *p = at(t, i);
        struct out text = {0};
        out_printf(&text, "v%u", p->number);
        if ((t->n - 1 - i) % every == 0)
            plot_text(o, "text", x_of(t, i), MIDDLE + 20, "middle", out_cstr(&text));
        out_reset(&text);
        out_text(&text, p->tags, strlen(p->tags), 12);
        if (text.n)
            plot_text(o, "dim", x_of(t, i), MIDDLE + 37, "middle", out_cstr(&text));
        if (isnan(p->value)) {
            out_printf(o, "<text class=\"dim\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">\xc3\x97<title>",
                       x_of(t, i), MIDDLE - 8);
            plot_escape(o, p->why ? p->why : "", 200);
            out_str(o, "</title></text>\n");
        }
        out_fini(&text);
    }
}

static void bar(const struct trend *t, struct out *o, const struct plot_axis *y, const char *class, double x,
                double value, const char *what)
{
    struct out text = {0}, n = {0};
    double zero = plot_at(y, 0), end = plot_at(y, value),
           wide = fmin(16, (RIGHT - LEFT) / (double)(t->n - first(t)) / 3);
    if (isnan(value))
        return;
    out_printf(o, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>", class, x,
               fmin(zero, end), wide, fabs(zero - end));
    out_printf(&text, "%s %s", what, amount(t, value, 1, &n));
    plot_escape(o, out_cstr(&text), 0);
    out_str(o, "</title></rect>\n");
    out_fini(&text);
    out_fini(&n);
}

static void steps(const struct trend *t, struct out *o)
{
    double lo = 0, hi = 0;
    int any = 0;
    for (size_t i = first(t); i < t->n; i++) {
        const struct point *p = at(t, i);
        lo = fmin(lo, fmin(isnan(p->model) ? 0 : p->model, isnan(p->set_was) ? 0 : p->set_was));
        hi = fmax(hi, fmax(isnan(p->model) ? 0 : p->model, isnan(p->set_was) ? 0 : p->set_was));
        any |= !isnan(p->set_was);
    }
    struct plot_axis y = plot_axis(lo, hi, BOTTOM, LOW + 22, 3);
    plot_grid(o, &y, LEFT, RIGHT, measure_is_share(t->unit) ? " pp" : "");
    for (size_t i = first(t); i < t->n; i++) {
        double wide = fmin(16, (RIGHT - LEFT) / (double)(t->n - first(t)) / 3);
        bar(t, o, &y, "model", x_of(t, i) - wide - 1, at(t, i)->model, "the model:");
        bar(t, o, &y, "set", x_of(t, i) + 1, at(t, i)->set_was, "the set:");
    }
    plot_text(o, "dim", LEFT, LOW + 8, "start", "step from the version before:");
    out_printf(o, "<rect class=\"model\" x=\"%d\" y=\"%d\" width=\"12\" height=\"12\"/>\n", LEFT + 196,
               LOW - 3);
    plot_text(o, "text", LEFT + 214, LOW + 8, "start", "the model, on the same rows");
    out_printf(o, "<rect class=\"set\" x=\"%d\" y=\"%d\" width=\"12\" height=\"12\"/>\n", LEFT + 450,
               LOW - 3);
    plot_text(o, "text", LEFT + 468, LOW + 8, "start",
              any ? "rows added since, for the version before" : "rows added since: not known");
}

static void picture(const struct trend *t, struct out *o)
{
    struct out title = {0}, note = {0};
    double lo = INFINITY, hi = -INFINITY;
    for (size_t i = first(t); i < t->n; i++) {
        const struct point *p = at(t, i);
        lo = isnan(p->value) ? lo : fmin(lo, isnan(p->lo) ? p->value : p->lo);
        hi = isnan(p->value) ? hi : fmax(hi, isnan(p->hi) ? p->value : p->hi);
    }
    size_t core = 0;
    for (size_t i = 0; i < t->set->nrows; i++)
        core += t->set->rows[i]->cohort == ROW_CORE;
    out_printf(&title, "%s by version", t->metric ? t->metric : "score");
    out_printf(&note, "set %s, %zu core rows, the same for every version; bars: 95 %% interval",
               t->set->revision, core);
    if (t->n > MOST)
        out_printf(&note, "; %zu older versions not shown", t->n - MOST);
    plot_begin(o, WIDTH, HEIGHT, out_cstr(&title));
    plot_text(o, "title", 24, 36, "start", out_cstr(&title));
    plot_text(o, "dim", 24, 58, "start", out_cstr(&note));
    if (t->metric) {
        struct plot_axis y = plot_axis(lo, hi, MIDDLE, TOP, 5);
        plot_grid(o, &y, LEFT, RIGHT, measure_is_share(t->unit) ? " %" : "");
        curve(t, o, &y);
        names(t, o);
        steps(t, o);
    } else {
        plot_text(o, "text", 24, TOP + 20, "start",
                  t->set->nrows ? "no version is scored: see summary.txt"
                                : "no eval rows: append to examples.jsonl");
    }
    plot_end(o);
    out_fini(&title);
    out_fini(&note);
}

static int render(const struct subject *s, struct out *o)
{
    struct trend t = {.s = s, .was = NAN};
    int err = eval_view(s->eval, &t.set);
    if (err)
        return err;
    if (!(t.points = arena_array(s->arena, MOST, sizeof *t.points)))
        err = fail(-ENOMEM, "out of memory");
    if (!err && t.set->nrows)
        err = version_each(s->store, version, &t);
    if (!err)
        picture(&t, o);
    eval_result_free(t.before);
    eval_view_unref(t.set);
    return err;
}

const struct report report_eval_trend = {
    .name = "trend.svg",
    .version = 1,
    .inputs = INPUT_HISTORY | INPUT_SET | INPUT_IMPORTS,
    .slow = 1,
    .doc = "the headline over versions with intervals, the set's effect apart from the model's",
    .render = render,
};
