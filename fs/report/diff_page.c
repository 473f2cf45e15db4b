/* SPDX-License-Identifier: Apache-2.0 */
/* The review as a page: one file that fetches nothing and runs nothing. Words stand beside each colour. */
#include "fs/report/figure.h"
#include "fs/report/measure.h"
#include "fs/report/preview.h"
#include "fs/report/review.h"
#include "fs/report/svg.h"
#include <math.h>
#include <string.h>

enum { SLICES = 80, BLOCKS = 200, ROWS = 50 };

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
    "'unsafe-inline'\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n<style>\n"
    ":root{--bg:#fff;--fg:#1c2024;--dim:#5b6470;--line:#c3cad2;--good:#1a7f45;--bad:#c0262d;"
    "--maybe:#8a5a00;--bar:#3b6fb6}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#14171a;--fg:#e4e7ea;--dim:#9aa4ae;--line:#454d56;"
    "--good:#4cc38a;--bad:#ff6b6b;--maybe:#e0a63a;--bar:#6ea3e8}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;padding:1rem;max-width:64rem;background:var(--bg);color:var(--fg);"
    "font:16px/1.45 system-ui,sans-serif;overflow-wrap:break-word}\n"
    "h1{font-size:1.4rem;margin:.2rem 0}\n"
    "h2{font-size:1.1rem;margin:1.8rem 0 .3rem;border-bottom:1px solid var(--line)}\n"
    "p{margin:.4rem 0}.dim{color:var(--dim);font-size:.9rem}\n"
    ".r{display:grid;grid-template-columns:12rem 1fr 27rem;gap:.1rem .8rem;align-items:center;"
    "padding:.15rem 0}\n"
    ".r span{min-width:0}.r svg{width:100%;height:1rem;display:block}\n"
    ".v{font-variant-numeric:tabular-nums;font-size:.9rem}\n"
    ".improved,.fixed,.PASS{--c:var(--good)}.regressed,.broken,.FAIL{--c:var(--bad)}\n"
    ".undecided,.other{--c:var(--maybe)}.ok{--c:var(--dim)}.bar{--c:var(--bar)}\n"
    "b.improved,b.regressed,b.undecided,b.ok,h1 b{color:var(--c)}rect{fill:var(--c)}\n"
    "line{vector-effect:non-scaling-stroke}.zero{stroke:var(--line);stroke-width:1}\n"
    ".span{stroke:var(--c);stroke-width:2}.point{stroke:var(--c);stroke-width:6}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;width:100%}\n"
    "th,td{text-align:left;padding:.2rem .8rem .2rem 0;border-bottom:1px solid var(--line);"
    "vertical-align:top}\n"
    ".in{overflow-wrap:anywhere;min-width:14rem}.id{white-space:nowrap}\n"
    "pre{overflow-x:auto;font-size:.8rem;line-height:1.35}\n"
    "@media(max-width:48rem){.r{grid-template-columns:1fr;padding:.4rem 0}}\n"
    "</style>\n";

static void text(struct out *o, const char *s, size_t max)
{
    out_markup(o, s, strlen(s), max);
}

static const char *class_of(enum word w)
{
    static const char *const names[] = {[WORD_IMPROVED] = "improved",
                                        [WORD_OK] = "ok",
                                        [WORD_REGRESSED] = "regressed",
                                        [WORD_UNDECIDED] = "undecided"};
    return names[w];
}

/* What a change comes to, in words: the value column, and what a picture's label says. */
static void say(const struct review *r, const struct eval_change *c, struct out *o)
{
    out_printf(o, "%s to %s, ", page_value(&r->page, c, c->a), page_value(&r->page, c, c->b));
    measure_change(o, c, 1);
}

static double reach(const struct eval_change *c)
{
    return fmax(fabs(c->delta), isnan(c->lo) ? 0 : fmax(fabs(c->lo), fabs(c->hi)));
}

static void change_row(const struct review *r, const struct eval_change *c, double max, struct out *o)
{
    struct out t = {0};
    say(r, c, &t);
    double lo = c->direction > 0 ? c->lo : -c->hi, hi = c->direction > 0 ? c->hi : -c->lo;
    out_str(o, "<div class=\"r\"><span>");
    text(o, c->slice[0] ? c->slice : c->metric, 60);
    if (!c->slice[0] && strcmp(c->cohort, "core") != 0)
        out_printf(o, ", %s", c->cohort);
    out_printf(o, " <span class=\"dim\">%llu rows</span></span>", (unsigned long long)c->pairs);
    svg_interval(o, lo, c->direction * c->delta, hi, max, class_of(c->word), out_cstr(&t));
    out_printf(o, "<span class=\"v\">%s <b class=\"%s\">%s</b></span></div>\n", out_cstr(&t),
               class_of(c->word), word_name(c->word));
    out_fini(&t);
}

static void scores(const struct review *r, struct out *o)
{
    out_str(o, "<h2>Scores</h2>\n<p class=\"dim\">Change with its 95 % interval, each on a scale of its own; "
               "better is to the right of the line.</p>\n");
    for (size_t i = 0; i < r->page.c->nchanges; i++) {
        const struct eval_change *c = &r->page.c->changes[i];
        if (!c->slice[0] && !isnan(c->delta))
            change_row(r, c, reach(c), o);
    }
}

static void slices(const struct review *r, struct out *o)
{
    double max = 0;
    size_t n = 0, shown = 0;
    for (size_t i = 0; i < r->page.c->nchanges; i++) {
        const struct eval_change *c = &r->page.c->changes[i];
        if (page_is_slice(&r->page, c) && !isnan(c->delta)) {
            max = fmax(max, reach(c));
            n++;
        }
    }
    if (!n)
        return;
    out_str(o, "<h2>Slices, worst first</h2>\n<p class=\"dim\">");
    text(o, page_headline(&r->page)->metric, 30);
    if (measure_is_share(page_headline(&r->page)->unit))
        out_printf(o, ", all on one scale: -%.0f to +%.0f points.</p>\n", 100 * max, 100 * max);
    else
        out_printf(o, ", all on one scale: %.3g either way.</p>\n", max);
    for (size_t i = 0; i < r->page.c->nchanges && shown < SLICES; i++) {
        const struct eval_change *c = &r->page.c->changes[i];
        if (page_is_slice(&r->page, c) && !isnan(c->delta)) {
            change_row(r, c, max, o);
            shown++;
        }
    }
    if (n > shown)
        out_printf(o, "<p>%zu more in eval.csv.</p>\n", n - shown);
}

static void flip_row(const char *name, uint64_t broken, uint64_t fixed, double max, struct out *o)
{
    struct out t = {0};
    measure_flips(&t, broken, fixed);
    out_str(o, "<div class=\"r\"><span>");
    text(o, name, 60);
    out_str(o, "</span>");
    svg_flips(o, (double)broken, (double)fixed, max, out_cstr(&t));
    out_printf(o, "<span class=\"v\">%s</span></div>\n", out_cstr(&t));
    out_fini(&t);
}

static void flips(const struct review *r, struct out *o)
{
    const struct eval_compare *c = r->page.c;
    double max = fmax((double)c->core_broken, (double)c->core_fixed);
    if (r->pair.a->task == SPEC_REGRESSION || max <= 0)
        return;
    out_printf(
        o,
        "<h2>Rows that flipped</h2>\n<p class=\"dim\">Left: broken, %s right and %s wrong. Right: fixed, "
        "the reverse. Slices overlap.</p>\n",
        r->page.a, r->page.b);
    flip_row("all of core", c->core_broken, c->core_fixed, max, o);
    for (size_t i = 0, n = 0; i < c->nchanges && n < SLICES; i++)
        if (page_is_slice(&r->page, &c->changes[i]) && c->changes[i].broken + c->changes[i].fixed) {
            flip_row(c->changes[i].slice, c->changes[i].broken, c->changes[i].fixed, max, o);
            n++;
        }
}

static void cell(const struct eval_result *r, const struct eval_cell *c, struct out *o)
{
    out_str(o, "<td>");
    if (c->state == 2)
        out_str(o, "error");
    else if (c->pred >= 0 && (size_t)c->pred < r->nlabels)
        text(o, r->labels[c->pred], 30);
    if (c->state == 1 && !isnan(c->p_label))
        out_printf(o, " <span class=\"dim\">%.2f</span>", c->p_label);
    out_str(o, "</td>");
}

static void broken_rows(const struct review *r, struct out *o)
{
    const struct eval_compare *c = r->page.c;
    if (!c->nbroken)
        return;
    out_printf(o,
               "<h2>Broken rows, worst first</h2>\n<p class=\"dim\">The number: probability of the true "
               "label.</p>\n<div class=\"wide\"><table><tr><th>row<th>input<th>label<th>%s<th>%s</tr>\n",
               r->page.a, r->page.b);
    for (size_t i = 0; i < c->nbroken && i < ROWS; i++) {
        const struct row *row = r->pair.set->rows[c->flips[i]];
        struct out t = {0}, label = {0};
        preview_row(row, &t, 120);
        row_label_text(row->label, &label);
        out_str(o, "<tr><td class=\"id\">");
        text(o, row->id, 40);
        out_str(o, "</td><td class=\"in\">");
        text(o, out_cstr(&t), 0);
        out_str(o, "</td><td>");
        text(o, out_cstr(&label), 30);
        out_str(o, "</td>");
        cell(r->pair.a, &r->pair.a->cells[c->flips[i]], o);
        cell(r->pair.b, &r->pair.b->cells[c->flips[i]], o);
        out_str(o, "</tr>\n");
        out_fini(&t);
        out_fini(&label);
    }
    out_str(o, "</table></div>\n");
    if (c->nbroken > ROWS)
        out_printf(o, "<p>%zu more in flips.csv.</p>\n", c->nbroken - ROWS);
}

static void blocks(const struct review *r, struct out *o)
{
    const struct diff *d = &r->diff;
    double max = 0;
    size_t same = 0, shown = 0;
    for (size_t i = 0; i < d->nblocks; i++)
        max = d->blocks[i].rel_l2 > max ? d->blocks[i].rel_l2 : max;
    if (!d->nblocks)
        return;
    out_str(o,
            "<h2>Weights, block by block</h2>\n<p class=\"dim\">Size of the change against the size of the "
            "old weights (relative L2).</p>\n");
    for (size_t i = 0; i < d->nblocks && shown < BLOCKS; i++) {
        const struct diff_block *b = &d->blocks[i];
        struct out t = {0};
        if (!b->changed && !b->added && !b->deleted) {
            same++;
            continue;
        }
        shown++;
        if (!isnan(b->rel_l2))
            figure_percent(&t, b->rel_l2);
        if (b->added || b->deleted)
            out_printf(&t, "%s%zu tensors added, %zu removed", t.n ? ", " : "", b->added, b->deleted);
        out_str(o, "<div class=\"r\"><span>");
        text(o, b->name, 60);
        out_str(o, "</span>");
        svg_bar(o, isnan(b->rel_l2) ? 0 : b->rel_l2, max, out_cstr(&t));
        out_printf(o, "<span class=\"v\">%s</span></div>\n", out_cstr(&t));
        out_fini(&t);
    }
    if (same)
        out_printf(o, "<p>%zu block%s identical.</p>\n", same, same == 1 ? " is" : "s are");
}

static void gates(const struct review *r, struct out *o)
{
    out_str(o,
            "<h2>Gates</h2>\n<div class=\"wide\"><table><tr><th>rule<th>of<th>measured<th>limit<th></tr>\n");
    for (size_t i = 0; i < r->gates.n; i++) {
        const struct gate *x = &r->gates.list[i];
        out_str(o, "<tr><td>");
        text(o, x->rule->name, 40);
        out_str(o, "</td><td>");
        text(o, x->rule->metric, 40);
        out_str(o, ", ");
        text(o, x->where, 60);
        out_str(o, "</td><td>");
        if (!isnan(x->measured))
            out_printf(o, "%.4g", x->measured);
        out_str(o, "</td><td>");
        text(o, x->rule->text, 40);
        out_printf(o, "</td><td>%s</td></tr>\n", gates_status_name(x->status));
    }
    out_str(o, "</table></div>\n");
}

static int model(const struct review *r, struct out *o)
{
    struct out t = {0};
    int err = section_model(&r->diff, &t);
    if (err >= 0)
        err = section_lineage(r->s, &r->diff, &t);
    out_str(o, "<h2>The model and where it comes from</h2>\n<pre>");
    for (const char *p = out_cstr(&t), *nl; (nl = strchr(p, '\n')); p = nl + 1) {
        out_markup(o, p, (size_t)(nl - p), 0);
        out_char(o, '\n');
    }
    out_str(o, "</pre>\n");
    out_fini(&t);
    return err;
}

static int all(const struct review *r, struct out *o)
{
    const struct verdict *v = &r->verdict;
    struct out t = {0};
    out_str(o, "<p>");
    text(o, v->because, 0);
    out_str(o, "</p>\n");
    if (*v->todo) {
        out_str(o, "<p>To do: ");
        text(o, v->todo, 0);
        out_str(o, "</p>\n");
    }
    section_alerts(&r->diff, &t);
    int err = section_rules(r->s, &r->pair.rules, &t);
    for (const char *p = out_cstr(&t), *nl; (nl = strchr(p, '\n')); p = nl + 1) {
        out_str(o, "<p><b class=\"regressed\">");
        out_markup(o, p, (size_t)(nl - p), 0);
        out_str(o, "</b></p>\n");
    }
    out_fini(&t);
    if (err < 0)
        return err;
    if (r->state == REVIEW_MEASURED) {
        out_printf(o, "<p class=\"dim\">Set %s, both versions on the same rows.</p>\n",
                   r->pair.set->revision);
        scores(r, o);
        slices(r, o);
        flips(r, o);
        broken_rows(r, o);
    }
    blocks(r, o);
    gates(r, o);
    return model(r, o);
}

static int render(const struct subject *s, struct out *o)
{
    struct review r;
    int err = review_make(s, &r);
    if (err)
        return err;
    enum verdict_word w = r.verdict.word;
    const char *class = w == VERDICT_PASS || w == VERDICT_FAIL ? verdict_name(w) : "other";
    out_str(o, head);
    out_printf(o, "<title>v%u to v%u: %s</title>\n</head>\n<body>\n", s->a->number, s->b->number,
               verdict_name(w));
    out_printf(o, "<h1><b class=\"%s\">%s</b> v%u to v%u</h1>\n", class, verdict_name(w), s->a->number,
               s->b->number);
    if (r.same)
        out_str(o, "<p>The same bytes: nothing to compare.</p>\n");
    else
        err = all(&r, o);
    out_str(o, "</body>\n</html>\n");
    review_fini(&r);
    return err < 0 ? err : 0;
}

const struct report report_diff_page = {
    .name = "report.html",
    .version = 2,
    .inputs = INPUT_SET | INPUT_IMPORTS | INPUT_GATES,
    .slow = 1,
    .doc = "the same as pictures, in one page that fetches nothing",
    .render = render,
};
