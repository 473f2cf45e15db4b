/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/eval.h"
#include "fs/report/report.h"

static int render(const struct subject *s, struct out *o)
{
    const struct eval_set *v;
    int err = eval_view(s->eval, &v);
    if (err)
        return err;
    for (size_t i = 0; eval_view_unlabelled(v, i, o) == 0; i++)
        out_char(o, '\n');
    eval_view_unref(v);
    return 0;
}

const struct report report_eval_unlabelled = {
    .name = "unlabelled.jsonl",
    .version = 1,
    .inputs = INPUT_SET,
    .doc = "rows that wait for a label: append the same input with one",
    .render = render,
};
