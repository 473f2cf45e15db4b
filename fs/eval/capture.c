/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/guess.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdio.h>

/* Where the row comes from, as the version's answer has it. */
static int source(const struct version *v, const struct eval_captured *c, struct row *row)
{
    json_t *s = json_pack("{s:s s:o}", "kind", c->right == 1 ? "curated" : "failure", "version",
                          json_sprintf("v%u", v->number));
    if (s && *c->pred)
        json_object_set_new(s, "pred", json_string(c->pred));
    return json_object_set_new(row->json, "source", s) ? fail(-ENOMEM, "out of memory") : 0;
}

/* The id of the row in the set that has this input. */
static void find_id(struct set *s, const struct row *row, char *ret, size_t n)
{
    pthread_mutex_lock(&s->lock);
    const struct set_row *x = set_find_input(s, row);
    snprintf(ret, n, "%s", x ? x->row.id : row->id);
    pthread_mutex_unlock(&s->lock);
}

static int offer(struct eval *e, const struct eval_writer *w, const struct version *v, struct row *row,
                 struct eval_captured *c)
{
    struct out line = {0};
    int err = source(v, c, row);
    if (err)
        return err;
    canon_format(row->json, &line);
    err = out_error(&line);
    if (!err)
        err = eval_append(e, w, line.p, line.n, &c->added);
    if (!err && c->added.rejected) /* "line 1: reason: why" */
        err = fail(-EINVAL, "%s", strstr(c->added.first_error, ": ") + 2);
    if (!err)
        find_id(e->set, row, c->id, sizeof c->id);
    out_fini(&line);
    return err;
}

int eval_capture(struct eval *e, const struct eval_writer *w, const struct version *v, const char *p,
                 size_t n, int (*progress)(void *ctx, uint64_t done, uint64_t all), void *ctx,
                 struct eval_captured *ret)
{
    struct settings *with = set_settings(e->set);
    struct row row = {0};
    enum row_reason why;
    struct guess g;
    int err = row_parse(p, n, &with->scorer, &row, &why);
    settings_unref(with);
    if (!err)
        err = guess_make(e, v, EVAL_COMPUTE, &row, progress, ctx, &g);
    if (!err) {
        struct eval_captured c = {.p = g.p, .right = g.right};
        memcpy(c.pred, g.pred, sizeof c.pred);
        memcpy(c.problem, g.problem, sizeof c.problem);
        err = offer(e, w, v, &row, &c);
        if (!err)
            *ret = c;
    }
    row_fini(&row);
    return err;
}
