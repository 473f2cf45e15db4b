/* SPDX-License-Identifier: Apache-2.0 */
/* What one version answers to each row. Its first columns are those that can be imported for another. */
#include "fs/report/answer.h"
#include "fs/report/results_of.h"

#define MOST_LABELS 100 /* with more there are no p_<label> columns */

static const char *const columns[] = {
    "cohort", "slices", "label", "label_probability", "loss", "right", "cost", "error", "engine", "digest"};

static int has_probabilities(const struct eval_result *r)
{
    if (r->nlabels > MOST_LABELS)
        return 0;
    for (size_t i = 0; i < r->set->nrows; i++)
        if (r->cells[i].p)
            return 1;
    return 0;
}

static void head(struct out *o, const struct eval_result *r, int probabilities)
{
    out_csv(o, "id");
    out_csv(o, "prediction");
    for (size_t k = 0; probabilities && k < r->nlabels; k++) {
        struct out name = {0};
        out_printf(&name, "p_%s", r->labels[k]);
        out_csv(o, out_cstr(&name));
        out_fini(&name);
    }
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        out_csv(o, columns[i]);
    out_csv_end(o);
}

static void line(struct out *o, const struct eval_result *r, size_t i, int probabilities)
{
    const struct row *row = r->set->rows[i];
    const struct eval_cell *c = &r->cells[i];
    struct out label = {0};
    char hex[HASH_HEX];
    out_csv(o, row->id);
    answer_csv(o, r, c);
    for (size_t k = 0; probabilities && k < r->nlabels; k++)
        if (c->p)
            out_csv_num(o, c->p[k]);
        else
            out_csv_empty(o);
    out_csv(o, row_cohort_name(row->cohort));
    answer_slices_csv(o, r->set, row);
    row_label_text(row->label, &label);
    out_csv(o, out_cstr(&label));
    out_csv_num(o, c->p_label);
    out_csv_num(o, c->loss);
    answer_right_csv(o, c);
    out_csv_num(o, c->cost);
    out_csv(o, c->state == 2 ? c->error : "");
    out_csv(o, c->state ? r->fingerprint : "");
    hash_hex(&row->digest, hex);
    out_csv_n(o, hex, 16);
    out_csv_end(o);
    out_fini(&label);
}

static int render(const struct subject *s, struct out *o)
{
    const struct eval_set *set;
    struct eval_result *r;
    int err = eval_view(s->eval, &set);
    if (err)
        return err;
    if ((err = results_of(s, s->a, set, &r)) == 0) {
        int probabilities = has_probabilities(r);
        head(o, r, probabilities);
        for (size_t i = 0; i < set->nrows; i++)
            line(o, r, i, probabilities);
        eval_result_free(r);
    }
    eval_view_unref(set);
    return err;
}

const struct report report_eval_predictions = {
    .name = "predictions.csv",
    .version = 1,
    .inputs = INPUT_SET | INPUT_IMPORTS,
    .slow = 1,
    .doc = "one row per example: prediction, probabilities, loss, right or wrong, cost",
    .render = render,
};
