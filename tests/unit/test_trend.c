/* SPDX-License-Identifier: Apache-2.0 */
/* The headline over versions while the set grows: numbers against counts by hand, and the picture of them. */
#include "tests/unit/pages.h"
#include <errno.h>

static const struct version *opaque(struct evals *e, const char *bytes)
{
    char *dir = trees_path(bytes);
    mkdir(dir, 0755);
    trees_write(dir, "model.bin", bytes, strlen(bytes));
    return evals_commit(e, dir);
}

static void rows(struct evals *e, int from, int to)
{
    struct out o = {0};
    for (int i = from; i < to; i++)
        out_printf(&o, "{\"id\":\"q%03d\",\"input\":{\"q\":%d},\"label\":\"%s\"}\n", i, i,
                   i & 1 ? "odd" : "even");
    evals_append_n(e, o.p, o.n);
    out_fini(&o);
}

/* Wrong on every `each`-th. */
static void predict(struct evals *e, const struct version *v, int n, int each)
{
    struct out o = {0};
    struct eval_added a;
    for (int i = 0; i < n; i++)
        out_printf(&o, "{\"id\":\"q%03d\",\"prediction\":\"%s\"}\n", i,
                   (i & 1) != (i % each == 0) ? "odd" : "even");
    ck_ok(eval_import(e->eval, &evals_writer, v, o.p, o.n, &a));
    out_fini(&o);
}

static int then(struct evals *e, const struct version *v, int64_t when, struct eval_then *ret)
{
    struct eval_result *r = evals_result(e, v, NULL);
    int err = eval_score_then(e->eval, r, when, ret);
    eval_result_free(r);
    return err;
}

START_TEST(the_set_apart_from_the_model)
{
    struct evals e = evals_open("trend");
    struct eval_then t;
    const struct version *zero = opaque(&e, "zero"); /* before there was a set */
    rows(&e, 0, 100);
    const struct version *a = opaque(&e, "one");
    rows(&e, 100, 150);
    const struct version *b = opaque(&e, "two"), *c = opaque(&e, "three");
    predict(&e, zero, 150, 3);
    predict(&e, a, 150, 4);  /* wrong on 25 of the first 100, 13 of the next 50 */
    predict(&e, b, 150, 10); /* 10 and 5 */
    ck_ok(then(&e, a, a->time_ns, &t));
    ck_assert_str_eq(t.revision, "E1.1");
    ck_assert(t.rows == 100 && t.added == 50);
    ck_assert_double_eq_tol(t.value, 0.75, 1e-12);
    ck_assert_double_eq_tol(t.now, 112. / 150, 1e-12);
    ck_ok(then(&e, a, b->time_ns, &t));
    ck_assert(t.rows == 150 && t.added == 0);
    ck_assert_int_eq(then(&e, a, zero->time_ns, &t), -ENOENT);
    section(&e, 2, 3, "grown.txt");
    render(&e, &report_eval_trend, 0, 0, "trend.svg");
    version_unref(c);
    evals_configure(&e, "spec.json", "{\"labels\":[\"even\",\"odd\"]}"); /* another epoch: nothing is said */
    ck_assert_int_eq(then(&e, a, a->time_ns, &t), -ENOENT);
    version_unref(zero);
    version_unref(a);
    version_unref(b);
    evals_close(&e);
}
END_TEST

static const char *picture(struct evals *e)
{
    static struct out o;
    struct arena a = {0};
    struct subject s = {.store = e->store, .eval = e->eval, .arena = &a};
    out_reset(&o);
    ck_ok(report_eval_trend.render(&s, &o));
    arena_fini(&a);
    return out_cstr(&o);
}

static size_t times(const char *text, const char *what)
{
    size_t n = 0;
    for (; (text = strstr(text, what)); text++)
        n++;
    return n;
}

START_TEST(hostile_and_many)
{
    struct evals e = evals_open("hostile");
    ck_assert_ptr_nonnull(strstr(picture(&e), "no eval rows"));
    struct out o = {0};
    for (int i = 0; i < 40; i++)
        out_printf(&o, "{\"input\":{\"q\":%d},\"id\":\"q%03d\",\"label\":\"%s\"}\n", i, i,
                   i & 1 ? "<b>&\\u001b\\\"" : "even");
    evals_append_n(&e, o.p, o.n);
    out_fini(&o);
    evals_configure(&e, "spec.json",
                    "{\"headline\":\"recall:<b>&\\u001b\\\"\",\"metrics\":[\"accuracy\"],"
                    "\"labels\":[\"even\",\"<b>&\\u001b\\\"\"]}");
    for (int i = 0; i < 70; i++) {
        char name[16];
        snprintf(name, sizeof name, "m%d", i);
        const struct version *v = opaque(&e, name);
        if (i % 10)
            predict(&e, v, 40, 2 + i % 7);
        version_unref(v);
    }
    const char *svg = picture(&e);
    ck_assert(!strstr(svg, "<b>") && !strchr(svg, 0x1b));
    ck_assert_ptr_nonnull(strstr(svg, "recall:&lt;b&gt;&amp;\\x1b&quot; by version"));
    ck_assert_ptr_nonnull(strstr(svg, "10 older versions not shown"));
    ck_assert_uint_eq(times(svg, "<circle"), 54); /* 6 of the newest 60 have no score */
    ck_assert_uint_eq(times(svg, "\xc3\x97"), 6);
    ck_assert_uint_le(times(svg, ">v"), 25 + 54); /* names that do not run into each other, and hover texts */
    evals_close(&e);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("trend");
    TCase *t = tcase_create("trend");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, the_set_apart_from_the_model);
    tcase_add_test(t, hostile_and_many);
    suite_add_tcase(s, t);
    return s;
}
