/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/section.h"
#include <string.h>
#include <sys/stat.h>

#define COLUMNS 80

static const char *word_of(enum verdict_word w)
{
    static const char *const words[] = {
        [VERDICT_PASS] = "PASS",
        [VERDICT_NOT_MEASURED] = "NOT MEASURED",
        [VERDICT_UNDECIDED] = "UNDECIDED",
        [VERDICT_FAIL] = "FAIL",
        [VERDICT_NOT_COMPARABLE] = "NOT COMPARABLE",
    };
    return words[w];
}

static void put_line(struct out *o, const char *head, const char *text)
{
    if (!*text)
        return;
    out_str(o, head);
    out_text(o, text, strlen(text), COLUMNS - strlen(head));
    out_char(o, '\n');
}

static void put_verdict(const struct subject *s, struct verdict *v, struct out *o)
{
    static const char *const names[] = {"pass", "fail", "undecided"};
    const unsigned counts[] = {v->pass, v->fail, v->undecided};
    const char *before = "     gates: ";
    out_printf(o, "verdict: %s   v%u -> v%u", word_of(v->word), s->a->number, s->b->number);
    for (int i = 0; i < 3; i++)
        if (counts[i]) {
            out_printf(o, "%s%u %s", before, counts[i], names[i]);
            before = ", ";
        }
    out_char(o, '\n');
    put_line(o, "because  ", v->because);
    out_write(o, v->alerts.p, v->alerts.n);
    put_line(o, "to do    ", v->todo);
}

/* What names the model: its largest file of a known format, else the largest file. */
static const struct manifest_file *model_of(const struct manifest *m)
{
    const struct manifest_file *best = NULL;
    for (size_t i = 0; i < m->nfiles; i++) {
        const struct manifest_file *f = &m->files[i];
        int known = f->format != FORMAT_OPAQUE, best_known = best && best->format != FORMAT_OPAQUE;
        if (!S_ISDIR(f->mode) &&
            (!best || known > best_known || (known == best_known && f->size > best->size)))
            best = f;
    }
    return best;
}

static void put_same(const struct subject *s, const struct diff *d, struct out *o)
{
    const struct manifest_file *f = model_of(d->mb);
    char hex[HASH_HEX] = "";
    if (f)
        hash_hex(&f->sha256, hex);
    out_printf(o, "verdict: PASS   v%u -> v%u\n", s->a->number, s->b->number);
    out_printf(o, "because  identical model (sha256:%.12s), nothing to compare\n", hex);
}

static int put_review(const struct subject *s, const struct diff *d, struct out *o)
{
    struct verdict v = {0};
    struct out body = {0};
    int r = section_evaluation(s, &body, &v);
    if (r >= 0) {
        if (body.n)
            out_char(&body, '\n');
        r = section_model(s, d, &body, &v);
    }
    if (r >= 0)
        r = section_lineage(s, d, &body, &v);
    if (r >= 0 && (r = out_error(&body)) >= 0 && (r = out_error(&v.alerts)) >= 0) {
        put_verdict(s, &v, o);
        out_char(o, '\n');
        out_write(o, body.p, body.n);
    }
    out_fini(&body);
    out_fini(&v.alerts);
    return r < 0 ? r : 0;
}

static int render(const struct subject *s, struct out *o)
{
    struct diff d;
    int r = diff_versions(s->store, s->a, s->b, 1, s->arena, s->stop, s->stop_ctx, &d);
    if (r < 0)
        return r;
    if (d.same)
        put_same(s, &d, o);
    else
        r = put_review(s, &d, o);
    diff_fini(&d);
    return r;
}

const struct report report_diff_summary = {
    .name = "summary.txt",
    .version = 2,
    .inputs = INPUT_SET | INPUT_IMPORTS,
    .slow = 1,
    .doc = "the one-screen review: verdict, behaviour, weights, lineage",
    .render = render,
};
