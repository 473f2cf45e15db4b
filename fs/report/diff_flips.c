/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/answer.h"
#include "fs/report/preview.h"
#include "fs/report/results_of.h"
#include <errno.h>
#include <math.h>
#include <string.h>

static const char *const columns[] = {
    "id",        "kind",      "cohort", "slices", "label",          "pred_a", "pred_b",
    "p_label_a", "p_label_b", "loss_a", "loss_b", "cost_a",         "cost_b", "dcost",
    "near_tie",  "weight",    "value",  "reason", "source_version", "digest", "preview"};

static void line(struct out *o, const struct results_of_pair *p, const struct eval_control *aa, uint32_t row,
                 const char *kind)
{
    const struct row *r = p->set->rows[row];
    const struct eval_cell *a = &p->a->cells[row], *b = &p->b->cells[row];
    const char *reason = json_string_value(json_object_get(r->json, "reason"));
    const char *version = json_string_value(json_object_get(json_object_get(r->json, "source"), "version"));
    struct out text = {0};
    char hex[HASH_HEX];
    out_csv(o, r->id);
    out_csv(o, kind);
    out_csv(o, row_cohort_name(r->cohort));
    answer_slices_csv(o, p->set, r);
    row_label_text(r->label, &text);
    out_csv(o, out_cstr(&text));
    answer_csv(o, p->a, a);
    answer_csv(o, p->b, b);
    out_csv_num(o, a->p_label);
    out_csv_num(o, b->p_label);
    out_csv_num(o, a->loss);
    out_csv_num(o, b->loss);
    out_csv_num(o, a->cost);
    out_csv_num(o, b->cost);
    out_csv_num(o, b->cost - a->cost);
    if (aa->rows && !isnan(b->margin))
        out_csv_u64(o, b->margin <= aa->most);
    else
        out_csv_empty(o);
    out_csv_num(o, r->weight);
    out_reset(&text);
    if (r->value)
        canon_format(r->value, &text);
    out_csv(o, out_cstr(&text));
    out_csv(o, reason ? reason : "");
    out_csv(o, version ? version : "");
    hash_hex(&r->digest, hex);
    out_csv_n(o, hex, 16);
    out_reset(&text);
    preview_row(r, &text, 80);
    out_csv(o, out_cstr(&text));
    out_csv_end(o);
    out_fini(&text);
}

static int render(const struct subject *s, struct out *o)
{
    struct results_of_pair p;
    int err = results_of_pair(s, &p);
    if (err)
        return err;
    const struct eval_compare *c = &p.compare;
    struct eval_control aa;
    if ((err = results_of_control(s, &p, &aa)) < 0 && err != -ENOENT) {
        results_of_pair_fini(&p);
        return err;
    }
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        out_csv(o, columns[i]);
    out_csv_end(o);
    const char *other = p.a->task == SPEC_REGRESSION ? "moved" : "wrong_to_other_wrong";
    for (size_t i = 0; i < c->nbroken + c->nfixed + c->nother; i++)
        line(o, &p, &aa, c->flips[i],
             i < c->nbroken               ? "broken"
             : i < c->nbroken + c->nfixed ? "fixed"
                                          : other);
    results_of_pair_fini(&p);
    return 0;
}

const struct report report_diff_flips = {
    .name = "flips.csv",
    .version = 3,
    .inputs = INPUT_SET | INPUT_IMPORTS,
    .slow = 1,
    .doc = "rows that one version gets right and the other wrong, worst (dearest) first",
    .render = render,
};
