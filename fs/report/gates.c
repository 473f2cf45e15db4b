/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/gates.h"
#include "fs/eval/compare.h"
#include "fs/eval/policy.h"
#include "fs/report/figure.h"
#include "fs/report/measure.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct work {
    const struct page *g;
    const struct diff *d;
    const struct rules *rules;
    const char *headline; /* "": there is none */
    int rows;             /* there are answers to judge */
    struct gates *ret;
};

static const char *text(const struct work *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static const char *text(const struct work *w, const char *fmt, ...)
{
    char line[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    const char *ret = arena_strdup(w->g->s->arena, line);
    return ret ? ret : "";
}

static struct gate gate(const struct rules_rule *r, enum gates_status status)
{
    return (struct gate){.rule = r,
                         .where = r->where,
                         .status = status,
                         .measured = NAN,
                         .lo = NAN,
                         .hi = NAN,
                         .because = "",
                         .todo = "",
                         .note = ""};
}

static void add(struct work *w, struct gate x)
{
    const struct rules_rule *r = x.rule;
    if (x.status == GATES_FAIL && r->advisory)
        x.status = GATES_WARN;
    if (x.waiver && !policy_expired(x.waiver) &&
        (x.status == GATES_FAIL || (x.status == GATES_UNDECIDED && r->strict)))
        x.status = GATES_WAIVED;
    w->ret->list[w->ret->n++] = x;
}

/* A rule that cannot be asked is not one that passes. */
static struct gate wrong(const struct rules_rule *r, const struct work *w, const char *why)
{
    struct gate x = gate(r, GATES_FAIL);
    x.note = why;
    x.because = text(w, "rule %s: %s", page_safe(w->g, r->name, 16), why);
    x.todo = "mend the rule in eval/gates";
    return x;
}

/* ---- scores ---- */

static void fix(const struct work *w, struct gate *x, const char *what)
{
    x->todo = policy_written(w->g->s->store) > 0
                  ? text(w, "fix %s or waive rule \"%s\" in eval/gates; rows: flips.csv", what,
                         page_safe(w->g, x->rule->name, 16))
                  : "rows: flips.csv, worst first";
}

static int is_cost(const struct eval_change *c)
{
    return strcmp(c->metric, "cost_per_k") == 0;
}

static const char *moved(const struct page *g, const struct eval_change *c)
{
    struct out o = {0};
    if (c->slice[0] && strcmp(c->test, "mcnemar") == 0) {
        measure_flips(&o, c->broken, c->fixed);
        out_printf(&o, " of %llu rows", (unsigned long long)c->pairs);
        return page_cstr(g, &o);
    }
    if (!c->slice[0])
        out_printf(&o, "%s -> %s%s%s, ", page_value(g, c, c->a), page_value(g, c, c->b),
                   is_cost(c) && *c->unit ? " " : "", is_cost(c) ? page_safe(g, c->unit, 8) : "");
    measure_change(&o, c, 2);
    return page_cstr(g, &o);
}

static struct gate by_margin(const struct work *w, const struct rules_rule *r, const struct eval_change *c)
{
    static const enum gates_status of[] = {[WORD_IMPROVED] = GATES_IMPROVED,
                                           [WORD_OK] = GATES_OK,
                                           [WORD_REGRESSED] = GATES_FAIL,
                                           [WORD_UNDECIDED] = GATES_UNDECIDED};
    double margin = rules_margin(r, c);
    if (isnan(margin))
        return wrong(
            r, w,
            text(w, "%s is no limit of %s", page_safe(w->g, r->text, 24), page_safe(w->g, c->metric, 20)));
    struct gate x = gate(r, of[compare_word(c, margin, w->rules->alpha)]);
    const char *what = page_safe(w->g, c->slice[0] ? c->slice : is_cost(c) ? "cost/1000" : c->metric, 20);
    x.measured = c->delta;
    x.lo = c->lo;
    x.hi = c->hi;
    x.note = c->note;
    if (x.status == GATES_FAIL) {
        x.because =
            text(w, "%s %s: %s", what, is_cost(c) && !c->slice[0] ? "rose" : "got worse", moved(w->g, c));
        if (!isnan(r->value) && r->value > 0)
            x.because = text(w, "%s (%s)", x.because, page_safe(w->g, r->text, 20));
        fix(w, &x, what);
    } else if (x.status == GATES_UNDECIDED) {
        x.because = text(w, "%s is undecided: %s", what, moved(w->g, c));
    }
    return x;
}

static struct gate by_value(const struct work *w, const struct rules_rule *r, const struct eval_change *c)
{
    double limit = rules_value(r, c->unit);
    if (isnan(limit))
        return wrong(
            r, w,
            text(w, "%s is no limit of %s", page_safe(w->g, r->text, 24), page_safe(w->g, c->metric, 20)));
    int out = r->limit == RULES_MIN ? c->b < limit : c->b > limit;
    struct gate x = gate(r, isnan(c->b) ? GATES_NOT_MEASURED : out ? GATES_FAIL : GATES_OK);
    x.measured = c->b;
    if (out) {
        x.because = text(w, "%s is %s (%s)", page_safe(w->g, c->metric, 20), page_value(w->g, c, c->b),
                         page_safe(w->g, r->text, 20));
        fix(w, &x, page_safe(w->g, c->metric, 20));
    }
    return x;
}

static int has_metric(const struct work *w, const char *metric)
{
    for (size_t i = 0; i < w->g->c->nchanges; i++)
        if (strcmp(w->g->c->changes[i].metric, metric) == 0)
            return 1;
    return 0;
}

static int has_slice(const struct work *w, const char *slice)
{
    for (size_t i = 0; i < w->g->c->nchanges; i++)
        if (strcmp(w->g->c->changes[i].slice, slice) == 0)
            return 1;
    return 0;
}

static int is_cohort(const char *where)
{
    return !strcmp(where, "core") || !strcmp(where, "failures") || !strcmp(where, "must-pass");
}

/* Nothing was found to judge: because there is nothing yet, or because the rule asks for what is not there.
 */
static struct gate no_score(const struct work *w, const struct rules_rule *r)
{
    const char *metric = strcmp(r->metric, "headline") ? r->metric : w->headline;
    if (!w->rows || !*w->headline)
        return gate(r, GATES_NOT_MEASURED);
    if (strncmp(metric, "cost_per_", 9) == 0 && !w->g->p->set->cost)
        return gate(r, GATES_NO_ROWS);
    if (!has_metric(w, metric))
        return wrong(r, w,
                     text(w, "%s is not among the metrics that are measured", page_safe(w->g, metric, 20)));
    if (strcmp(r->where, "*") == 0 || (is_cohort(r->where) && !page_cohort(w->g, r->where)))
        return gate(r, GATES_NO_ROWS);
    if (!is_cohort(r->where) && !has_slice(w, r->where))
        return wrong(r, w, text(w, "no core row is in slice %s", page_safe(w->g, r->where, 24)));
    return wrong(
        r, w,
        text(w, "%s is not measured on %s", page_safe(w->g, metric, 20), page_safe(w->g, r->where, 20)));
}

/* Not one row was answered in the way the metric needs. */
static struct gate unanswered(const struct work *w, const struct rules_rule *r, const struct eval_change *c)
{
    if (!page_headline(w->g)->pairs)
        return gate(r, GATES_NOT_MEASURED);
    return wrong(r, w, text(w, "%s needs answers that these are not", page_safe(w->g, c->metric, 20)));
}

static void score(struct work *w, const struct rules_rule *r, const struct rules_waiver *waiver)
{
    size_t found = 0, all = strcmp(r->where, "*") == 0;
    for (size_t i = 0; w->rows && i < w->g->c->nchanges; i++) {
        const struct eval_change *c = &w->g->c->changes[i];
        if (!rules_matches(r, c, w->headline) || (all && rules_of(w->rules, c, w->headline) != r))
            continue;
        struct gate x = !c->pairs                            ? unanswered(w, r, c)
                        : r->limit & (RULES_MIN | RULES_MAX) ? by_value(w, r, c)
                                                             : by_margin(w, r, c);
        x.where = all ? c->slice : r->where;
        x.waiver = waiver;
        add(w, x);
        found++;
    }
    if (!found) {
        struct gate x = no_score(w, r);
        x.waiver = waiver;
        add(w, x);
    }
}

/* ---- rows one by one ---- */

static int is_in(const struct row *r, const char *where)
{
    if (strcmp(where, "all") == 0)
        return 1;
    if (strncmp(where, "tag:", 4) == 0)
        return row_has_tag(r, where + 4);
    if (is_cohort(where))
        return strcmp(row_cohort_name(r->cohort), where) == 0;
    return r->cohort == ROW_CORE && row_in_slice(r, where);
}

struct count {
    size_t rows, judged, broken, errors, new_errors;
    const char *names; /* of the first broken ones */
    const char *error; /* the first */
};

static struct count count(const struct work *w, const char *where)
{
    const struct results_of_pair *p = w->g->p;
    struct count n = {.error = ""};
    struct out names = {0};
    for (size_t i = 0; i < p->set->nrows; i++) {
        const struct eval_cell *a = &p->a->cells[i], *b = &p->b->cells[i];
        if (!is_in(p->set->rows[i], where))
            continue;
        n.rows++;
        n.judged += a->right >= 0 && b->right >= 0;
        if (a->right == 1 && b->right == 0 && n.broken++ < 2)
            out_printf(&names, "%s %s", n.broken > 1 ? "," : "", page_safe(w->g, p->set->rows[i]->id, 16));
        if (b->state == 2) {
            n.error = n.errors++ ? n.error : b->error;
            n.new_errors += a->state != 2;
        }
    }
    if (n.broken > 2)
        out_printf(&names, " +%zu more", n.broken - 2);
    n.names = page_cstr(w->g, &names);
    return n;
}

static struct gate broken(const struct work *w, const struct rules_rule *r, const struct count *n)
{
    int share = r->about == RULES_BROKEN_SHARE;
    double limit = rules_value(r, share ? "share" : "rows");
    if (isnan(limit))
        return wrong(r, w, text(w, "%s is no share", page_safe(w->g, r->text, 24)));
    if (!n->judged) {
        struct gate x = gate(r, GATES_NO_ROWS);
        x.note = "no row is right or wrong here";
        return x;
    }
    double value = share ? (double)n->broken / (double)n->judged : (double)n->broken;
    struct gate x = gate(r, value > limit ? GATES_FAIL : GATES_OK);
    x.measured = value;
    if (x.status != GATES_FAIL)
        return x;
    const char *where = page_safe(w->g, strcmp(r->where, "tag:must-pass") ? r->where : "must-pass", 20);
    if (share)
        x.because = text(w, "%.2f %% of %zu %s rows broke (%s)", 100 * value, n->judged, where,
                         page_safe(w->g, r->text, 16));
    else
        x.because = text(w, "%zu %s row%s broken:%s", n->broken, where, n->broken == 1 ? "" : "s", n->names);
    if (strcmp(where, "must-pass") == 0)
        x.todo = "rows that were fixed once must stay fixed; see flips.csv";
    else
        fix(w, &x, where);
    return x;
}

static struct gate errors(const struct work *w, const struct rules_rule *r, const struct count *n)
{
    size_t found = r->limit == RULES_MAX_NEW ? n->new_errors : n->errors;
    double limit = rules_value(r, "rows");
    if (isnan(limit))
        return wrong(r, w, text(w, "%s is no count", page_safe(w->g, r->text, 24)));
    struct gate x = gate(r, (double)found > limit ? GATES_FAIL : GATES_OK);
    x.measured = (double)found;
    if (x.status == GATES_FAIL) {
        x.because = text(w, "%s fails on %zu of %zu rows: %s", w->g->b, n->errors, n->rows,
                         page_safe(w->g, n->error, 40));
        x.todo = "the model must answer every row of the set";
    }
    return x;
}

static struct gate by_rows(const struct work *w, const struct rules_rule *r)
{
    if (!w->rows)
        return gate(r, GATES_NOT_MEASURED);
    struct count n = count(w, r->where);
    if (n.rows)
        return r->about == RULES_ERRORS ? errors(w, r, &n) : broken(w, r, &n);
    if (is_cohort(r->where) || !strcmp(r->where, "all") || !strcmp(r->where, "tag:must-pass"))
        return gate(r, GATES_NO_ROWS);
    return wrong(r, w, text(w, "no row is in %s", page_safe(w->g, r->where, 24)));
}

/* ---- the model itself ---- */

static struct gate numbers(const struct work *w, const struct rules_rule *r)
{
    const struct diff *d = w->d;
    uint64_t n = d->nan_new + d->inf_new;
    if (!d->tensors_b)
        return gate(r, GATES_NO_ROWS);
    struct gate x = gate(r, (double)n > r->value ? GATES_FAIL : GATES_OK);
    x.measured = (double)n;
    if (x.status == GATES_FAIL) {
        const char *what = d->nan_new && d->inf_new ? "NaN and Inf" : d->nan_new ? "NaN" : "Inf";
        x.because = text(w, "%zu tensor%s gained %s", d->nonfinite_tensors,
                         d->nonfinite_tensors == 1 ? "" : "s", what);
        x.todo = "look at nan_b and inf_b in tensors.csv";
    }
    return x;
}

static struct gate signature(const struct work *w, const struct rules_rule *r)
{
    const struct diff *d = w->d;
    const char *note = NULL;
    for (size_t i = 0; i < d->ngraphs && !note; i++)
        note = d->graphs[i].io_changed ? d->graphs[i].io_note : NULL;
    for (size_t i = 0; i < d->nboosters && !note; i++)
        note = d->boosters[i].io_changed ? d->boosters[i].io_note : NULL;
    if (d->ngraphs + d->nboosters == 0)
        return gate(r, GATES_NO_ROWS);
    struct gate x = gate(r, note ? GATES_FAIL : GATES_OK);
    if (note) {
        x.note = page_safe(w->g, note, 200);
        x.because = text(w, "%s takes or gives something else: %s", w->g->b, page_safe(w->g, note, 60));
        x.todo = "whoever calls the model must change with it";
    }
    return x;
}

static struct gate size(const struct work *w, const struct rules_rule *r)
{
    uint64_t n = 0;
    double limit = rules_value(r, "bytes");
    struct out o = {0};
    if (isnan(limit))
        return wrong(r, w, text(w, "%s is no size", page_safe(w->g, r->text, 24)));
    for (size_t i = 0; i < w->d->nfiles; i++)
        n += w->d->files[i].bytes_new;
    struct gate x = gate(r, (double)n > limit ? GATES_FAIL : GATES_OK);
    x.measured = (double)n;
    if (x.status == GATES_FAIL) {
        figure_bytes(&o, n);
        x.because = text(w, "%s brings %s (%s)", w->g->b, page_cstr(w->g, &o), page_safe(w->g, r->text, 20));
        x.todo = "see bytes_new in files.csv";
    }
    return x;
}

/* ---- all of them ---- */

static int names(const char *name, const struct version *v)
{
    char number[16], hex[HASH_HEX];
    snprintf(number, sizeof number, "v%u", v->number);
    hash_hex(&v->digest, hex);
    return !strcmp(name, "*") || !strcmp(name, number) ||
           (strlen(name) >= 6 && strncmp(name, hex, strlen(name)) == 0);
}

static const struct rules_waiver *waiver_of(const struct work *w, const struct rules_rule *r)
{
    const struct rules_waiver *ret = NULL;
    for (size_t i = 0; i < w->rules->nwaivers; i++) {
        const struct rules_waiver *x = &w->rules->waivers[i];
        if (strcmp(x->rule, r->name) == 0 && names(x->a, w->g->s->a) && names(x->b, w->g->s->b) &&
            (!ret || policy_expired(ret)))
            ret = x;
    }
    return ret;
}

int gates_decide(const struct page *g, const struct diff *d, int rows, struct gates *ret)
{
    const struct eval_change *h = page_headline(g);
    const struct rules *rules = &g->p->rules;
    struct work w = {
        .g = g, .d = d, .rules = rules, .headline = h ? h->metric : "", .rows = rows, .ret = ret};
    *ret = (struct gates){.n = 0};
    if (!(ret->list = arena_array(g->s->arena, rules->nrules * (g->c->nchanges + 1) + 1, sizeof *ret->list)))
        return fail(-ENOMEM, "out of memory");
    for (size_t i = 0; i < rules->nrules; i++) {
        const struct rules_rule *r = &rules->rules[i];
        const struct rules_waiver *waiver = waiver_of(&w, r);
        if (r->about == RULES_SCORE) {
            score(&w, r, waiver);
            continue;
        }
        struct gate x = r->about == RULES_NONFINITE   ? numbers(&w, r)
                        : r->about == RULES_SIGNATURE ? signature(&w, r)
                        : r->about == RULES_BYTES     ? size(&w, r)
                                                      : by_rows(&w, r);
        x.waiver = waiver;
        add(&w, x);
    }
    return 0;
}

const char *gates_status_name(enum gates_status s)
{
    static const char *const names_of[] = {
        [GATES_OK] = "OK",           [GATES_IMPROVED] = "IMPROVED",
        [GATES_FAIL] = "FAIL",       [GATES_UNDECIDED] = "UNDECIDED",
        [GATES_WARN] = "WARN",       [GATES_WAIVED] = "WAIVED",
        [GATES_NO_ROWS] = "NOTHING", [GATES_NOT_MEASURED] = "NOT MEASURED"};
    return names_of[s];
}
