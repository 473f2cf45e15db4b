/* SPDX-License-Identifier: Apache-2.0 */
/* The texts a reviewer reads, against tests/golden/eval. GOLDEN=write rewrites them: look at the
 * diff. */
#include "tests/unit/pages.h"
#include <errno.h>

static char *path_of(const char *series, const char *rest)
{
    char p[256];
    snprintf(p, sizeof p, "%s/%s", series, rest);
    return evals_data(p);
}

static void needs_engines(void)
{
    const char *fp;
    ck_ok(runner_fingerprint(SPEC_ONNX, &fp));
    ck_ok(runner_fingerprint(SPEC_XGBOOST, &fp));
}

START_TEST(a_series)
{
    static const char *const versions[] = {"v1-baseline", "v2-longer", "v3-finetune",
                                           "v4-lowrank",  "v5-cast",   "v6-worse"};
    struct evals e = evals_open("digits");
    evals_configure_file(&e, "graph.onnx", path_of("digits", "graph.onnx"));
    for (int i = 0; i < 6; i++)
        version_unref(evals_commit(&e, path_of("digits", versions[i])));
    ck_assert_int_eq(section(&e, 1, 2, "no_rows.txt").word, VERDICT_NOT_MEASURED);
    evals_append_file(&e, path_of("digits", "examples.jsonl"));
    ck_assert_int_eq(section(&e, 1, 2, "undecided.txt").word, VERDICT_PASS);
    ck_assert_int_eq(section(&e, 4, 6, "must_pass.txt").word, VERDICT_FAIL);
    render(&e, &report_eval_summary, 0, 0, "summary.txt");
    render(&e, &report_diff_flips, 4, 6, "flips.csv");
    render(&e, &report_diff_eval, 4, 6, "eval.csv");
    evals_close(&e);
}
END_TEST

static int count_calls(void *ctx, uint64_t done, uint64_t all)
{
    (void)all;
    *(uint64_t *)ctx = done;
    return 0;
}

/* A version against itself: run once more, and only once in its life. */
START_TEST(a_control)
{
    struct evals e = evals_open("control");
    const struct version *v = evals_commit(&e, path_of("breast_cancer", "v1-10-rounds"));
    evals_append_file(&e, path_of("breast_cancer", "examples.jsonl"));
    struct eval_result *r = evals_result(&e, v, NULL);
    struct eval_control c;
    uint64_t done = 0;
    ck_assert_int_eq(eval_control(e.eval, r, EVAL_KNOWN, count_calls, &done, &c), -ENOENT);
    ck_assert(done == 0);
    ck_ok(eval_control(e.eval, r, EVAL_COMPUTE, count_calls, &done, &c));
    ck_assert(done == 200 && c.rows == 200 && c.flips == 0 && c.most == 0);
    eval_result_free(r);
    evals_reopen(&e, "control");
    r = evals_result(&e, v, NULL);
    done = 0;
    ck_ok(eval_control(e.eval, r, EVAL_COMPUTE, count_calls, &done, &c));
    ck_assert(done == 0 && c.rows == 200);
    eval_result_free(r);
    version_unref(v);
    evals_close(&e);
}
END_TEST

START_TEST(regression)
{
    struct evals e = evals_open("diabetes");
    version_unref(evals_commit(&e, path_of("diabetes", "v1-deep")));
    version_unref(evals_commit(&e, path_of("diabetes", "v2-shallow")));
    evals_append_file(&e, path_of("diabetes", "examples.jsonl"));
    ck_assert_int_eq(section(&e, 1, 2, "regression.txt").word, VERDICT_PASS);
    render(&e, &report_eval_summary, 0, 0, "regression_summary.txt");
    evals_close(&e);
}
END_TEST

static const struct version *opaque(struct evals *e, const char *bytes)
{
    char *dir = trees_path(bytes);
    mkdir(dir, 0755);
    trees_write(dir, "model.bin", bytes, strlen(bytes));
    return evals_commit(e, dir);
}

/* n rows that ask for i; from `wrong` on the answer is wrong. */
static void predict(struct evals *e, const struct version *v, int n, int wrong)
{
    struct out o = {0};
    struct eval_added a;
    for (int i = 0; i < n; i++)
        out_printf(&o, "{\"id\":\"q%02d\",\"prediction\":\"%s\"}\n", i,
                   (i & 1) == (i < wrong) ? "odd" : "even");
    ck_ok(eval_import(e->eval, &evals_writer, v, o.p, o.n, &a));
    out_fini(&o);
}
static void ask(struct evals *e, int n)
{
    struct out o = {0};
    for (int i = 0; i < n; i++)
        out_printf(&o,
                   "{\"id\":\"q%02d\",\"input\":{\"q\":\"=%d\\u001b[2J\"},\"label\":\"%s\",\"slices\":["
                   "\"third=%d\"]}\n",
                   i, i, i & 1 ? "odd" : "even", i % 3);
    ck_assert_uint_eq(evals_append_n(e, o.p, o.n).kept, (uint64_t)n);
    out_fini(&o);
}

START_TEST(regressed_and_tiny)
{
    struct evals e = evals_open("opaque");
    const struct version *a = opaque(&e, "one"), *b = opaque(&e, "two");
    ask(&e, 40);
    ck_assert_int_eq(section(&e, 1, 2, "not_measured.txt").word, VERDICT_NOT_MEASURED);
    predict(&e, a, 40, 39);
    predict(&e, b, 40, 30);
    struct verdict v = section(&e, 1, 2, "regressed.txt");
    ck_assert(v.word == VERDICT_FAIL && v.fail == 1);
    render(&e, &report_eval_results, 0, 0, "results.csv");
    version_unref(a);
    version_unref(b);
    evals_close(&e);
    e = evals_open("tiny");
    a = opaque(&e, "three");
    b = opaque(&e, "four");
    ask(&e, 12);
    predict(&e, a, 12, 11);
    predict(&e, b, 12, 8);
    v = section(&e, 1, 2, "tiny.txt");
    ck_assert(v.word == VERDICT_PASS && v.undecided == 1);
    render(&e, &report_eval_summary, 0, 0, "tiny_summary.txt");
    version_unref(a);
    version_unref(b);
    evals_close(&e);
}
END_TEST

/* A model that wants something else than what the set has. */
START_TEST(not_comparable)
{
    struct evals e = evals_open("other-input");
    version_unref(evals_commit(&e, path_of("breast_cancer", "v1-10-rounds")));
    evals_append_file(&e, path_of("breast_cancer", "examples.jsonl"));
    version_unref(evals_commit(&e, path_of("digits", "selfcontained")));
    ck_assert_int_eq(section(&e, 1, 2, "not_comparable.txt").word, VERDICT_NOT_COMPARABLE);
    evals_close(&e);
}
END_TEST

START_TEST(status_names_what_is_there)
{
    struct evals e = evals_open("status");
    struct arena a = {0};
    struct out o = {0};
    struct subject s = {.store = e.store, .eval = e.eval, .arena = &a};
    version_unref(evals_commit(&e, path_of("breast_cancer", "v1-10-rounds")));
    evals_append_file(&e, path_of("breast_cancer", "examples.jsonl"));
    const struct version *v;
    ck_ok(version_latest(e.store, &v));
    eval_result_free(evals_result(&e, v, NULL));
    ck_ok(report_eval_status.render(&s, &o));
    pages_narrow(&o);
    ck_assert_ptr_nonnull(strstr(out_cstr(&o), "\nonnx      onnxruntime "));
    ck_assert_ptr_nonnull(strstr(out_cstr(&o), "\nxgboost   xgboost "));
    ck_assert_ptr_nonnull(strstr(out_cstr(&o), "\nrunning   nothing\n"));
    ck_assert_ptr_nonnull(
        strstr(out_cstr(&o), "\ntask      binary\nlabels    benign, malignant\nknown     200 of 200 rows"));
    version_unref(v);
    arena_fini(&a);
    out_fini(&o);
    evals_close(&e);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("eval_reports");
    TCase *t = tcase_create("reports");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, needs_engines, NULL);
    tcase_add_test(t, a_series);
    tcase_add_test(t, a_control);
    tcase_add_test(t, regression);
    tcase_add_test(t, regressed_and_tiny);
    tcase_add_test(t, not_comparable);
    tcase_add_test(t, status_names_what_is_there);
    suite_add_tcase(s, t);
    return s;
}
