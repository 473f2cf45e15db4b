/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/results_of.h"
#include <math.h>
#include <string.h>

static const char *const columns[] = {
    "version",   "model_digest", "eval_rev", "cohort", "slice",    "metric",     "unit",
    "direction", "value",        "ci_lo",    "ci_hi",  "ci_level", "ci_method",  "n",
    "n_scored",  "n_error",      "hits",     "status", "cost_rev", "runtime_fp", "note"};

struct table {
    const struct subject *s;
    struct out *o;
    const struct eval_set *set;
};

static void head(const struct table *t, const struct eval_result *r)
{
    char name[16], hex[HASH_HEX];
    snprintf(name, sizeof name, "v%u", r->version->number);
    hash_hex(&r->model, hex);
    out_csv(t->o, name);
    out_csv_n(t->o, hex, 16);
    out_csv(t->o, t->set->revision);
}

/* Which cost table a cost is by: the set's revision says nothing of that. */
static void cost_rev(const struct table *t, const struct eval_score *x)
{
    char hex[HASH_HEX] = "";
    if (strncmp(x->metric, "cost_per_", 9) == 0)
        hash_hex(&t->set->money, hex);
    out_csv_n(t->o, hex, strlen(hex) < 8 ? strlen(hex) : 8);
}

static void score(const struct table *t, const struct eval_result *r, const struct eval_score *x)
{
    int proportion = x->lo == x->lo && x->ci_method[0] == 'w';
    head(t, r);
    out_csv(t->o, x->cohort);
    out_csv(t->o, x->slice);
    out_csv(t->o, x->metric);
    out_csv(t->o, x->unit);
    out_csv(t->o, x->direction > 0 ? "higher" : x->direction < 0 ? "lower" : "");
    out_csv_num(t->o, x->value);
    out_csv_num(t->o, x->lo);
    out_csv_num(t->o, x->hi);
    out_csv_num(t->o, isnan(x->lo) ? NAN : 0.95);
    out_csv(t->o, x->ci_method);
    out_csv_u64(t->o, x->n);
    out_csv_u64(t->o, x->scored);
    out_csv_u64(t->o, x->errors);
    if (proportion)
        out_csv_u64(t->o, x->hits);
    else
        out_csv_empty(t->o);
    out_csv(t->o, x->partial ? "partial" : isnan(x->value) ? "inapplicable" : "ok");
    cost_rev(t, x);
    out_csv(t->o, r->fingerprint);
    out_csv(t->o, x->partial ? "rows without a prediction" : x->note);
    out_csv_end(t->o);
}

/* One line for a version without scores: why. */
static void unscored(const struct table *t, const struct eval_result *r, const char *status, const char *why)
{
    head(t, r);
    for (int i = 3; i < 17; i++)
        out_csv_empty(t->o);
    out_csv(t->o, status);
    out_csv_empty(t->o);
    out_csv(t->o, r->fingerprint);
    out_csv(t->o, why);
    out_csv_end(t->o);
}

static int version(void *ctx, const struct version *v)
{
    const struct table *t = ctx;
    struct eval_result *r;
    struct eval_score *scores;
    struct arena a = {0};
    size_t n;
    int err = results_of(t->s, v, t->set, &r);
    if (err)
        return err;
    if (r->problem) {
        unscored(t, r, "error", r->problem);
    } else if (!(err = eval_scores(r, &a, &scores, &n))) {
        for (size_t i = 0; i < n; i++)
            score(t, r, &scores[i]);
        if (!n && t->set->nrows)
            unscored(t, r, "error", r->errors ? "no row is answered" : "no rows to score");
    }
    eval_result_free(r);
    arena_fini(&a);
    return err;
}

static int render(const struct subject *s, struct out *o)
{
    struct table t = {.s = s, .o = o};
    int err = results_set(s, &t.set);
    if (err)
        return err;
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        out_csv(o, columns[i]);
    out_csv_end(o);
    err = version_each(s->store, version, &t);
    eval_view_unref(t.set);
    return err;
}

const struct report report_eval_results = {
    .name = "results.csv",
    .version = 2,
    .inputs = INPUT_HISTORY | INPUT_SET | INPUT_IMPORTS,
    .slow = 1,
    .doc = "one row per version, metric, slice and cohort, all at one set revision",
    .render = render,
};
