/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/guess.h"
#include "fs/eval/view.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* A view of the rows of `base` (NULL: none) and x after them. */
static int view_with(const struct eval_set *base, struct settings *with, struct set_row *x,
                     const struct eval_set **ret)
{
    static const struct set_revision none;
    size_t n = base ? base->nrows : 0;
    struct set_row **rows = calloc(n + 1, sizeof *rows);
    if (!rows)
        return fail(-ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct set_row *)base->rows[i];
    rows[n] = x;
    const struct view_parts parts = {.settings = with, .revision = &none, .rows = rows, .nrows = n + 1};
    int err = view_make(&parts, ret);
    free(rows);
    return err;
}

static void read_cell(const struct eval_result *r, size_t i, struct guess *g)
{
    const struct eval_cell *c = &r->cells[i];
    struct out o = {0};
    g->right = c->right;
    if (r->problem || c->state != 1) {
        const char *why = r->problem ? r->problem : c->state == 2 ? c->error : "no prediction is known";
        snprintf(g->problem, sizeof g->problem, "%s", why);
        return;
    }
    if (c->pred >= 0) {
        snprintf(g->pred, sizeof g->pred, "%s", r->labels[c->pred]);
        g->p = c->p ? c->p[c->pred] : NAN;
    } else if (!isnan(c->value)) {
        json_t *number = json_real(c->value);
        canon_format(number, &o);
        json_decref(number);
        snprintf(g->pred, sizeof g->pred, "%s", out_cstr(&o));
    } else {
        snprintf(g->problem, sizeof g->problem, "it predicts what is no label");
    }
    out_fini(&o);
}

int guess_make(struct eval *e, const struct version *v, enum eval_want want, const struct row *row,
               int (*progress)(void *ctx, uint64_t done, uint64_t all), void *ctx, struct guess *ret)
{
    struct guess g = {.p = NAN, .right = -1};
    const struct row_stamp stamp = {.row = UINT64_MAX >> 12};
    const struct eval_set *base = NULL, *one = NULL, *all = NULL;
    struct eval_result *r = NULL;
    struct set_row *x = NULL;
    struct out text = {0};
    int err = view_of(e->set, &base);
    row_format(row, &stamp, &text);
    if (!err && !(err = out_error(&text)))
        err = set_row_make(text.p, text.n, view_settings(base), ROW_ACTIVE, stamp.row, &x);
    if (!err && want == EVAL_COMPUTE && (err = view_with(NULL, view_settings(base), x, &one)) == 0)
        err = results_version(e->results, v, EVAL_COMPUTE, one, progress, ctx, &r);
    results_free(r);
    r = NULL;
    if (!err)
        err = view_with(base, view_settings(base), x, &all);
    if (!err)
        err = results_version(e->results, v, EVAL_KNOWN, all, NULL, NULL, &r);
    if (!err)
        read_cell(r, all->nrows - 1, &g);
    results_free(r);
    view_unref(all);
    view_unref(one);
    view_unref(base);
    set_row_unref(x);
    out_fini(&text);
    if (!err)
        *ret = g;
    return err;
}
