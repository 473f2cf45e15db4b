/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/eval.h"
#include "fs/report/report.h"

static int render(const struct subject *s, struct out *o)
{
    return eval_outcomes_text(s->eval, o);
}

const struct report report_eval_outcomes = {
    .name = "outcomes.csv",
    .version = 1,
    .inputs = INPUT_HISTORY,
    .doc = "what releases did outside; append lines",
    .render = render,
};
