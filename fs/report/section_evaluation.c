/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/measure.h"
#include "fs/report/money.h"
#include "fs/report/preview.h"
#include "fs/report/review.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_SLICES 8 /* lines of slices that are not fine */
#define MAX_WORST  5

static const char *change(const struct page *g, const struct eval_change *c, int digits)
{
    struct out o = {0};
    measure_change(&o, c, digits);
    return page_cstr(g, &o);
}

static const char *flips(const struct page *g, const struct eval_change *c)
{
    struct out o = {0};
    measure_flips(&o, c->broken, c->fixed);
    return page_cstr(g, &o);
}

static unsigned long long hits(const struct eval_change *c, double share)
{
    return (unsigned long long)llround(share * (double)c->pairs);
}

/* ---- EVALUATION ---- */

static void metric_small(const struct page *g, const struct eval_change *c)
{
    out_printf(g->o, "  %-12s %llu/%llu -> %llu/%llu   %s   [%+.0f, %+.0f] pp   %s\n",
               page_safe(g, c->metric, 12), hits(c, c->a), (unsigned long long)c->pairs, hits(c, c->b),
               (unsigned long long)c->pairs, flips(g, c), 100 * c->lo, 100 * c->hi, word_name(c->word));
    if (c->word == WORD_UNDECIDED)
        out_printf(g->o, "  %-12s %llu rows cannot settle less than ~%.0f pp\n", "",
                   (unsigned long long)c->pairs, 100 * c->smallest_detectable);
}

static void metric_line(const struct page *g, const struct eval_change *c)
{
    struct out p = {0};
    if (!strcmp(c->test, "mcnemar") && c->pairs < MEASURE_SMALL) {
        metric_small(g, c);
        return;
    }
    if (measure_by_count(c)) {
        out_printf(&p, "%llu flip%s", (unsigned long long)(c->broken + c->fixed),
                   c->broken + c->fixed == 1 ? "" : "s");
    } else if (!isnan(c->p)) {
        out_str(&p, "p=");
        measure_p(&p, c->p);
    }
    const char *text = change(g, c, 2);
    out_printf(g->o, "  %-12s %8s %8s  ", page_safe(g, c->metric, 12), page_value(g, c, c->a),
               page_value(g, c, c->b));
    if (strlen(text) > 26) { /* then a line of its own */
        out_printf(g->o, "%s\n%34s", text, "");
        text = "";
    }
    out_printf(g->o, "%-26s %-8s %s\n", text, isnan(c->lo) ? "few rows" : out_cstr(&p), word_name(c->word));
    out_fini(&p);
    if (c->note[0] && c->word == WORD_OK)
        out_printf(g->o, "  %-12s %s\n", "", c->note);
}

static uint64_t core_rows(const struct eval_set *set)
{
    uint64_t n = 0;
    for (size_t i = 0; i < set->nrows; i++)
        n += set->rows[i]->cohort == ROW_CORE;
    return n;
}

static void from_where(const struct page *g, const struct eval_result *r, const char *name)
{
    if (strcmp(r->engine, "imported") != 0)
        return;
    out_printf(g->o, "  %s: imported predictions", name);
    if (!r->complete)
        out_printf(g->o, ", of %zu of %zu rows", r->known, r->set->nrows);
    out_char(g->o, '\n');
}

/* One row that a version fails on, and why. */
static void such_as(const struct page *g, const struct eval_result *r)
{
    for (size_t i = 0; i < r->set->nrows; i++)
        if (r->cells[i].state == 2) {
            struct out text = {0};
            out_printf(&text, "such as %s: %s", page_safe(g, r->set->rows[i]->id, 24), r->cells[i].error);
            out_printf(g->o, "  %s\n", page_safe(g, page_cstr(g, &text), 78));
            return;
        }
}

static void head(const struct page *g)
{
    const struct eval_result *a = g->p->a, *b = g->p->b;
    unsigned long long n = core_rows(g->p->set);
    out_printf(g->o, "EVALUATION  set %s, %llu core row%s, both versions on the same rows, ",
               g->p->set->revision, n, n == 1 ? "" : "s");
    if (a->errors || b->errors) {
        out_printf(g->o, "errors\n  %s fails on %zu row%s, %s on %zu; a failed row counts as %s\n", g->a,
                   a->errors, a->errors == 1 ? "" : "s", g->b, b->errors,
                   g->p->set->spec->errors_excluded ? "none" : "wrong");
        such_as(g, b->errors ? b : a);
    } else {
        out_str(g->o, "0 errors\n");
    }
    from_where(g, a, g->a);
    from_where(g, b, g->b);
}

static void metrics(const struct page *g)
{
    const struct eval_change *h = page_headline(g);
    if (!strcmp(h->test, "mcnemar") && h->pairs < MEASURE_SMALL)
        out_printf(g->o, "  %-12s %s -> %s\n", "", g->a, g->b);
    else
        out_printf(g->o, "  %-12s %8s %8s  change [95 %% interval]\n", "", g->a, g->b);
    for (size_t i = 0; i < g->c->nchanges; i++)
        if (!g->c->changes[i].slice[0] && !strcmp(g->c->changes[i].cohort, "core") &&
            strncmp(g->c->changes[i].metric, "cost_per_", 9) != 0 && !isnan(g->c->changes[i].delta))
            metric_line(g, &g->c->changes[i]); /* without a value: needs probabilities, and there are none */
    money_lines(g);
}

/* How much of a change of A's score is the set's: chain-linking, as a price index does it. */
static void grown(const struct page *g)
{
    struct eval_then t;
    struct out by = {0};
    if (eval_score_then(g->s->eval, g->p->a, g->p->a->version->time_ns, &t) < 0 || !t.added || !t.rows ||
        isnan(t.value) || isnan(t.now))
        return;
    double moved = t.now - t.value;
    if (measure_is_share(t.unit))
        out_printf(&by, "%.2f pp", 100 * fabs(moved));
    else
        measure_value(&by, t.unit, fabs(moved), t.rows);
    out_printf(g->o, "  %llu row%s added since %s; ", (unsigned long long)t.added,
               t.added == 1 ? " was" : "s were", t.revision);
    if (fabs(moved) < 1e-9 || !strcmp(out_cstr(&by), "0.00 pp"))
        out_printf(g->o, "%s alone move%s %s's score by nothing\n", t.added == 1 ? "it" : "they",
                   t.added == 1 ? "s" : "", g->a);
    else
        out_printf(g->o, "%s alone %s%s %s's score by %s\n", t.added == 1 ? "it" : "they",
                   moved < 0 ? "lower" : "raise", t.added == 1 ? "s" : "", g->a, out_cstr(&by));
    out_fini(&by);
}

/* ---- ROWS THAT FLIPPED ---- */

/* Right ones of a cohort, under B. */
static void right_of(const struct page *g, const struct eval_change *c, const char *what, const char *before)
{
    if (c)
        out_printf(g->o, "%s%s: %llu of %llu", before, what, hits(c, c->b), (unsigned long long)c->pairs);
}

static void flipped(const struct page *g)
{
    const struct eval_compare *c = g->c;
    double pairs = (double)c->core_pairs, kept = (double)(c->core_right_a - c->core_broken);
    out_printf(g->o, "ROWS THAT FLIPPED   broken: %s right, %s wrong.  fixed: the reverse\n  ", g->a, g->b);
    if (c->core_pairs < MEASURE_SMALL) {
        measure_flips(g->o, c->core_broken, c->core_fixed);
        out_printf(g->o, "; %s keeps %.0f of the %llu that %s got right\n", g->b, kept,
                   (unsigned long long)c->core_right_a, g->a);
    } else {
        out_printf(g->o, "%llu broken (%.1f %% of rows), %llu fixed", (unsigned long long)c->core_broken,
                   100 * (double)c->core_broken / pairs, (unsigned long long)c->core_fixed);
        if (c->core_right_a)
            out_printf(g->o, "; %s keeps %.1f %% of what %s got right", g->b,
                       100 * kept / (double)c->core_right_a, g->a);
        out_char(g->o, '\n');
    }
    const struct eval_change *failures = page_cohort(g, "failures"), *must = page_cohort(g, "must-pass");
    if (failures || must)
        out_str(g->o, "  ");
    right_of(g, failures, "known failures now right", "");
    right_of(g, must, "must-pass rows right", failures ? "    " : "");
    if (failures || must)
        out_char(g->o, '\n');
}

static void moved(const struct page *g)
{
    size_t nearer = 0, further = 0, all = 0;
    for (size_t i = 0; i < g->p->set->nrows; i++) {
        const struct eval_cell *x = &g->p->a->cells[i], *y = &g->p->b->cells[i];
        if (x->state != 1 || y->state != 1)
            continue;
        all++;
        nearer += y->loss < x->loss;
        further += y->loss > x->loss;
    }
    out_printf(g->o, "ROWS THAT MOVED   %s is nearer to the label on %zu of %zu rows, further on %zu\n", g->b,
               nearer, all, further);
}

/* ---- SLICES ---- */

static void slice_line(const struct page *g, const struct eval_change *c)
{
    struct out p = {0}, ab = {0};
    int count = measure_by_count(c), share = measure_is_share(c->unit);
    if (count) {
        out_printf(&ab, "%llu -> %llu", hits(c, c->a), hits(c, c->b));
        out_str(&p, "too few");
    } else {
        if (share)
            out_printf(&ab, "%.1f -> %.1f", 100 * c->a, 100 * c->b);
        else
            out_printf(&ab, "%.4g -> %.4g", c->a, c->b);
        if (isnan(c->p))
            out_str(&p, "too few");
        else
            measure_p_pair(&p, c->p, c->p_adj, 11);
    }
    out_printf(g->o, "  %-12s %-23s %5llu %-13s %-11s %s\n", page_safe(g, c->slice, 12),
               count ? flips(g, c) : change(g, c, 1), (unsigned long long)c->pairs, out_cstr(&ab),
               out_cstr(&p), word_name(c->word));
    out_fini(&p);
    out_fini(&ab);
}

/* Slices with a line of their own: what got worse, and what may have. */
static int shown(const struct eval_change *c)
{
    return c->word == WORD_REGRESSED || (c->word == WORD_UNDECIDED && c->direction * c->delta < 0);
}

struct others {
    size_t n, undecided;
    double lo, hi;
    uint64_t least, most;
    const struct eval_change *any;
};

static void others_line(const struct page *g, const struct others *x, size_t listed)
{
    struct out range = {0}, name = {0}, rows = {0}, some = {0};
    int share = measure_is_share(x->any->unit);
    out_printf(&name, listed ? "%zu other%s" : "all %zu", x->n, x->n == 1 ? "" : "s");
    if (share)
        out_printf(&range, "%+.1f to %+.1f pp", 100 * x->lo, 100 * x->hi);
    else
        out_printf(&range, "%+.3g to %+.3g", x->lo, x->hi);
    out_printf(&rows, "%llu-%llu", (unsigned long long)x->least, (unsigned long long)x->most);
    if (x->least == x->most)
        out_reset(&rows), out_printf(&rows, "%llu", (unsigned long long)x->least);
    if (x->undecided && x->undecided < x->n)
        out_printf(&some, "%zu of %zu", x->undecided, x->n);
    out_printf(g->o, "  %-12s %-19s %9s %-13s %-11s %s\n", out_cstr(&name), out_cstr(&range), out_cstr(&rows),
               "", out_cstr(&some), x->undecided ? "UNDECIDED" : "OK");
    out_fini(&some);
    out_fini(&range);
    out_fini(&name);
    out_fini(&rows);
}

static void slices(const struct page *g)
{
    struct others x = {.least = UINT64_MAX};
    size_t listed = 0, family = 0, all = 0;
    for (size_t i = 0; i < g->c->nchanges; i++)
        if (page_is_slice(g, &g->c->changes[i])) {
            all++;
            family = g->c->changes[i].family ? g->c->changes[i].family : family;
        }
    if (!all)
        return;
    out_printf(g->o, "SLICES, worst first (they overlap)       rows %-13s p alone / for all %zu\n", "",
               family);
    for (size_t i = 0; i < g->c->nchanges; i++) {
        const struct eval_change *c = &g->c->changes[i];
        if (!page_is_slice(g, c))
            continue;
        if (shown(c) && listed < MAX_SLICES) {
            slice_line(g, c);
            listed++;
            continue;
        }
        x.lo = x.n && x.lo < c->delta ? x.lo : c->delta;
        x.hi = x.n && x.hi > c->delta ? x.hi : c->delta;
        x.least = x.least < c->pairs ? x.least : c->pairs;
        x.most = x.most > c->pairs ? x.most : c->pairs;
        x.undecided += c->word == WORD_UNDECIDED;
        x.any = c;
        x.n++;
    }
    if (x.n)
        others_line(g, &x, listed);
}

/* ---- WORST BROKEN ROWS ---- */

static void probability(struct out *o, double p)
{
    char text[16];
    snprintf(text, sizeof text, "%.2f", p);
    out_str(o, isnan(p) ? "-" : text[0] == '0' ? text + 1 : text);
}

static const char *label_name(const struct eval_result *r, int32_t i)
{
    return i >= 0 && (size_t)i < r->nlabels ? r->labels[i] : "-";
}

static void worst_head(const struct page *g)
{
    int known = !isnan(g->p->a->cells[g->c->flips[0]].p_label), cost = g->p->set->cost != NULL;
    struct out says = {0};
    out_printf(&says, "%s says", g->b);
    out_printf(g->o, "%-*slabel  %s", cost ? 47 : 57, "WORST BROKEN ROWS", known ? "its probability" : "   ");
    if (!known)
        out_printf(g->o, "%-*s", cost ? 13 : 0, out_cstr(&says));
    out_printf(g->o, "%s\n", cost ? " extra cost" : "");
    out_fini(&says);
}

static void worst_row(const struct page *g, uint32_t at)
{
    const struct row *r = g->p->set->rows[at];
    const struct eval_cell *x = &g->p->a->cells[at], *y = &g->p->b->cells[at];
    const struct cost *cost = g->p->set->cost;
    struct out text = {0}, p = {0}, label = {0};
    preview_row(r, &text, cost ? 28 : 38);
    row_label_text(r->label, &label);
    const char *name = page_safe(g, out_cstr(&label), 9);
    if (!isnan(x->p_label) || !isnan(y->p_label)) {
        probability(&p, x->p_label);
        out_str(&p, " -> ");
        probability(&p, y->p_label);
    } else {
        out_printf(&p, "-> %s", page_safe(g, y->state == 2 ? "error" : label_name(g->p->b, y->pred), 10));
    }
    if (cost) {
        out_printf(&p, "%*s", p.n < 14 ? (int)(14 - p.n) : 1, "");
        money_row(&p, y->cost - x->cost, page_safe(g, cost->unit, 4));
    }
    out_printf(g->o, "  %-14s %-*s  %-9s %s\n", page_safe(g, r->id, 14), cost ? 28 : 38, out_cstr(&text),
               name, out_cstr(&p));
    out_fini(&text);
    out_fini(&p);
    out_fini(&label);
}

static void worst(const struct page *g)
{
    const struct eval_compare *c = g->c;
    if (!c->nbroken)
        return;
    worst_head(g);
    for (size_t i = 0; i < c->nbroken && i < MAX_WORST; i++)
        worst_row(g, c->flips[i]);
    if (c->nbroken > MAX_WORST)
        out_printf(g->o, "  %zu more in flips.csv\n", c->nbroken - MAX_WORST);
}

/* ---- the section ---- */

/* Why there is nothing to show. */
static void nothing(const struct page *g, const struct review *r)
{
    const struct eval_set *set = g->p->set;
    unsigned long long waiting = set->unlabelled;
    switch (r->state) {
    case REVIEW_NO_ROWS:
        out_str(g->o, "EVALUATION  no eval rows: append to eval/examples.jsonl\n");
        if (waiting)
            out_printf(g->o, "  %llu row%s wait for a label (eval/unlabelled.jsonl)\n", waiting,
                       waiting == 1 ? "" : "s");
        break;
    case REVIEW_NO_CORE:
        out_printf(g->o, "EVALUATION  set %s, %zu rows: %s\n", set->revision, set->nrows, r->why);
        break;
    default:
        out_printf(g->o, "EVALUATION  set %s, %zu rows, not %s\n", set->revision, set->nrows,
                   r->state == REVIEW_CANNOT ? "measured" : "comparable");
        page_wrap(g->o, 2, r->why);
        if (*r->hint)
            page_wrap(g->o, 2, r->hint);
    }
}

/* What the engine itself varies by: a change that is no larger says nothing of the model. */
static void control(const struct page *g, const struct eval_control *c)
{
    unsigned long long n = c->rows;
    if (!n)
        return;
    if (g->p->b->task == SPEC_REGRESSION)
        out_printf(g->o, "  A/A max difference %.2g", c->most);
    else
        out_printf(g->o, "  A/A %llu flip%s, max dp %.2g", (unsigned long long)c->flips,
                   c->flips == 1 ? "" : "s", c->most);
    out_printf(g->o, "   (%s against itself, twice on %llu row%s)\n", g->b, n, n == 1 ? "" : "s");
}

void section_evaluation(const struct review *r, struct out *o)
{
    struct page g = r->page;
    g.o = o;
    if (r->state != REVIEW_MEASURED) {
        nothing(&g, r);
        return;
    }
    head(&g);
    metrics(&g);
    grown(&g);
    if (g.p->a->task == SPEC_REGRESSION)
        moved(&g);
    else
        flipped(&g);
    control(&g, &r->control);
    slices(&g);
    worst(&g);
}
