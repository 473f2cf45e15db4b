/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/review.h"

static const char *const columns[] = {"gate",  "metric", "where",  "measured",  "ci_lo",        "ci_hi",
                                      "limit", "level",  "status", "waived_by", "waived_until", "note"};

static void line(struct out *o, const struct gate *x)
{
    const struct rules_waiver *w = x->waiver;
    out_csv(o, x->rule->name);
    out_csv(o, x->rule->metric);
    out_csv(o, x->where);
    out_csv_num(o, x->measured);
    out_csv_num(o, x->lo);
    out_csv_num(o, x->hi);
    out_csv(o, x->rule->text);
    out_csv(o, x->rule->advisory ? "warn" : "fail");
    out_csv(o, gates_status_name(x->status));
    out_csv(o, w ? w->by : "");
    out_csv(o, w ? w->until : "");
    out_csv(o, *x->note ? x->note : x->status == GATES_WAIVED ? w->reason : x->because);
    out_csv_end(o);
}

static int render(const struct subject *s, struct out *o)
{
    struct review r;
    int err = review_make(s, &r);
    if (err)
        return err;
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        out_csv(o, columns[i]);
    out_csv_end(o);
    for (size_t i = 0; i < r.gates.n; i++)
        line(o, &r.gates.list[i]);
    review_fini(&r);
    return 0;
}

const struct report report_diff_gate = {
    .name = "gate.csv",
    .version = 1,
    .inputs = INPUT_SET | INPUT_IMPORTS | INPUT_GATES,
    .slow = 1,
    .doc = "the gates: each rule of eval/gates, what was measured, its limit and whether it holds",
    .render = render,
};
