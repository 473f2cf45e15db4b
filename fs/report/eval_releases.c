/* SPDX-License-Identifier: Apache-2.0 */
/* eval/releases.csv: one line for each release and outcome, what was predicted beside what was measured. */
#include "fs/report/figure.h"
#include "fs/report/releases.h"
#include <math.h>
#include <string.h>

static const char *const columns[] = {"version",
                                      "tag",
                                      "from",
                                      "until",
                                      "by",
                                      "vs_version",
                                      "eval_rev",
                                      "predicted_metric",
                                      "predicted_unit",
                                      "predicted",
                                      "predicted_lo",
                                      "predicted_hi",
                                      "predicted_word",
                                      "predicted_per_month",
                                      "outcome_metric",
                                      "outcome_unit",
                                      "outcome",
                                      "outcome_lo",
                                      "outcome_hi",
                                      "outcome_kind",
                                      "experiment",
                                      "agreed_in_sign",
                                      "note"};

static void when(struct out *o, int64_t ns)
{
    struct out text = {0};
    if (ns)
        figure_time(&text, ns);
    out_csv(o, out_cstr(&text));
    out_fini(&text);
}

static void version(struct out *o, uint32_t number)
{
    char name[16] = "";
    if (number)
        snprintf(name, sizeof name, "v%u", number);
    out_csv(o, name);
}

static void predicted(struct out *o, const struct releases_change *p)
{
    out_csv(o, p->metric);
    out_csv(o, p->unit);
    out_csv_num(o, p->value);
    out_csv_num(o, p->lo);
    out_csv_num(o, p->hi);
    out_csv(o, isnan(p->value) ? "" : word_name(p->word));
    out_csv_num(o, p->month);
}

static void line(struct out *o, const struct releases *r, const struct releases_one *one,
                 const struct releases_outcome *x)
{
    const struct releases_change *p = x ? &x->predicted : &one->predicted;
    uint32_t before = one->before ? one->before->number : 0;
    version(o, one->v ? one->v->number : 0);
    out_csv(o, one->tag);
    when(o, one->from);
    when(o, one->until);
    out_csv(o, one->by);
    version(o, x && x->outcome->vs ? x->outcome->vs : before);
    out_csv(o, r->set->revision);
    predicted(o, p);
    if (x) {
        out_csv(o, x->outcome->metric);
        out_csv(o, x->outcome->unit);
        out_csv_num(o, x->outcome->value);
        out_csv_num(o, x->outcome->lo);
        out_csv_num(o, x->outcome->hi);
        out_csv(o, x->outcome->is_experiment ? "experiment" : "before_after");
        out_csv(o, x->outcome->experiment);
        out_csv(o, releases_agreed_name(x->agreed));
    } else {
        for (int i = 0; i < 8; i++)
            out_csv_empty(o);
    }
    out_csv(o, p->why);
    out_csv_end(o);
}

static int render(const struct subject *s, struct out *o)
{
    struct releases r;
    int err = releases_find(s, &r);
    if (err)
        return err;
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        out_csv(o, columns[i]);
    out_csv_end(o);
    for (size_t i = 0; i < r.n; i++) {
        for (size_t k = 0; k < r.list[i].noutcomes; k++)
            line(o, &r, &r.list[i], &r.list[i].outcomes[k]);
        if (!r.list[i].noutcomes)
            line(o, &r, &r.list[i], NULL);
    }
    releases_fini(&r);
    return 0;
}

const struct report report_eval_releases = {
    .name = "releases.csv",
    .version = 1,
    .inputs = INPUT_HISTORY | INPUT_SET | INPUT_IMPORTS,
    .slow = 1,
    .doc = "which version was released when, what was predicted of it, what was measured",
    .render = render,
};
