/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/results_of.h"
#include <math.h>
#include <string.h>

static const char *const columns[] = {"slice",        "cohort",      "metric",      "unit",
                                      "direction",    "eval_rev",    "n_pairs",     "n_unpaired",
                                      "n_error",      "a",           "b",           "delta",
                                      "delta_good",   "rel_delta",   "ci_lo",       "ci_hi",
                                      "ci_level",     "ci_method",   "test",        "p",
                                      "p_adj",        "family_size", "broken",      "fixed",
                                      "broken_share", "kept_right",  "fixed_share", "smallest_detectable",
                                      "gate",         "margin",      "status",      "note"};

/* Counts only mean something of a metric that is right or wrong row by row. */
static void flips(struct out *o, const struct eval_change *c)
{
    double n = (double)c->pairs, right = c->a * n;
    if (isnan(c->smallest_detectable)) {
        for (int i = 0; i < 5; i++)
            out_csv_empty(o);
        return;
    }
    out_csv_u64(o, c->broken);
    out_csv_u64(o, c->fixed);
    out_csv_num(o, n > 0 ? (double)c->broken / n : NAN);
    out_csv_num(o, right > 0.5 ? 1 - (double)c->broken / right : NAN);
    out_csv_num(o, n - right > 0.5 ? (double)c->fixed / (n - right) : NAN);
}

static void line(struct out *o, const struct eval_change *c, const char *revision)
{
    out_csv(o, c->slice);
    out_csv(o, c->cohort);
    out_csv(o, c->metric);
    out_csv(o, c->unit);
    out_csv(o, c->direction > 0 ? "higher" : "lower");
    out_csv(o, revision);
    out_csv_u64(o, c->pairs);
    out_csv_u64(o, c->rows - c->pairs);
    out_csv_u64(o, c->errors_a + c->errors_b);
    out_csv_num(o, c->a);
    out_csv_num(o, c->b);
    out_csv_num(o, c->delta);
    out_csv_num(o, c->direction * c->delta);
    out_csv_num(o, c->a != 0 ? c->delta / fabs(c->a) : NAN);
    out_csv_num(o, c->lo);
    out_csv_num(o, c->hi);
    out_csv_num(o, isnan(c->lo) ? NAN : 0.95);
    out_csv(o, isnan(c->lo) ? "" : c->ci_method);
    out_csv(o, c->test);
    out_csv_num(o, c->p);
    out_csv_num(o, c->p_adj);
    if (c->family)
        out_csv_u64(o, c->family);
    else
        out_csv_empty(o);
    flips(o, c);
    out_csv_num(o, c->smallest_detectable);
    out_csv(o, c->gate);
    out_csv_num(o, c->margin);
    out_csv(o, word_name(c->word));
    out_csv(o, c->note);
    out_csv_end(o);
}

static int render(const struct subject *s, struct out *o)
{
    struct results_of_pair p;
    int err = results_of_pair(s, &p);
    if (err)
        return err;
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        out_csv(o, columns[i]);
    out_csv_end(o);
    for (size_t i = 0; i < p.compare.nchanges; i++)
        line(o, &p.compare.changes[i], p.set->revision);
    results_of_pair_fini(&p);
    return 0;
}

const struct report report_diff_eval = {
    .name = "eval.csv",
    .version = 3,
    .inputs = INPUT_SET | INPUT_IMPORTS | INPUT_GATES,
    .slow = 1,
    .doc = "both versions on the same rows: metric by slice and cohort, with interval and test",
    .render = render,
};
