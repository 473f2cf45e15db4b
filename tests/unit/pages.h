/* SPDX-License-Identifier: Apache-2.0 */
/* Texts against tests/golden/eval. GOLDEN=write rewrites them: look at the diff. */
#pragma once
#include "fs/report/review.h"
#include "tests/unit/evals.h"

static inline void pages_golden(const char *name, const struct out *o)
{
    char path[256];
    const char *how = getenv("GOLDEN");
    snprintf(path, sizeof path, "tests/golden/eval/%s", name);
    if (how && !strcmp(how, "write")) {
        unit_write_file(path, o->p, o->n);
        return;
    }
    size_t n;
    char *want = unit_read_file(path, &n);
    ck_assert_msg(n == o->n && !memcmp(want, o->p, n), "%s is now\n%.*s", name, (int)o->n, o->p);
    free(want);
}

/* No line of a page is longer than 80 columns. */
static inline void pages_narrow(const struct out *o)
{
    for (size_t i = 0, from = 0; i < o->n; i++)
        if (o->p[i] == '\n') {
            ck_assert_msg(i - from <= 80, "%.*s", (int)(i - from), o->p + from);
            from = i + 1;
        }
}

static inline void render(struct evals *e, const struct report *r, uint32_t va, uint32_t vb, const char *name)
{
    struct arena a = {0};
    struct out o = {0};
    struct subject s = {.store = e->store, .eval = e->eval, .arena = &a};
    if (va)
        ck_ok(version_by_number(e->store, va, &s.a));
    if (vb)
        ck_ok(version_by_number(e->store, vb, &s.b));
    ck_ok(r->render(&s, &o));
    pages_golden(name, &o);
    version_unref(s.a);
    version_unref(s.b);
    arena_fini(&a);
    out_fini(&o);
}

static inline struct verdict section(struct evals *e, uint32_t va, uint32_t vb, const char *name)
{
    struct arena a = {0};
    struct out o = {0}, all = {0};
    struct review r;
    struct subject s = {.store = e->store, .eval = e->eval, .arena = &a};
    ck_ok(version_by_number(e->store, va, &s.a));
    ck_ok(version_by_number(e->store, vb, &s.b));
    ck_ok(review_make(&s, &r));
    ck_ok(review_control(&r));
    struct verdict v = r.verdict;
    section_evaluation(&r, &o);
    review_fini(&r);
    pages_narrow(&o);
    ck_assert_uint_le(strlen(v.because), 71);
    out_printf(&all, "because  %s\n%u pass, %u fail, %u undecided\n\n", v.because, v.pass, v.fail,
               v.undecided);
    out_write(&all, o.p, o.n);
    pages_golden(name, &all);
    version_unref(s.a);
    version_unref(s.b);
    arena_fini(&a);
    out_fini(&o);
    out_fini(&all);
    return v;
}
