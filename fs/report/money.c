/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/money.h"
#include "fs/report/measure.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct eval_change *on_core(const struct page *g, const char *metric)
{
    for (size_t i = 0; i < g->c->nchanges; i++) {
        const struct eval_change *c = &g->c->changes[i];
        if (!strcmp(c->metric, metric) && !strcmp(c->cohort, "core") && !c->slice[0])
            return c;
    }
    return NULL;
}

const struct eval_change *money_change(const struct page *g)
{
    return on_core(g, "cost_per_k");
}

void money_short(struct out *o, double x, int sign)
{
    static const struct {
        double from;
        const char *letter;
    } all[] = {{1e9, " G"}, {1e6, " M"}, {1e3, " k"}, {0, ""}};
    size_t i = 0;
    while (all[i].from > 0 && fabs(x) < all[i].from * 0.9995)
        i++;
    double y = all[i].from > 0 ? x / all[i].from : x;
    int decimals = fabs(y) >= 99.95 ? 0 : fabs(y) >= 9.995 || y == round(y) ? 1 : 2;
    out_printf(o, sign ? "%+.*f%s" : "%.*f%s", decimals == 1 && fabs(y) >= 10 && y == round(y) ? 0 : decimals,
               y, all[i].letter);
}

void money_row(struct out *o, double x, const char *unit)
{
    if (isnan(x))
        out_char(o, '-');
    else
        out_printf(o, x == round(x) ? "%.0f%s%s" : "%.2f%s%s", x, *unit ? " " : "", unit);
}

static const char *unit_of(const struct page *g)
{
    return page_safe(g, g->p->set->cost->unit, 8);
}

static void line(const struct page *g, const struct eval_change *c)
{
    struct out text = {0}, change = {0};
    measure_change(&text, c, 2);
    const char *interval = strchr(out_cstr(&text), ' ');
    out_write(&change, text.p, interval ? (size_t)(interval - text.p) : text.n);
    out_printf(&change, "%s%s%s", *unit_of(g) ? " " : "", unit_of(g), interval ? interval : "");
    out_printf(g->o, "  %-12s %8s %8s  ", "cost/1000", page_value(g, c, c->a), page_value(g, c, c->b));
    if (change.n > 26) {
        out_printf(g->o, "%s\n%34s", out_cstr(&change), "");
        out_reset(&change);
    }
    out_printf(g->o, "%-26s %-8s %s\n", out_cstr(&change), isnan(c->lo) ? "few rows" : "",
               word_name(c->word));
    out_fini(&text);
    out_fini(&change);
}

static void month(const struct page *g, const struct eval_change *c)
{
    out_str(g->o, "  at ");
    money_short(g->o, g->p->set->spec->volume_per_month, 0);
    out_str(g->o, " decisions a month (declared): ");
    money_short(g->o, c->delta, 1);
    out_printf(g->o, "%s%s a month%s\n", *unit_of(g) ? " " : "", unit_of(g),
               c->word == WORD_UNDECIDED ? ", but it may be none" : "");
}

static void even(const struct page *g)
{
    const struct eval_even *e = &g->c->even;
    struct out what = {0};
    if (!e->what)
        return;
    out_printf(&what, "break-even: the %s vanishes if %s %s %s than %.3g", e->gain ? "gain" : "loss",
               page_safe(g, e->what, 40), e->scales ? "counts for" : "costs", e->above ? "more" : "less",
               e->at);
    if (e->scales)
        out_str(&what, " of the value");
    else if (*unit_of(g))
        out_printf(&what, " %s", unit_of(g));
    page_wrap(g->o, 2, page_cstr(g, &what));
}

void money_lines(const struct page *g)
{
    const struct eval_change *c = money_change(g), *m = on_core(g, "cost_per_month");
    if (!c)
        return;
    if (isnan(c->delta)) {
        out_printf(g->o, "  %-12s not known: %s\n", "cost/1000",
                   g->p->set->traffic ? "a slice of eval/traffic.csv has no row with a cost"
                                      : "no row has a cost in both versions");
        return;
    }
    line(g, c);
    if (!g->p->set->traffic)
        out_printf(g->o, "  %-12s on this eval set, not on traffic (no eval/traffic.csv)\n", "");
    if (c->rows > c->pairs)
        out_printf(g->o, "  %-12s %llu of %llu rows count: the others' cost is not known\n", "",
                   (unsigned long long)c->pairs, (unsigned long long)c->rows);
    if (m)
        month(g, m);
    even(g);
}
