/* SPDX-License-Identifier: Apache-2.0 */
/* One example over all versions: which one broke it, which one fixed it. */
#include "fs/report/answer.h"
#include "fs/report/results_of.h"
#include "store/base/fail.h"
#include <errno.h>

static const char *const columns[] = {
    "version", "label", "prediction", "label_probability", "loss", "right", "cost", "mark", "engine", "note"};

struct blame {
    const struct subject *s;
    struct out *o;
    const struct eval_set *set;
    size_t row;
    int before; /* was it right in the last version that answered; -1: none did, or it is a number */
};

static const char *mark(const struct blame *b, const struct eval_cell *c)
{
    if (!c->state || c->right < 0 || b->before < 0 || b->before == c->right)
        return "";
    return c->right ? "fixed" : "broke";
}

static void line(struct blame *b, const struct version *v, const struct eval_result *r)
{
    const struct eval_cell *c = &r->cells[b->row];
    struct out text = {0};
    out_printf(&text, "v%u", v->number);
    out_csv(b->o, out_cstr(&text));
    out_reset(&text);
    row_label_text(b->set->rows[b->row]->label, &text);
    out_csv(b->o, out_cstr(&text));
    answer_csv(b->o, r, c);
    out_csv_num(b->o, c->p_label);
    out_csv_num(b->o, c->loss);
    answer_right_csv(b->o, c);
    out_csv_num(b->o, c->cost);
    out_csv(b->o, mark(b, c));
    out_csv(b->o, c->state ? r->fingerprint : "");
    out_csv(b->o, r->problem ? r->problem : c->state == 2 ? c->error : "");
    out_csv_end(b->o);
    out_fini(&text);
    if (c->state && c->right >= 0)
        b->before = c->right;
}

static int version(void *ctx, const struct version *v)
{
    struct blame *b = ctx;
    struct eval_result *r;
    int err = results_of(b->s, v, b->set, &r);
    if (err)
        return err;
    line(b, v, r);
    eval_result_free(r);
    return 0;
}

static int render(const struct subject *s, struct out *o)
{
    struct blame b = {.s = s, .o = o, .before = -1};
    int err = eval_view(s->eval, &b.set);
    if (err)
        return err;
    if ((err = eval_view_find(b.set, s->name, &b.row)) < 0)
        err = fail(err, "no example \"%s\"", s->name);
    if (!err) {
        for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
            out_csv(o, columns[i]);
        out_csv_end(o);
        err = version_each(s->store, version, &b);
    }
    eval_view_unref(b.set);
    return err;
}

const struct report report_eval_example = {
    .name = "example.csv",
    .version = 1,
    .inputs = INPUT_HISTORY | INPUT_SET | INPUT_IMPORTS,
    .slow = 1,
    .doc = "one example over all versions: which one broke it, which one fixed it",
    .render = render,
};
