/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/results_of.h"

static int render(const struct subject *s, struct out *o)
{
    const struct eval_set *v;
    int err = results_set(s, &v);
    if (err)
        return err;
    for (size_t i = 0; i < v->nrows; i++) {
        eval_view_text(v, i, o);
        out_char(o, '\n');
    }
    out_str(o, eval_view_erased(v));
    eval_view_unref(v);
    return 0;
}

const struct report report_eval_examples = {
    .name = "examples.jsonl",
    .version = 1,
    .inputs = INPUT_SET,
    .doc = "the evaluation set, one JSON row a line; append with >>",
    .render = render,
};
