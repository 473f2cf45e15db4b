/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/gates.h"
#include "fs/report/measure.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *first_error(const struct eval_result *r)
{
    for (size_t i = 0; i < r->set->nrows; i++)
        if (r->cells[i].state == 2)
            return r->cells[i].error;
    return "";
}

static void gate_must_pass(const struct page *g, struct verdict *v)
{
    const struct eval_change *m = page_cohort(g, "must-pass");
    if (!m || strcmp(m->metric, "accuracy") != 0)
        return;
    if (!m->broken) {
        verdict_add(v, VERDICT_PASS, "", "");
        return;
    }
    struct out o = {0};
    size_t named = 0;
    out_printf(&o, "%llu must-pass row%s broken:", (unsigned long long)m->broken, m->broken == 1 ? "" : "s");
    for (size_t i = 0; i < g->c->nbroken && named < 2; i++) {
        const struct row *r = g->p->set->rows[g->c->flips[i]];
        if (r->cohort == ROW_MUST_PASS)
            out_printf(&o, "%s %s", named++ ? "," : "", page_safe(g, r->id, 16));
    }
    if (m->broken > named)
        out_printf(&o, " +%llu more", (unsigned long long)m->broken - named);
    verdict_add(v, VERDICT_FAIL, page_cstr(g, &o),
                "rows that were fixed once must stay fixed; see flips.csv");
}

static void gate_errors(const struct page *g, struct verdict *v)
{
    const struct eval_result *b = g->p->b;
    if (!b->errors) {
        verdict_add(v, VERDICT_PASS, "", "");
        return;
    }
    struct out o = {0};
    out_printf(&o, "%s fails on %zu of %zu rows: %s", g->b, b->errors, b->set->nrows,
               page_safe(g, first_error(b), 40));
    verdict_add(v, VERDICT_FAIL, page_cstr(g, &o), "the model must answer every row of the set");
}

/* What an undecided set can see: the reader must not take silence for safety. */
static void say_undecided(const struct page *g, const struct eval_change *h, struct verdict *v)
{
    struct out o = {0};
    unsigned long long n = h->pairs;
    v->undecided++;
    if (v->word != VERDICT_PASS || v->because[0])
        return;
    double worst_case = h->direction > 0 ? -h->lo : h->hi;
    if (isnan(h->lo)) {
        out_printf(&o, "PASS, but %llu rows are too few to say anything of %s", n,
                   page_safe(g, h->metric, 20));
    } else if (measure_is_share(h->unit)) {
        out_printf(&o, "PASS, but %llu rows cannot exclude -%.1f pp", n, 100 * worst_case);
        uint64_t need =
            strcmp(h->test, "mcnemar") ? 0 : stats_rows_to_settle(h->pairs, h->broken, h->fixed, h->margin);
        if (need > h->pairs)
            out_printf(&o, "; %llu such rows would decide", (unsigned long long)need);
    } else {
        out_printf(&o, "PASS, but %llu rows cannot exclude that %s is worse by %.3g", n,
                   page_safe(g, h->metric, 20), worst_case);
    }
    snprintf(v->because, sizeof v->because, "%s", page_cstr(g, &o));
}

/* A slice that got worse fails no default gate, but line 2 must not hide it. */
static void say_slices(const struct page *g, struct verdict *v)
{
    for (size_t i = 0; i < g->c->nchanges; i++) {
        const struct eval_change *c = &g->c->changes[i];
        if (!page_is_slice(g, c) || c->word != WORD_REGRESSED)
            continue;
        if (v->word == VERDICT_PASS && !v->because[0]) {
            struct out o = {0};
            out_printf(&o, "PASS, but %s got worse: ", page_safe(g, c->slice, 20));
            if (strcmp(c->test, "mcnemar") == 0) {
                measure_flips(&o, c->broken, c->fixed);
                out_printf(&o, " of %llu rows", (unsigned long long)c->pairs);
            } else {
                measure_change(&o, c, 1);
            }
            snprintf(v->because, sizeof v->because, "%s", page_cstr(g, &o));
        }
        return;
    }
}

void gates_headline(const struct page *g, struct verdict *v)
{
    const struct eval_change *h = page_headline(g);
    struct out o = {0};
    if (h->word == WORD_REGRESSED) {
        out_printf(&o, "%s got worse: %s -> %s, ", page_safe(g, h->metric, 20), page_value(g, h, h->a),
                   page_value(g, h, h->b));
        measure_change(&o, h, 2);
        verdict_add(v, VERDICT_FAIL, page_cstr(g, &o), "rows: flips.csv, worst first");
    } else if (h->word == WORD_UNDECIDED) {
        say_slices(g, v);
        say_undecided(g, h, v);
    } else {
        say_slices(g, v);
        if (v->word == VERDICT_PASS && !v->because[0]) {
            out_printf(&o, "%s %s: ", page_safe(g, h->metric, 20),
                       h->word == WORD_IMPROVED ? "improved" : "is no worse");
            measure_change(&o, h, 2);
            verdict_add(v, VERDICT_PASS, page_cstr(g, &o), "");
        } else {
            verdict_add(v, VERDICT_PASS, "", "");
        }
    }
}

void gates_rows(const struct page *g, struct verdict *v)
{
    gate_must_pass(g, v);
    gate_errors(g, v);
}
