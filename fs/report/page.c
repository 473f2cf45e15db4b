/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/page.h"
#include "fs/report/measure.h"
#include <string.h>

const struct eval_change *page_headline(const struct page *g)
{
    const struct eval_compare *c = g->c;
    int have =
        c->nchanges && !c->changes[c->headline].slice[0] && !strcmp(c->changes[c->headline].cohort, "core");
    return have ? &c->changes[c->headline] : NULL;
}

/* The change of a cohort as a whole; NULL. */
const struct eval_change *page_cohort(const struct page *g, const char *name)
{
    for (size_t i = 0; i < g->c->nchanges; i++)
        if (!strcmp(g->c->changes[i].cohort, name) && !g->c->changes[i].slice[0])
            return &g->c->changes[i];
    return NULL;
}

int page_is_slice(const struct page *g, const struct eval_change *c)
{
    const struct eval_change *h = page_headline(g);
    return h && c->slice[0] && !strcmp(c->cohort, "core") && !strcmp(c->metric, h->metric);
}

const char *page_cstr(const struct page *g, struct out *o) /* moves the text to the arena */
{
    const char *ret = arena_strdup(g->s->arena, out_cstr(o));
    out_fini(o);
    return ret ? ret : "";
}

const char *page_safe(const struct page *g, const char *text, size_t max)
{
    struct out o = {0};
    out_text(&o, text, strlen(text), max);
    return page_cstr(g, &o);
}

const char *page_value(const struct page *g, const struct eval_change *c, double x)
{
    struct out o = {0};
    measure_value(&o, c->unit, x, c->pairs);
    return page_cstr(g, &o);
}

void page_wrap(struct out *o, size_t indent, const char *text)
{
    size_t at = indent;
    out_printf(o, "%*s", (int)indent, "");
    while (*text) {
        size_t n = strcspn(text, " ");
        if (at > indent && at + 1 + n > 80) {
            out_printf(o, "\n%*s", (int)indent, "");
            at = indent;
        } else if (at > indent) {
            out_char(o, ' ');
            at++;
        }
        out_write(o, text, n);
        at += n;
        text += n + strspn(text + n, " ");
    }
    out_char(o, '\n');
}
