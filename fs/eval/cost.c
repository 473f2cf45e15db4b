/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/cost.h"
#include "fs/eval/sheet.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>
#include <string.h>

static int no_memory(void)
{
    return fail(-ENOMEM, "out of memory");
}

static size_t lines(const char *p, size_t n)
{
    size_t k = 1;
    for (size_t i = 0; i < n; i++)
        k += p[i] == '\n';
    return k;
}

static int numbers_only(const char *pred)
{
    return pred && (!strcmp(pred, "over") || !strcmp(pred, "under"));
}

/* A label that the spec does not list would never match: more likely it is a typing error. */
static int check_label(const struct sheet *s, const struct spec *spec, const char *what, const char *text)
{
    size_t i = 0;
    if (!text || !spec || !spec->nlabels || (!strcmp(what, "pred") && !strcmp(text, "wrong")))
        return 0;
    while (i < spec->nlabels && strcmp(spec->labels[i], text) != 0)
        i++;
    return i < spec->nlabels ? 0 : sheet_bad(s, "%s \"%.40s\" is not in eval/spec.json's labels", what, text);
}

enum { TRUTH, PRED, FIXED, COEF, FIELD, UNIT, NOTE };

static int rule(struct sheet *s, const struct spec *spec, struct cost *c)
{
    struct cost_rule r = {
        .truth = sheet_text(s, TRUTH), .pred = sheet_text(s, PRED), .note = sheet_text(s, NOTE)};
    const char *field = sheet_text(s, FIELD), *unit = sheet_text(s, UNIT);
    int err;
    if (!*r.truth || !*r.pred)
        return sheet_bad(s, "truth and pred: a label, or *");
    r.truth = strcmp(r.truth, "*") ? r.truth : NULL;
    r.pred = strcmp(r.pred, "*") ? r.pred : NULL;
    if ((err = check_label(s, spec, "truth", r.truth)) || (err = check_label(s, spec, "pred", r.pred)) ||
        (err = sheet_number(s, FIXED, "fixed", 0, &r.fixed)) ||
        (err = sheet_number(s, COEF, "coef", 0, &r.coef)))
        return err;
    if (spec && spec->task == SPEC_REGRESSION && r.pred && !numbers_only(r.pred))
        return sheet_bad(s, "pred: over, under or * (the task is regression)");
    r.field = *field ? field : NULL;
    if (r.coef != 0 && !r.field && !numbers_only(r.pred) && spec && spec->task != SPEC_REGRESSION)
        return sheet_bad(s, "coef needs the field of the row's value that it multiplies");
    if (*unit && *c->unit && strcmp(unit, c->unit) != 0)
        return sheet_bad(s, "unit \"%.20s\" after \"%.20s\": all costs need one unit", unit, c->unit);
    c->unit = *unit ? unit : c->unit;
    c->rules[c->n++] = r;
    return 0;
}

int cost_parse(const char *p, size_t n, const struct spec *spec, struct cost *ret)
{
    static const char *const columns[] = {"truth", "pred", "fixed", "coef", "field", "unit", "note", NULL};
    struct cost c = {.unit = ""};
    struct sheet s;
    int err = sheet_open("eval/cost.csv", p, n, columns, 3, &c.arena, &s);
    if (!err && !(c.rules = arena_array(&c.arena, lines(p, n), sizeof *c.rules)))
        err = no_memory();
    while (!err && (err = sheet_next(&s)) > 0)
        err = rule(&s, spec, &c);
    if (!err && !c.n)
        err = fail(-EINVAL, "eval/cost.csv: no rules");
    if (err)
        cost_fini(&c);
    else
        *ret = c;
    return err;
}

void cost_fini(struct cost *c)
{
    arena_fini(&c->arena);
    *c = (struct cost){0};
}

/* ---- one row ---- */

static double price(const struct cost_rule *r, double times, const json_t *value)
{
    if (r->coef == 0)
        return r->fixed;
    const json_t *v = r->field ? json_object_get(value, r->field) : NULL;
    if (r->field && !json_is_number(v))
        return NAN;
    return r->fixed + r->coef * times * (r->field ? json_number_value(v) : 1);
}

static int is_truth(const struct cost_rule *r, const char *truth)
{
    return !r->truth || !strcmp(r->truth, truth);
}

double cost_of_label(const struct cost *c, const char *truth, const char *pred, const json_t *value)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct cost_rule *r = &c->rules[i];
        int wrong = r->pred && !strcmp(r->pred, "wrong") && strcmp(truth, pred) != 0;
        if (is_truth(r, truth) && (!r->pred || wrong || !strcmp(r->pred, pred)))
            return price(r, 1, value);
    }
    return NAN;
}

double cost_of_number(const struct cost *c, double truth, double pred, const json_t *value)
{
    const char *side = pred > truth ? "over" : pred < truth ? "under" : "";
    for (size_t i = 0; i < c->n; i++)
        if (!c->rules[i].truth && (!c->rules[i].pred || !strcmp(c->rules[i].pred, side)))
            return price(&c->rules[i], fabs(pred - truth), value);
    return *side ? NAN : 0;
}

double cost_of_failure(const struct cost *c, const char *truth, const json_t *value)
{
    double most = NAN;
    for (size_t i = 0; i < c->n; i++)
        if (is_truth(&c->rules[i], truth)) {
            double x = price(&c->rules[i], 1, value);
            if (isnan(x))
                return NAN;
            most = isnan(most) || x > most ? x : most;
        }
    return most;
}

/* ---- traffic ---- */

static int share(struct sheet *s, struct cost_traffic *t, double *sum)
{
    struct cost_share x = {.slice = sheet_text(s, 0)};
    int err = sheet_number(s, 1, "share", NAN, &x.share);
    if (err)
        return err;
    if (!*x.slice)
        return sheet_bad(s, "slice: its name is missing");
    if (!(x.share > 0 && x.share <= 1))
        return sheet_bad(s, "share: a number above 0, at most 1");
    if (t->n == COST_SHARES)
        return sheet_bad(s, "more than %d slices", COST_SHARES);
    for (size_t i = 0; i < t->n; i++)
        if (!strcmp(t->shares[i].slice, x.slice))
            return sheet_bad(s, "slice \"%.40s\" twice", x.slice);
    if (where_is(x.slice) && (err = where_parse(x.slice, &t->arena, &x.where)) != 0 && err != -EINVAL)
        return err; /* a row's own slice may be named anything */
    *sum += x.share;
    t->shares[t->n++] = x;
    return 0;
}

int cost_traffic_parse(const char *p, size_t n, struct cost_traffic *ret)
{
    static const char *const columns[] = {"slice", "share", NULL};
    struct cost_traffic t = {.n = 0};
    struct sheet s;
    double sum = 0;
    int err = sheet_open("eval/traffic.csv", p, n, columns, 2, &t.arena, &s);
    if (!err && !(t.shares = arena_array(&t.arena, COST_SHARES, sizeof *t.shares)))
        err = no_memory();
    while (!err && (err = sheet_next(&s)) > 0)
        err = share(&s, &t, &sum);
    if (!err && fabs(sum - 1) > 1e-6)
        err = fail(-EINVAL, "eval/traffic.csv: the shares sum to %.6g, not 1", sum);
    if (err)
        cost_traffic_fini(&t);
    else
        *ret = t;
    return err;
}

void cost_traffic_fini(struct cost_traffic *t)
{
    arena_fini(&t->arena);
    *t = (struct cost_traffic){0};
}
