/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/releases.h"
#include "fs/report/figure.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>
#include <string.h>

static int no_memory(void)
{
    return fail(-ENOMEM, "out of memory");
}

const char *releases_agreed_name(enum releases_agreed a)
{
    static const char *const names[] = {"", "yes", "no", "open"};
    return names[a];
}

/* ---- when ---- */

struct moves {
    const struct subject *s;
    struct releases *r;
    size_t cap;
    int err;
};

static int count(void *ctx, const struct tag_move *m)
{
    (void)m;
    (*(size_t *)ctx)++;
    return 0;
}

static int is_release_tag(const struct spec *s, const char *name)
{
    size_t i = 0;
    while (i < s->nrelease_tags && strcmp(s->release_tags[i], name) != 0)
        i++;
    return i < s->nrelease_tags;
}

/* The newest release of the tag so far. */
static struct releases_one *last_of(struct releases *r, const char *tag)
{
    for (size_t i = r->n; i-- > 0;)
        if (!strcmp(r->list[i].tag, tag))
            return &r->list[i];
    return NULL;
}

static int move(void *ctx, const struct tag_move *m)
{
    struct moves *x = ctx;
    if (!is_release_tag(x->r->set->spec, m->name) || hash_equal(&m->from, &m->to))
        return 0;
    struct releases_one *last = last_of(x->r, m->name), *one;
    if (last && !last->until)
        last->until = m->time_ns;
    if (hash_is_zero(&m->to) || x->r->n == x->cap)
        return 0;
    one = &x->r->list[x->r->n];
    *one = (struct releases_one){.tag = arena_strdup(x->s->arena, m->name),
                                 .by = arena_strdup(x->s->arena, m->who ? m->who : ""),
                                 .from = m->time_ns};
    if (!one->tag || !one->by)
        return no_memory();
    if (version_get(x->s->store, &m->to, &one->v) < 0)
        one->v = NULL; /* removed since */
    one->before = last && last->v ? version_ref(last->v) : NULL;
    x->r->n++;
    return 0;
}

/* ---- what was predicted ---- */

static const struct eval_change *on_core(const struct eval_compare *c, const char *metric)
{
    for (size_t i = 0; i < c->nchanges; i++)
        if (!strcmp(c->changes[i].cohort, "core") && !c->changes[i].slice[0] &&
            (!metric || !strcmp(c->changes[i].metric, metric)))
            return &c->changes[i];
    return NULL;
}

static int take(const struct subject *s, const struct eval_set *set, const struct eval_change *c,
                struct releases_change *ret)
{
    *ret = (struct releases_change){.metric = c->metric,
                                    .unit = arena_strdup(s->arena, c->unit), /* the set's own */
                                    .direction = c->direction,
                                    .value = c->delta,
                                    .lo = c->lo,
                                    .hi = c->hi,
                                    .month = NAN,
                                    .word = c->word,
                                    .why = ""};
    if (!strcmp(c->metric, "cost_per_k"))
        ret->month = c->delta * set->spec->volume_per_month / 1000;
    return ret->unit ? 0 : no_memory();
}

static struct releases_change unknown(const char *why)
{
    return (struct releases_change){.metric = "",
                                    .unit = "",
                                    .value = NAN,
                                    .lo = NAN,
                                    .hi = NAN,
                                    .month = NAN,
                                    .word = WORD_UNDECIDED,
                                    .why = why};
}

/* Of the metric by name when the set has it, else of cost, else of the headline. */
static int predict(const struct subject *s, const struct version *a, const struct version *b,
                   const char *metric, struct releases_change *ret)
{
    struct subject pair = *s;
    struct results_of_pair p;
    pair.a = a;
    pair.b = b;
    int err = results_of_pair(&pair, &p);
    if (err)
        return err;
    const struct eval_change *c = metric ? on_core(&p.compare, metric) : NULL;
    if (!c)
        c = on_core(&p.compare, "cost_per_k");
    if (!c || isnan(c->delta))
        c = on_core(&p.compare, NULL);
    if (c && !isnan(c->delta))
        err = take(s, p.set, c, ret);
    else
        *ret = unknown(!p.compare.comparable ? p.compare.why : "no row is answered by both");
    results_of_pair_fini(&p);
    return err;
}

/* ---- what was measured ---- */

static int sign_of(double value, double lo, double hi)
{
    if (isnan(value) || isnan(lo) || isnan(hi))
        return 0;
    return lo > 0 ? 1 : hi < 0 ? -1 : 0;
}

static enum releases_agreed agree(const struct releases_change *p, const struct eval_outcome *x)
{
    struct metric m;
    int known = metric_known(x->metric) && !metric_find(x->metric, NULL, 0, &m) ? m.direction : 1;
    int offline = p->direction * sign_of(p->value, p->lo, p->hi),
        online = known * sign_of(x->value, x->lo, x->hi);
    if (!offline || !online)
        return RELEASES_OPEN;
    return offline == online ? RELEASES_YES : RELEASES_NO;
}

/* An outcome belongs to the release that its window begins in; without a window, to the version's first. */
static int is_of(const struct releases *r, size_t i, const struct eval_outcome *x)
{
    const struct releases_one *one = &r->list[i];
    struct out from = {0}, until = {0};
    if (!one->v || one->v->number != x->version)
        return 0;
    if (!*x->from) {
        for (size_t k = 0; k < i; k++)
            if (r->list[k].v && r->list[k].v->number == x->version)
                return 0;
        return 1;
    }
    figure_time(&from, one->from);
    figure_time(&until, one->until);
    int is = strncmp(x->from, out_cstr(&from), 10) >= 0 &&
             (!one->until || strncmp(x->from, out_cstr(&until), 10) <= 0);
    out_fini(&from);
    out_fini(&until);
    return is;
}

static int add_outcome(const struct subject *s, struct releases_one *one, const struct eval_outcome *x)
{
    struct releases_outcome *o = &one->outcomes[one->noutcomes++];
    const struct version *base = NULL;
    int err = 0;
    *o = (struct releases_outcome){.outcome = x, .predicted = unknown("nothing to compare with")};
    if (x->vs && version_by_number(s->store, x->vs, &base) < 0)
        base = NULL;
    if (!x->vs && one->before)
        base = version_ref(one->before);
    if (base)
        err = predict(s, base, one->v, x->metric, &o->predicted);
    version_unref(base);
    o->agreed = agree(&o->predicted, x);
    return err;
}

static int fill(const struct subject *s, struct releases *r, size_t i, const struct eval_outcome *all,
                size_t n)
{
    struct releases_one *one = &r->list[i];
    one->predicted = unknown(!one->v ? "the version was removed" : "the first of its tag");
    if (!(one->outcomes = arena_array(s->arena, n + 1, sizeof *one->outcomes)))
        return no_memory();
    int err = one->v && one->before ? predict(s, one->before, one->v, NULL, &one->predicted) : 0;
    for (size_t k = 0; !err && k < n; k++)
        if (is_of(r, i, &all[k]))
            err = add_outcome(s, one, &all[k]);
    return err;
}

int releases_find(const struct subject *s, struct releases *ret)
{
    struct releases r = {0};
    struct moves x = {.s = s, .r = &r};
    struct eval_outcome *outcomes = NULL;
    size_t n = 0;
    int err = eval_view(s->eval, &r.set);
    if (!err)
        err = eval_outcomes(s->eval, s->arena, &outcomes, &n);
    if (!err)
        err = tag_moves_each(s->store, count, &x.cap);
    if (!err && !(r.list = arena_array(s->arena, x.cap + 1, sizeof *r.list)))
        err = no_memory();
    if (!err)
        err = tag_moves_each(s->store, move, &x);
    for (size_t i = 0; !err && i < r.n; i++)
        err = fill(s, &r, i, outcomes, n);
    if (err)
        releases_fini(&r);
    else
        *ret = r;
    return err;
}

void releases_fini(struct releases *r)
{
    for (size_t i = 0; i < r->n; i++) {
        version_unref(r->list[i].v);
        version_unref(r->list[i].before);
    }
    eval_view_unref(r->set);
}
