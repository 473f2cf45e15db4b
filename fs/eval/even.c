/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cost is linear in each number of its table, so one more evaluation with a number raised tells how much
 * the change follows it, and where it crosses nothing. Rules that share a note and a number are moved
 * together: "manual review" costs 4.00 wherever it stands.
 */
#include "fs/eval/even.h"
#include "fs/eval/price.h"
#include "fs/eval/sample.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>

#define MOST 4.0 /* how many times a number may have to grow or shrink to be worth a line */

struct moved {
    struct cost cost;
    const struct eval_result *ra, *rb;
    struct arena *arena;
    struct sample core;
};

/* cost_per_k of a version under the moved table. */
static int under(const struct moved *m, const struct eval_result *r, double *cost)
{
    struct out truth = {0};
    for (size_t i = 0; i < m->core.n; i++) {
        uint32_t at = m->core.at[i];
        out_reset(&truth);
        row_label_text(r->set->rows[at]->label, &truth);
        cost[i] = price_cell(&m->cost, r, at, out_cstr(&truth));
    }
    int err = out_error(&truth);
    out_fini(&truth);
    return err;
}

static int change(const struct moved *m, double *ret)
{
    double *a = arena_array(m->arena, m->core.n + 1, sizeof *a),
           *b = arena_array(m->arena, m->core.n + 1, sizeof *b);
    struct metric_rows rows;
    struct metric metric;
    int err = a && b ? metric_find("cost_per_k", NULL, 0, &metric) : fail(-ENOMEM, "out of memory");
    if (!err && (err = sample_rows(m->ra, &m->core, m->arena, &rows)) == 0 && (err = under(m, m->ra, a)) == 0)
        err = under(m, m->rb, b);
    for (size_t i = 0; !err && i < m->core.n; i++)
        if (isnan(a[i]) || isnan(b[i]))
            a[i] = b[i] = NAN;
    for (int k = 0; !err && k < 2; k++) {
        rows.cost = k ? b : a;
        struct metric_work *w = metric_work_new(&metric, &rows);
        if (!w)
            return fail(-ENOMEM, "out of memory");
        *ret = (k ? *ret : 0) + (k ? 1 : -1) * metric_value(w, NULL);
        metric_work_free(w);
    }
    return err;
}

static const char *name_of(const struct cost_rule *r, struct arena *a)
{
    if (*r->note)
        return arena_printf(a, "\"%s\"", r->note);
    return arena_printf(a, "%s taken for %s", r->truth ? r->truth : "anything",
                        r->pred ? r->pred : "anything");
}

/* Sets the number to x in the rule and in those that share note and number with it. */
static void set(struct moved *m, const struct cost *from, size_t rule, int scales, double x)
{
    const struct cost_rule *like = &from->rules[rule];
    for (size_t i = 0; i < from->n; i++) {
        const struct cost_rule *r = &from->rules[i];
        double number = scales ? r->coef : r->fixed;
        int same = i == rule || (*like->note && !strcmp(like->note, r->note) &&
                                 number == (scales ? like->coef : like->fixed));
        m->cost.rules[i] = *r;
        if (same && scales)
            m->cost.rules[i].coef = x;
        else if (same)
            m->cost.rules[i].fixed = x;
    }
}

static int try_number(struct moved *m, const struct cost *from, size_t rule, int scales, double now,
                      struct eval_even *best)
{
    double x = scales ? from->rules[rule].coef : from->rules[rule].fixed, moved, left;
    if (!(x > 0))
        return 0;
    set(m, from, rule, scales, 2 * x);
    int err = change(m, &moved);
    double slope = (moved - now) / x, at = x - now / slope, far = at > x ? at / x : x / at;
    if (err || isnan(slope) || fabs(slope * x) < 1e-9 * fabs(now) || !(at > 0) || far > MOST)
        return err;
    if (best->what && far >= (best->at > best->now ? best->at / best->now : best->now / best->at))
        return 0;
    set(m, from, rule, scales, at);
    if ((err = change(m, &left)) || !(fabs(left) <= 1e-6 * fabs(now)))
        return err; /* not linear: a failed row's dearest answer became another */
    *best = (struct eval_even){.what = name_of(&from->rules[rule], m->arena),
                               .now = x,
                               .at = at,
                               .above = at > x,
                               .scales = scales,
                               .gain = now < 0};
    return best->what ? 0 : fail(-ENOMEM, "out of memory");
}

int even_find(const struct eval_result *ra, const struct eval_result *rb, const struct eval_change *of,
              struct arena *a, struct eval_even *ret)
{
    const struct cost *from = ra->set->cost;
    struct moved m = {.ra = ra, .rb = rb, .arena = a};
    double now = of->delta;
    *ret = (struct eval_even){.what = NULL};
    if (!from || isnan(now) || now == 0)
        return 0;
    m.cost = (struct cost){
        .rules = arena_array(a, from->n, sizeof *from->rules), .n = from->n, .unit = from->unit};
    if (!m.cost.rules)
        return fail(-ENOMEM, "out of memory");
    int err = sample_cohort(ra->set, ROW_CORE, a, &m.core);
    for (size_t i = 0; !err && i < from->n; i++)
        for (int scales = 0; !err && scales < 2; scales++)
            err = try_number(&m, from, i, scales, now, ret);
    return err;
}
