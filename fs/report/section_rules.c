/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/policy.h"
#include "fs/report/figure.h"
#include "fs/report/section.h"
#include <string.h>

static const struct rules_rule *named(const struct rules *r, const char *name)
{
    for (size_t i = 0; i < r->nrules; i++)
        if (strcmp(r->rules[i].name, name) == 0)
            return &r->rules[i];
    return NULL;
}

static int same(const struct rules_rule *a, const struct rules_rule *b)
{
    return !strcmp(a->metric, b->metric) && !strcmp(a->where, b->where) && !strcmp(a->text, b->text) &&
           a->advisory == b->advisory && a->strict == b->strict;
}

static void changed(struct figure_list *l, const struct rules_rule *a, const struct rules_rule *b)
{
    struct out item = {0};
    if (!a) {
        /* cppcheck-suppress nullPointer ; one of the two is there */
        out_printf(&item, "+%s", b->name);
    } else if (!b) {
        out_printf(&item, "-%s", a->name);
    } else if (strcmp(a->text, b->text) != 0) {
        out_printf(&item, "%s %s -> %s", b->name, a->text, b->text);
    } else {
        out_printf(&item, "%s ", b->name);
        if (a->advisory != b->advisory)
            out_str(&item, b->advisory ? "only warns" : "fails");
        else if (a->strict != b->strict)
            out_printf(&item, "undecided=%s", b->strict ? "fail" : "warn");
        else
            out_str(&item, "of something else");
    }
    figure_item(l, 0, &item);
}

int section_rules(const struct subject *s, const struct rules *now, struct out *o)
{
    struct rules then = {.alpha = 0};
    int written, err = policy_before(s->store, s->a, &then, &written);
    if (err < 0)
        return err;
    size_t from = o->n;
    struct figure_list l = figure_list(o, "gates changed in this PR: ", "eval/gates");
    for (size_t i = 0; i < now->nrules; i++) {
        const struct rules_rule *old = named(&then, now->rules[i].name);
        if (!old || !same(old, &now->rules[i]))
            changed(&l, old, &now->rules[i]);
    }
    for (size_t i = 0; i < then.nrules; i++)
        if (!named(now, then.rules[i].name))
            changed(&l, &then.rules[i], NULL);
    if (then.alpha < now->alpha || then.alpha > now->alpha) {
        struct out item = {0};
        out_printf(&item, "alpha %g -> %g", then.alpha, now->alpha);
        figure_item(&l, 0, &item);
    }
    size_t n = l.n;
    figure_list_end(&l);
    if (!n)
        o->n = from;
    rules_fini(&then);
    return out_error(o);
}
