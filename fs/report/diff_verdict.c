/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/review.h"

/* One word: "NOT_MEASURED". */
static int render(const struct subject *s, struct out *o)
{
    struct review r;
    int err = review_make(s, &r);
    if (err)
        return err;
    for (const char *p = verdict_name(r.verdict.word); *p; p++)
        out_char(o, *p == ' ' ? '_' : *p);
    out_char(o, '\n');
    review_fini(&r);
    return 0;
}

const struct report report_diff_verdict = {
    .name = "verdict",
    .version = 1,
    .inputs = INPUT_SET | INPUT_IMPORTS | INPUT_GATES,
    .slow = 1,
    .doc = "one word: PASS, FAIL, UNDECIDED, NOT_MEASURED or NOT_COMPARABLE",
    .render = render,
};
