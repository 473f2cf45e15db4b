/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/gates.h"
#include "fs/report/measure.h"
#include "fs/report/section.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int exit;
} words[] = {
    [VERDICT_PASS] = {"PASS", 0},
    [VERDICT_NOT_MEASURED] = {"NOT MEASURED", 3},
    [VERDICT_UNDECIDED] = {"UNDECIDED", 3},
    [VERDICT_FAIL] = {"FAIL", 1},
    [VERDICT_NOT_COMPARABLE] = {"NOT COMPARABLE", 4},
};

const char *verdict_name(enum verdict_word w)
{
    return words[w].name;
}

int verdict_exit(enum verdict_word w)
{
    return words[w].exit;
}

void verdict_add(struct verdict *v, enum verdict_word word, const char *because, const char *todo)
{
    if (word < v->word || (word == v->word && v->because[0]))
        return;
    v->word = word;
    snprintf(v->because, sizeof v->because, "%s", because ? because : "");
    snprintf(v->todo, sizeof v->todo, "%s", todo ? todo : "");
}

/* What an undecided set can see: the reader must not take silence for safety. */
static void cannot_exclude(const struct page *g, const struct eval_change *h, struct out *o)
{
    unsigned long long n = h->pairs;
    double worst_case = h->direction > 0 ? -h->lo : h->hi;
    if (isnan(h->lo)) {
        out_printf(o, "%llu rows are too few to say anything of %s", n, page_safe(g, h->metric, 20));
    } else if (measure_is_share(h->unit)) {
        out_printf(o, "%llu rows cannot exclude -%.1f pp", n, 100 * worst_case);
        uint64_t need =
            strcmp(h->test, "mcnemar") ? 0 : stats_rows_to_settle(h->pairs, h->broken, h->fixed, h->margin);
        if (need > h->pairs)
            out_printf(o, "; %llu such rows would decide", (unsigned long long)need);
    } else {
        out_printf(o, "%llu rows cannot exclude that %s is worse by %.3g", n, page_safe(g, h->metric, 20),
                   worst_case);
    }
}

/* A slice that got worse under no rule of its own: line 2 must not hide it. */
static int worse_slice(const struct page *g, struct out *o)
{
    for (size_t i = 0; i < g->c->nchanges; i++) {
        const struct eval_change *c = &g->c->changes[i];
        if (!page_is_slice(g, c) || c->word != WORD_REGRESSED)
            continue;
        out_printf(o, "PASS, but %s got worse: ", page_safe(g, c->slice, 20));
        if (strcmp(c->test, "mcnemar") == 0) {
            measure_flips(o, c->broken, c->fixed);
            out_printf(o, " of %llu rows", (unsigned long long)c->pairs);
        } else {
            measure_change(o, c, 1);
        }
        return 1;
    }
    return 0;
}

static const struct gate *first(const struct gates *gates, enum gates_status status)
{
    for (size_t i = 0; i < gates->n; i++)
        if (gates->list[i].status == status)
            return &gates->list[i];
    return NULL;
}

/* Of all that passed, what a reader must know first. */
static void passed(struct verdict *v, const struct page *g, const struct gates *gates, int rows)
{
    const struct gate *waived = first(gates, GATES_WAIVED), *warned = first(gates, GATES_WARN);
    const struct eval_change *h = rows ? page_headline(g) : NULL;
    struct out o = {0};
    if (waived) {
        out_printf(&o, "WAIVED by %s until %s: %s", page_safe(g, waived->waiver->by, 16),
                   waived->waiver->until, waived->because);
    } else if (warned) {
        out_printf(&o, "PASS, but %s", warned->because);
    } else if (h && worse_slice(g, &o)) {
        ;
    } else if (h && h->word == WORD_UNDECIDED) {
        out_str(&o, "PASS, but ");
        cannot_exclude(g, h, &o);
    } else if (h) {
        const char *how = h->word == WORD_IMPROVED    ? "improved"
                          : h->word == WORD_REGRESSED ? "got worse"
                                                      : "is no worse";
        out_printf(&o, "%s %s: ", page_safe(g, h->metric, 20), how);
        measure_change(&o, h, 2);
    }
    verdict_add(v, VERDICT_PASS, page_cstr(g, &o), "");
}

static const char *undecided(const struct page *g, const struct gate *x)
{
    const struct eval_change *h = page_headline(g);
    struct out o = {0};
    if (!h || strcmp(x->where, "core") != 0 || !rules_matches(x->rule, h, h->metric))
        return x->because;
    cannot_exclude(g, h, &o);
    return page_cstr(g, &o);
}

static const char *expired(const struct page *g, const struct gate *x)
{
    struct out o = {0};
    if (!x->waiver)
        return x->todo;
    out_printf(&o, "the waiver by %s ended on %s", page_safe(g, x->waiver->by, 16), x->waiver->until);
    return page_cstr(g, &o);
}

void verdict_gates(struct verdict *v, const struct page *g, const struct gates *gates, int rows)
{
    for (size_t i = 0; i < gates->n; i++) {
        const struct gate *x = &gates->list[i];
        v->pass += x->status == GATES_OK || x->status == GATES_IMPROVED;
        v->fail += x->status == GATES_FAIL;
        v->undecided += x->status == GATES_UNDECIDED;
        v->warn += x->status == GATES_WARN;
        v->waived += x->status == GATES_WAIVED;
        if (x->status == GATES_FAIL)
            verdict_add(v, VERDICT_FAIL, x->because, expired(g, x));
        else if (x->status == GATES_UNDECIDED && x->rule->strict)
            verdict_add(v, VERDICT_UNDECIDED, undecided(g, x),
                        "add rows, or say in eval/gates that undecided is a warning");
    }
    passed(v, g, gates, rows);
}
