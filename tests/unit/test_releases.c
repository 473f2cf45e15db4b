/* SPDX-License-Identifier: Apache-2.0 */
/* Which release earned what: tag moves, what the set foretold, what was measured. */
#include "store/base/fail.h"
#include "tests/unit/pages.h"
#include <ctype.h>
#include <errno.h>

static const struct version *opaque(struct evals *e, const char *bytes)
{
    char *dir = trees_path(bytes);
    mkdir(dir, 0755);
    trees_write(dir, "model.bin", bytes, strlen(bytes));
    return evals_commit(e, dir);
}

enum { N = 100 };

static void rows(struct evals *e)
{
    struct out o = {0};
    for (int i = 0; i < N; i++)
        out_printf(&o, "{\"id\":\"q%03d\",\"input\":{\"q\":%d},\"label\":\"%s\"}\n", i, i,
                   i & 1 ? "odd" : "even");
    evals_append_n(e, o.p, o.n);
    out_fini(&o);
}

/* The first `wrong` answers are wrong. */
static void predict(struct evals *e, const struct version *v, int wrong)
{
    struct out o = {0};
    struct eval_added a;
    for (int i = 0; i < N; i++)
        out_printf(&o, "{\"id\":\"q%03d\",\"prediction\":\"%s\"}\n", i,
                   (i & 1) != (i < wrong) ? "odd" : "even");
    ck_ok(eval_import(e->eval, &evals_writer, v, o.p, o.n, &a));
    out_fini(&o);
}

static struct eval_added outcomes(struct evals *e, const char *lines)
{
    struct eval_added a = {0};
    ck_ok(eval_outcomes_append(e->eval, &evals_writer, lines, strlen(lines), &a));
    return a;
}

START_TEST(lines_are_judged)
{
    static const struct {
        const char *line, *why;
    } bad[] = {
        {"v9,,experiment,x,,1", "version: no version \"v9\""},
        {"v1,v1,experiment,x,,1", "vs_version: the same"},
        {"v1,v7,experiment,x,,1", "vs_version: no version"},
        {"v1,,guess,x,,1", "kind: must be"},
        {"v1,,experiment,,,1", "metric: is missing"},
        {"v1,,experiment,x,,", "value: is missing"},
        {"v1,,experiment,x,,lots", "value: \"lots\" is no number"},
        {"v1,,experiment,x,,1,0", "ci_lo and ci_hi"},
        {"v1,,experiment,x,,1,2,3", "ci_lo and ci_hi"},
        {"v1,,experiment,x,,1,,,yesterday", "window_start: \"yesterday\" is no date"},
        {"v1,,experiment,x,,1,,,2026-13-01", "window_start"},
        {"v1,,experiment,x,,1,,,2026-12-02,2026-12-01", "window_end: before"},
        {"v1,,experiment,x,,1,,,,,a,b,c", "13 cells"},
        {"v1,,experiment,\"x,,1", "a quote has no end"},
    };
    struct evals e = evals_open("outcomes");
    version_unref(opaque(&e, "one"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct eval_added a = outcomes(&e, bad[i].line);
        ck_assert_msg(a.rejected == 1 && a.kept == 0 && strstr(a.first_error, bad[i].why), "%s: %s",
                      bad[i].line, a.first_error);
    }
    version_unref(opaque(&e, "two"));
    ck_ok(tag_set(e.store, "prod", NULL, NULL, "amy") == -ENOENT ? 0 : -EINVAL);
    struct eval_added a =
        outcomes(&e, "version,vs_version,kind,metric,unit,value\n\n"
                     "v2,v1,experiment,=cmd(),\"EUR, net\",-3.50,-4,-3\r\nv9,,experiment,x,,1\n"
                     "latest,,before_after,clicks,,1,,,2026-11-02,,,mallory");
    ck_assert(a.kept == 2 && a.rejected == 1 && strstr(a.first_error, "line 4: "));
    evals_reopen(&e, "outcomes");
    struct out o = {0};
    ck_ok(eval_outcomes_text(e.eval, &o));
    ck_assert_str_eq(
        out_cstr(&o),
        "version,vs_version,kind,metric,unit,value,ci_lo,ci_hi,window_start,window_end,experiment,added_by\n"
        "v2,v1,experiment,\"'=cmd()\",\"EUR, net\",-3.5,-4,-3,,,,amy\n"
        "v2,,before_after,clicks,,1,,,2026-11-02,,,amy\n");
    out_fini(&o);
    evals_close(&e);
}
END_TEST

/* A page with the days of today's moves taken out, and held to 80 columns. */
static void page(struct evals *e, const struct report *r, const char *name)
{
    struct arena a = {0};
    struct out o = {0};
    struct subject s = {.store = e->store, .eval = e->eval, .arena = &a};
    ck_ok(r->render(&s, &o));
    for (char *p = (char *)out_cstr(&o); *p; p++)
        if (isdigit((unsigned char)p[0]) && !strncmp(p + 4, "-", 1) && isdigit((unsigned char)p[5]) &&
            p[7] == '-')
            for (int i = 0; i < 10 || (p[i] == ' ' && isdigit((unsigned char)p[i + 1])) || p[i] == ':' ||
                            (i > 10 && i < 16 && isdigit((unsigned char)p[i]));
                 i++)
                if (isdigit((unsigned char)p[i]))
                    p[i] = '0';
    if (strstr(name, ".txt"))
        pages_narrow(&o);
    pages_golden(name, &o);
    arena_fini(&a);
    out_fini(&o);
}

START_TEST(which_release_earned_what)
{
    struct evals e = evals_open("releases");
    page(&e, &report_eval_business, "business_none.txt");
    evals_configure(&e, "spec.json", "{\"release_tags\":[\"prod\"],\"volume_per_month\":2000000}");
    evals_configure(&e, "cost.csv", "truth,pred,fixed,unit\n*,wrong,2,EUR\n*,*,0.10,EUR\n");
    const struct version *v[5];
    static const char *const bytes[] = {"one", "two", "three", "four", "five"};
    static const int wrong[] = {40, 20, 21, 5, 30};
    rows(&e);
    for (int i = 0; i < 5; i++) {
        v[i] = opaque(&e, bytes[i]);
        predict(&e, v[i], wrong[i]);
        ck_ok(tag_set(e.store, "prod", &v[i]->digest, NULL, "amy"));
        ck_ok(tag_set(e.store, "staging", &v[i]->digest, NULL, "amy")); /* no release tag */
    }
    struct eval_added a = outcomes(&e, "v2,v1,experiment,saved,EUR a month,600000,200000,1000000,,,exp-1\n"
                                       "v3,,experiment,saved,EUR a month,9000,-1000,19000,,,exp-2\n"
                                       "v4,v3,before_after,cost_per_k,EUR,-250,-400,-100\n"
                                       "v4,v1,experiment,accuracy,share,0.2,,\n"
                                       "v5,,experiment,saved,EUR a month,80000,10000,150000\n");
    ck_assert_uint_eq(a.kept, 5);
    page(&e, &report_eval_business, "business.txt");
    page(&e, &report_eval_releases, "releases.csv");
    page(&e, &report_eval_outcomes, "outcomes.csv");
    ck_ok(tag_set(e.store, "prod", NULL, NULL, "amy")); /* nothing is released any more */
    ck_ok(version_remove(e.store, &v[1]->digest, 1, "amy"));
    page(&e, &report_eval_releases, "releases_removed.csv");
    for (int i = 0; i < 5; i++)
        version_unref(v[i]);
    evals_close(&e);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("releases");
    TCase *t = tcase_create("releases");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, lines_are_judged);
    tcase_add_test(t, which_release_earned_what);
    suite_add_tcase(s, t);
    return s;
}
