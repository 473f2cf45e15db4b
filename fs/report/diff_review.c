/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The review as a comment on a pull request. GitHub takes 65,536 characters: every list has an end, and what
 * is longest is cut so that the whole stays below 60,000 whatever the rows and names are.
 */
#include "fs/report/measure.h"
#include "fs/report/preview.h"
#include "fs/report/review.h"
#include <ctype.h>
#include <math.h>
#include <string.h>

enum { SLICES = 12, ROWS = 20, GATES = 30, MODEL_BYTES = 12000 };

static void text(struct out *o, const char *s, size_t max)
{
    out_markup(o, s, strlen(s), max);
}

static void word(struct out *o, enum word w)
{
    for (const char *p = word_name(w); *p && w == WORD_IMPROVED; p++)
        out_char(o, (char)tolower((unsigned char)*p));
    if (w != WORD_IMPROVED)
        out_str(o, w == WORD_OK ? "ok" : w == WORD_REGRESSED ? "**regressed**" : "undecided");
}

static unsigned long long hits(const struct eval_change *c, double share)
{
    return (unsigned long long)llround(share * (double)c->pairs);
}

static void change_line(const struct review *r, const struct eval_change *c, struct out *o)
{
    unsigned long long n = c->pairs;
    out_str(o, "| ");
    text(o, c->slice[0] ? c->slice : c->metric, 40);
    if (measure_by_count(c)) {
        out_printf(o, " (%llu rows) | %llu | %llu | ", n, hits(c, c->a), hits(c, c->b));
        measure_flips(o, c->broken, c->fixed);
    } else {
        out_printf(o, " (%llu rows) | %s | %s | ", n, page_value(&r->page, c, c->a),
                   page_value(&r->page, c, c->b));
        measure_change(o, c, 2);
    }
    if (!measure_is_share(c->unit) && strncmp(c->metric, "cost_per_", 9) == 0) {
        out_char(o, ' ');
        text(o, c->unit, 8);
    }
    out_str(o, " | ");
    word(o, c->word);
    out_str(o, " |\n");
}

/* A slice that did not get worse is not news. */
static int is_news(const struct review *r, const struct eval_change *c)
{
    if (isnan(c->delta))
        return 0;
    if (!c->slice[0])
        return strcmp(c->cohort, "core") == 0;
    return page_is_slice(&r->page, c) &&
           (c->word == WORD_REGRESSED || (c->word == WORD_UNDECIDED && c->direction * c->delta < 0));
}

static void changes(const struct review *r, struct out *o)
{
    size_t shown = 0, more = 0;
    out_printf(o, "| | %s | %s | change | |\n|---|--:|--:|--:|---|\n", r->page.a, r->page.b);
    for (size_t i = 0; i < r->page.c->nchanges; i++) {
        const struct eval_change *c = &r->page.c->changes[i];
        if (!is_news(r, c))
            continue;
        if (shown++ < SLICES)
            change_line(r, c, o);
        else
            more++;
    }
    if (more)
        out_printf(o, "\n%zu more in `eval.csv`.\n", more);
    out_char(o, '\n');
}

static void cohort(const struct review *r, const char *name, const char *what, struct out *o)
{
    const struct eval_change *c = page_cohort(&r->page, name);
    if (c && measure_is_share(c->unit) && !isnan(c->b))
        out_printf(o, " %s: %llu of %llu.", what, hits(c, c->b), (unsigned long long)c->pairs);
}

static void flips(const struct review *r, struct out *o)
{
    const struct eval_compare *c = r->page.c;
    if (r->pair.a->task != SPEC_REGRESSION)
        out_printf(o, "%llu fixed, %llu broken.", (unsigned long long)c->core_fixed,
                   (unsigned long long)c->core_broken);
    cohort(r, "failures", "Known failures now right", o);
    cohort(r, "must-pass", "Must-pass", o);
    out_printf(o, " Set %s, both versions on the same rows.\n\n", r->pair.set->revision);
}

static void answer(const struct eval_result *r, const struct eval_cell *c, struct out *o)
{
    if (c->state == 2)
        out_str(o, "error");
    else if (c->pred >= 0 && (size_t)c->pred < r->nlabels)
        text(o, r->labels[c->pred], 20);
    if (c->state == 1 && !isnan(c->p_label))
        out_printf(o, " (%.2f)", c->p_label);
}

static void broken_rows(const struct review *r, struct out *o)
{
    const struct eval_compare *c = r->page.c;
    if (!c->nbroken)
        return;
    out_printf(o,
               "<details><summary>%zu broken row%s</summary>\n\n"
               "In brackets: the probability of the true label.\n\n"
               "| row | input | label | %s | %s |\n|---|---|---|---|---|\n",
               c->nbroken, c->nbroken == 1 ? "" : "s", r->page.a, r->page.b);
    for (size_t i = 0; i < c->nbroken && i < ROWS; i++) {
        const struct row *row = r->pair.set->rows[c->flips[i]];
        struct out t = {0};
        out_str(o, "| ");
        text(o, row->id, 30);
        out_str(o, " | ");
        preview_row(row, &t, 80);
        text(o, out_cstr(&t), 80);
        out_str(o, " | ");
        out_reset(&t);
        row_label_text(row->label, &t);
        text(o, out_cstr(&t), 20);
        out_str(o, " | ");
        answer(r->pair.a, &r->pair.a->cells[c->flips[i]], o);
        out_str(o, " | ");
        answer(r->pair.b, &r->pair.b->cells[c->flips[i]], o);
        out_str(o, " |\n");
        out_fini(&t);
    }
    if (c->nbroken > ROWS)
        out_printf(o, "\n%zu more in `flips.csv`.\n", c->nbroken - ROWS);
    out_str(o, "\n</details>\n");
}

static void gates(const struct review *r, struct out *o)
{
    const struct gates *g = &r->gates;
    out_printf(o,
               "<details><summary>%zu gate%s</summary>\n\n"
               "| rule | of | measured | limit | |\n|---|---|--:|---|---|\n",
               g->n, g->n == 1 ? "" : "s");
    for (size_t i = 0; i < g->n && i < GATES; i++) {
        const struct gate *x = &g->list[i];
        out_str(o, "| ");
        text(o, x->rule->name, 24);
        out_str(o, " | ");
        text(o, x->rule->metric, 24);
        out_str(o, ", ");
        text(o, x->where, 30);
        if (isnan(x->measured))
            out_str(o, " | | ");
        else
            out_printf(o, " | %.4g | ", x->measured);
        text(o, x->rule->text, 30);
        out_printf(o, " | %s |\n", gates_status_name(x->status));
    }
    if (g->n > GATES)
        out_printf(o, "\n%zu more in `gate.csv`.\n", g->n - GATES);
    out_str(o, "\n</details>\n");
}

/* Reports' own text, safe for a terminal, made safe for HTML; cut at a line when it is too long. */
static void preformatted(struct out *o, const struct out *from)
{
    size_t begin = o->n;
    out_str(o, "<pre>\n");
    for (size_t i = 0; i < from->n;) {
        const char *nl = memchr(from->p + i, '\n', from->n - i);
        size_t end = nl ? (size_t)(nl - from->p) : from->n;
        if (o->n - begin > MODEL_BYTES) {
            out_str(o, "(the rest is in summary.txt)\n");
            break;
        }
        out_markup(o, from->p + i, end - i, 120);
        out_char(o, '\n');
        i = end + 1;
    }
    out_str(o, "</pre>\n");
}

static int model(const struct review *r, struct out *o)
{
    struct out t = {0};
    int err = section_model(&r->diff, &t);
    if (err >= 0)
        err = section_lineage(r->s, &r->diff, &t);
    if (err >= 0) {
        out_str(o, "<details><summary>What changed in the model</summary>\n\n");
        preformatted(o, &t);
        out_str(o, "\n</details>\n");
    }
    out_fini(&t);
    return err;
}

static void alerts(const struct review *r, struct out *o)
{
    struct out t = {0};
    section_alerts(&r->diff, &t);
    section_rules(r->s, &r->pair.rules, &t);
    if (t.n)
        preformatted(o, &t);
    if (t.n)
        out_char(o, '\n');
    out_fini(&t);
}

static int all(const struct review *r, struct out *o)
{
    const struct verdict *v = &r->verdict;
    out_str(o, "**");
    text(o, v->because, 200);
    out_str(o, "**\n\n");
    alerts(r, o);
    if (r->state == REVIEW_MEASURED) {
        changes(r, o);
        flips(r, o);
    }
    if (*v->todo) {
        out_str(o, "**To merge**: ");
        text(o, v->todo, 200);
        out_str(o, "\n\n");
    }
    if (r->state == REVIEW_MEASURED)
        broken_rows(r, o);
    gates(r, o);
    return model(r, o);
}

static int render(const struct subject *s, struct out *o)
{
    struct review r;
    int err = review_make(s, &r);
    if (err)
        return err;
    const struct verdict *v = &r.verdict;
    out_printf(o, "<!-- modelfs:review v%u..v%u %s -->\n", s->a->number, s->b->number,
               r.same ? "" : r.pair.set->revision);
    out_printf(o, "### v%u -> v%u: %s", s->a->number, s->b->number, verdict_name(v->word));
    if (v->fail)
        out_printf(o, " (%u of %u gates)", v->fail, v->pass + v->fail + v->undecided + v->waived);
    out_str(o, "\n\n");
    if (r.same)
        out_str(o, "The same bytes: nothing to compare.\n");
    else
        err = all(&r, o);
    review_fini(&r);
    return err < 0 ? err : 0;
}

const struct report report_diff_review = {
    .name = "review.md",
    .version = 2,
    .inputs = INPUT_SET | INPUT_IMPORTS | INPUT_GATES,
    .slow = 1,
    .doc = "the review as a comment on a pull request, in Markdown",
    .render = render,
};
