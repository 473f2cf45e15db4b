/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/review.h"
#include <string.h>

#define COLUMNS 80

static void put_line(struct out *o, const char *head, const char *text)
{
    if (!*text)
        return;
    out_str(o, head);
    out_text(o, text, strlen(text), COLUMNS - strlen(head));
    out_char(o, '\n');
}

/* What `modelfs gate` exits with stands there where the word alone does not say it. */
static void put_verdict(const struct review *r, struct out *o)
{
    const struct verdict *v = &r->verdict;
    static const char *const names[] = {"pass", "fail", "undecided", "warning", "waived"};
    const unsigned counts[] = {v->pass, v->fail, v->undecided, v->warn, v->waived};
    const char *before = "     gates: ";
    out_printf(o, "verdict: %s   v%u -> v%u", verdict_name(v->word), r->s->a->number, r->s->b->number);
    for (int i = 0; i < 5; i++)
        if (counts[i]) {
            out_printf(o, "%s%u %s", before, counts[i], names[i]);
            before = ", ";
        }
    if (v->word != VERDICT_PASS && v->word != VERDICT_FAIL)
        out_printf(o, "   exit %d", verdict_exit(v->word));
    out_char(o, '\n');
    put_line(o, "because  ", v->because);
}

static void put_same(const struct review *r, struct out *o)
{
    const struct manifest_file *f = review_model(r->diff.mb);
    char hex[HASH_HEX] = "";
    if (f)
        hash_hex(&f->sha256, hex);
    out_printf(o, "verdict: PASS   v%u -> v%u   exit 0\n", r->s->a->number, r->s->b->number);
    out_printf(o, "because  identical model (sha256:%.12s), nothing to compare\n", hex);
}

static int put_review(const struct review *r, struct out *o)
{
    put_verdict(r, o);
    section_alerts(&r->diff, o);
    int err = section_rules(r->s, &r->pair.rules, o);
    put_line(o, "to do    ", r->verdict.todo);
    out_char(o, '\n');
    section_evaluation(r, o);
    out_char(o, '\n');
    if (err >= 0)
        err = section_model(&r->diff, o);
    return err < 0 ? err : section_lineage(r->s, &r->diff, o);
}

static int render(const struct subject *s, struct out *o)
{
    struct review r;
    int err = review_make(s, &r);
    if (err)
        return err;
    if (r.same)
        put_same(&r, o);
    else if (!(err = review_control(&r)))
        err = put_review(&r, o);
    review_fini(&r);
    return err < 0 ? err : 0;
}

const struct report report_diff_summary = {
    .name = "summary.txt",
    .version = 5,
    .inputs = INPUT_SET | INPUT_IMPORTS | INPUT_GATES,
    .slow = 1,
    .doc = "the one-screen review: verdict, behaviour, weights, lineage",
    .render = render,
};
