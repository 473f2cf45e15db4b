/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eval/business.txt: which release earned what, on one screen, newest first. Predicted stands beside
 * measured; nothing is added up, and no number is foretold from another.
 */
#include "fs/report/figure.h"
#include "fs/report/measure.h"
#include "fs/report/money.h"
#include "fs/report/releases.h"
#include <math.h>
#include <string.h>

#define MOST    12 /* releases shown */
#define DECIDED 3  /* releases before anything is said of how well the set foretells */

static void safe(struct out *o, const char *text, size_t max)
{
    out_text(o, text, strlen(text), max);
}

static void change(struct out *o, const char *unit, double value, double lo, double hi)
{
    const struct eval_change c = {.unit = unit, .delta = value, .lo = lo, .hi = hi};
    struct out text = {0};
    measure_change(&text, &c, 2);
    const char *interval = strchr(out_cstr(&text), '[');
    size_t n = interval ? (size_t)(interval - text.p - 1) : text.n;
    out_write(o, text.p, n);
    if (*unit && !measure_is_share(unit)) {
        out_char(o, ' ');
        safe(o, unit, 16);
    }
    if (interval)
        out_printf(o, " %s", interval);
    out_fini(&text);
}

static void predicted(struct out *o, const struct releases_change *p)
{
    out_str(o, "  predicted  ");
    if (isnan(p->value)) {
        out_str(o, "nothing: ");
        safe(o, p->why, 56);
        out_char(o, '\n');
        return;
    }
    safe(o, !strcmp(p->metric, "cost_per_k") ? "cost/1000" : p->metric, 16);
    out_char(o, ' ');
    change(o, p->unit, p->value, p->lo, p->hi);
    out_printf(o, "  %s\n", word_name(p->word));
    if (!isnan(p->month)) {
        out_str(o, "             ");
        money_short(o, p->month, 1);
        out_char(o, ' ');
        safe(o, p->unit, 8);
        out_printf(o, " a month%s\n", p->word == WORD_UNDECIDED ? ", but it may be none" : "");
    }
}

static void measured(struct out *o, const struct releases_one *one, const struct releases_outcome *x)
{
    static const char *const said[] = {"", "agrees in sign", "DISAGREES in sign",
                                       "open: an interval reaches 0"};
    const struct eval_outcome *y = x->outcome;
    out_str(o, "  measured   ");
    safe(o, y->metric, 20);
    out_char(o, ' ');
    change(o, y->unit, y->value, y->lo, y->hi);
    out_str(o, "\n             ");
    if (y->is_experiment) {
        out_str(o, "experiment");
        if (*y->experiment)
            out_char(o, ' ');
        safe(o, y->experiment, 20);
    } else {
        out_str(o, "before and after: other things changed too");
    }
    if (y->vs && (!one->before || y->vs != one->before->number))
        out_printf(o, ", against v%u", y->vs);
    if (isnan(x->predicted.value))
        out_str(o, "; nothing was predicted");
    else if (x->agreed == RELEASES_OPEN && isnan(y->lo))
        out_str(o, "; no interval, so it settles nothing");
    else
        out_printf(o, "; %s", said[x->agreed]);
    out_char(o, '\n');
}

static void day(struct out *o, int64_t ns)
{
    struct out text = {0};
    figure_time(&text, ns);
    out_write(o, text.p ? text.p : "", text.n < 10 ? text.n : 10);
    out_fini(&text);
}

static void release(struct out *o, const struct releases_one *one)
{
    if (one->v)
        out_printf(o, "v%u", one->v->number);
    else
        out_str(o, "(removed)");
    out_str(o, "  ");
    safe(o, one->tag, 20);
    out_str(o, "  ");
    day(o, one->from);
    out_str(o, " to ");
    if (one->until)
        day(o, one->until);
    else
        out_str(o, "now");
    out_str(o, ", by ");
    safe(o, one->by, 20);
    if (one->before)
        out_printf(o, "; before it v%u", one->before->number);
    out_char(o, '\n');
    predicted(o, &one->predicted);
    for (size_t k = 0; k < one->noutcomes; k++)
        measured(o, one, &one->outcomes[k]);
    if (!one->noutcomes)
        out_str(o, "  measured   nothing yet: append to eval/outcomes.csv\n");
}

static void agreement(struct out *o, const struct releases *r)
{
    size_t yes = 0, no = 0, open = 0;
    for (size_t i = 0; i < r->n; i++) {
        int decided = 0, agreed = 1;
        for (size_t k = 0; k < r->list[i].noutcomes; k++) {
            enum releases_agreed a = r->list[i].outcomes[k].agreed;
            decided |= a == RELEASES_YES || a == RELEASES_NO;
            agreed &= a != RELEASES_NO;
        }
        yes += decided && agreed;
        no += decided && !agreed;
        open += r->list[i].noutcomes && !decided;
    }
    out_char(o, '\n');
    if (yes + no >= DECIDED)
        out_printf(o, "offline and online agreed in sign in %zu of %zu releases", yes, yes + no);
    else
        out_printf(o, "too few settled releases to say how well the set foretells: %zu of %d", yes + no,
                   DECIDED);
    if (open)
        out_printf(o, "; %zu open", open);
    out_char(o, '\n');
}

static void head(struct out *o, const struct releases *r)
{
    const struct spec *s = r->set->spec;
    out_printf(o, "What each release earned: predicted on set %s, measured outside\n", r->set->revision);
    if (!isnan(s->volume_per_month)) {
        out_str(o, "money a month: at ");
        money_short(o, s->volume_per_month, 0);
        out_str(o, " decisions a month (declared)");
        if (r->set->cost && !r->set->traffic)
            out_str(o, ",\n  on this eval set, not on traffic");
        out_char(o, '\n');
    }
    if (!s->nrelease_tags)
        out_str(o, "\nno release tags: name them in eval/spec.json, \"release_tags\": [\"prod\"]\n");
    else if (!r->n)
        out_str(o, "\nnothing was released yet: modelfs tag REPO TAG VERSION\n");
}

static int render(const struct subject *s, struct out *o)
{
    struct releases r;
    int err = releases_find(s, &r);
    if (err)
        return err;
    head(o, &r);
    for (size_t i = r.n, k = 0; i-- > 0 && k < MOST; k++) {
        out_char(o, '\n');
        release(o, &r.list[i]);
    }
    if (r.n > MOST)
        out_printf(o, "\n%zu earlier ones in releases.csv\n", r.n - MOST);
    if (r.n)
        agreement(o, &r);
    releases_fini(&r);
    return 0;
}

const struct report report_eval_business = {
    .name = "business.txt",
    .version = 1,
    .inputs = INPUT_HISTORY | INPUT_SET | INPUT_IMPORTS,
    .slow = 1,
    .doc = "which release earned what: predicted against measured, on one screen",
    .render = render,
};
