/* SPDX-License-Identifier: Apache-2.0 */
/* Predictions and scores against what PyTorch, XGBoost's Python and scikit-learn recorded in tests/data. */
#include "fs/eval/runs.h"
#include "tests/unit/evals.h"
#include <pthread.h>

static const char *const digits[] = {"v1-baseline", "v2-longer", "v3-finetune",
                                     "v4-lowrank",  "v5-cast",   "v6-worse"};

static char *path_of(const char *series, const char *rest)
{
    char p[256];
    snprintf(p, sizeof p, "%s/%s", series, rest);
    return evals_data(p);
}

static char *expected(const char *series, const char *version)
{
    char p[256];
    snprintf(p, sizeof p, "%s/expected/%s.csv", series, version);
    return evals_data(p);
}

static void needs_engines(void)
{
    const char *fp;
    ck_ok(runner_fingerprint(SPEC_ONNX, &fp));
    ck_ok(runner_fingerprint(SPEC_XGBOOST, &fp));
}

/* One graph for all versions; every row is run once, whatever is asked and whoever asks again. */
START_TEST(one_graph_many_checkpoints)
{
    struct evals e = evals_open("digits");
    const struct version *v[6];
    uint64_t computed;
    evals_configure_file(&e, "graph.onnx", path_of("digits", "graph.onnx"));
    evals_configure(&e, "spec.json", "{\"metrics\":[\"accuracy\",\"log_loss\",\"macro_f1\",\"auroc\"]}");
    for (int i = 0; i < 6; i++)
        v[i] = evals_commit(&e, path_of("digits", digits[i]));
    struct eval_added a = evals_append_file(&e, path_of("digits", "examples.jsonl"));
    ck_assert_msg(a.kept == 380 && !a.rejected, "%s", a.first_error);
    for (int i = 0; i < 6; i++) {
        struct eval_result *r = evals_result(&e, v[i], &computed);
        ck_assert_uint_eq(computed, 380);
        ck_assert_str_eq(r->engine, "onnx");
        evals_compare(r, expected("digits", digits[i]), 2e-5);
        evals_compare_scores(r, expected("digits", "scores"), digits[i], 2e-6);
        eval_result_free(r);
        eval_result_free(evals_result(&e, v[i], &computed));
        ck_assert_uint_eq(computed, 0);
    }
    evals_append(
        &e, "{\"id\":\"new\",\"input\":{\"x\":[9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,"
            "9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9]},\"label\":\"8\"}\n");
    evals_reopen(&e, "digits");
    for (int i = 0; i < 6; i++) {
        struct eval_result *r = evals_result(&e, v[i], &computed);
        ck_assert_uint_eq(computed, 1); /* the new row */
        ck_assert(r->complete && r->set->nrows == 381);
        eval_result_free(r);
        version_unref(v[i]);
    }
    evals_close(&e);
}
END_TEST

/* spec, graph: NULL, there is none */
static void whole_series(const char *series, const char *const *versions, int n, size_t rows,
                         const char *spec, const char *graph, double tolerance)
{
    struct evals e = evals_open(series);
    if (spec)
        evals_configure(&e, "spec.json", spec);
    if (graph)
        evals_configure_file(&e, "graph.onnx", path_of(series, graph));
    const struct version *v[3];
    for (int i = 0; i < n; i++)
        v[i] = evals_commit(&e, path_of(series, versions[i]));
    struct eval_added a = evals_append_file(&e, path_of(series, "examples.jsonl"));
    ck_assert_msg(a.kept == rows && !a.rejected, "%s", a.first_error);
    for (int i = 0; i < n; i++) {
        uint64_t computed;
        struct eval_result *r = evals_result(&e, v[i], &computed);
        ck_assert_uint_eq(computed, rows);
        evals_compare(r, expected(series, versions[i]), tolerance);
        evals_compare_scores(r, expected(series, "scores"), versions[i], tolerance);
        eval_result_free(r);
        version_unref(v[i]);
    }
    evals_close(&e);
}

START_TEST(binary_boosters)
{
    static const char *const versions[] = {"v1-10-rounds", "v2-60-rounds", "v3-retrained"};
    whole_series(
        "breast_cancer", versions, 3, 200,
        "{\"metrics\":[\"accuracy\",\"log_loss\",\"macro_f1\",\"auroc\",\"average_precision\",\"brier\","
        "\"precision\","
        "\"recall\",\"f1\"],\"labels\":[\"benign\",\"malignant\"]}",
        NULL, 1e-6);
}
END_TEST

START_TEST(regression_boosters)
{
    static const char *const versions[] = {"v1-deep", "v2-shallow"};
    whole_series("diabetes", versions, 2, 180, "{\"metrics\":[\"mae\",\"rmse\",\"r2\",\"mape\"]}", NULL,
                 1e-4);
}
END_TEST

START_TEST(three_classes)
{
    static const char *const versions[] = {"v1-3-rounds", "v2-20-rounds"};
    whole_series("iris", versions, 2, 75, "{\"metrics\":[\"accuracy\",\"log_loss\",\"macro_f1\",\"auroc\"]}",
                 NULL, 1e-6);
}
END_TEST

/* Two inputs of token ids, of different lengths, in self-contained graphs. */
START_TEST(transformers)
{
    static const char *const versions[] = {"v1-short", "v2-long"};
    whole_series(
        "tokens", versions, 2, 120,
        "{\"metrics\":[\"accuracy\",\"log_loss\",\"macro_f1\",\"auroc\",\"average_precision\",\"brier\","
        "\"precision\",\"recall\",\"f1\"]}",
        NULL, 2e-5);
}
END_TEST

/* Series of different lengths; one graph, in which PyTorch's gates are put in ONNX's order, for all. */
START_TEST(lstms)
{
    static const char *const versions[] = {"v1-short", "v2-long"};
    whole_series("periods", versions, 2, 90, "{\"metrics\":[\"mae\",\"rmse\",\"r2\",\"mape\"]}", "graph.onnx",
                 1e-4);
}
END_TEST

/* Boosters, then a network, in one repo: the same raw rows, each model takes what it needs. */
START_TEST(from_booster_to_network)
{
    static const char *const versions[] = {"v1-booster", "v2-booster-longer", "v3-network"};
    static const char *const engines[] = {"xgboost", "xgboost", "onnx"};
    struct evals e = evals_open("switch");
    evals_configure_file(&e, "spec.json", path_of("switch", "spec.json"));
    for (int i = 0; i < 3; i++)
        version_unref(evals_commit(&e, path_of("switch", versions[i])));
    ck_assert_uint_eq(evals_append_file(&e, path_of("switch", "examples.jsonl")).kept, 90);
    for (int i = 0; i < 3; i++) {
        const struct version *v;
        ck_ok(version_by_number(e.store, (uint32_t)i + 1, &v));
        struct eval_result *r = evals_result(&e, v, NULL);
        ck_assert_str_eq(r->engine, engines[i]);
        evals_compare(r, expected("switch", versions[i]), 1e-5);
        eval_result_free(r);
        version_unref(v);
    }
    evals_close(&e);
}
END_TEST

/* The same weights as a state dict and as a self-contained graph: v1's predictions. */
START_TEST(other_forms_of_the_same_model)
{
    struct evals e = evals_open("forms");
    evals_configure_file(&e, "graph.onnx", path_of("digits", "graph.onnx"));
    char *dir = trees_path("one-pt");
    size_t n;
    char *pt = unit_read_file(path_of("digits", "pt/model.pt"), &n);
    mkdir(dir, 0755);
    trees_write(dir, "model.pt", pt, n);
    const struct version *v[] = {evals_commit(&e, dir), evals_commit(&e, path_of("digits", "selfcontained"))};
    evals_append_file(&e, path_of("digits", "examples.jsonl"));
    for (int i = 0; i < 2; i++) {
        struct eval_result *r = evals_result(&e, v[i], NULL);
        if (i == 0 && r->problem) { /* a .pt has no labels of its own */
            ck_assert_ptr_nonnull(strstr(r->problem, "\"labels\""));
            eval_result_free(r);
            evals_configure(&e, "spec.json",
                            "{\"labels\":[\"0\",\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]}");
            r = evals_result(&e, v[i], NULL);
        }
        evals_compare(r, expected("digits", "v1-baseline"), 2e-5);
        eval_result_free(r);
        version_unref(v[i]);
    }
    free(pt);
    evals_close(&e);
}
END_TEST

/* Another label for a row costs no inference: predictions are kept by input. */
START_TEST(labels_are_not_in_the_key)
{
    struct evals e = evals_open("labels");
    uint64_t computed;
    evals_configure(&e, "spec.json", "{\"labels\":[\"benign\",\"malignant\"]}");
    const struct version *v = evals_commit(&e, path_of("breast_cancer", "v1-10-rounds"));
    evals_append_file(&e, path_of("breast_cancer", "examples.jsonl"));
    eval_result_free(evals_result(&e, v, &computed));
    ck_assert_uint_eq(computed, 200);
    evals_configure(&e, "spec.json",
                    "{\"labels\":[\"benign\",\"malignant\"],\"decision\":{\"threshold\":0.9}}");
    struct eval_result *r = evals_result(&e, v, &computed);
    ck_assert_uint_eq(computed, 0);
    ck_assert_str_eq(r->set->revision, "E3.0");
    for (size_t i = 0; i < r->set->nrows; i++)
        ck_assert_int_eq(r->cells[i].pred, r->cells[i].value >= 0.9);
    eval_result_free(r);
    version_unref(v);
    evals_close(&e);
}
END_TEST

static int stop_at_once(void *ctx, uint64_t done, uint64_t all)
{
    (void)ctx, (void)done, (void)all;
    return 1;
}

START_TEST(what_is_known_and_who_stops)
{
    struct evals e = evals_open("known");
    const struct eval_set *set;
    struct eval_result *r;
    struct digest before, after;
    const struct version *v = evals_commit(&e, path_of("breast_cancer", "v1-10-rounds"));
    evals_append_file(&e, path_of("breast_cancer", "examples.jsonl"));
    ck_ok(eval_view(e.eval, &set));
    ck_ok(eval_version(e.eval, v, EVAL_KNOWN, set, NULL, NULL, &r));
    ck_assert(r->known == 0 && !r->complete && !r->problem);
    eval_result_free(r);
    eval_known(e.eval, &before);
    ck_assert_int_eq(eval_version(e.eval, v, EVAL_COMPUTE, set, stop_at_once, NULL, &r), -EINTR);
    eval_result_free(evals_result(&e, v, NULL));
    eval_known(e.eval, &after);
    ck_assert(!hash_equal(&before, &after));
    ck_ok(eval_version(e.eval, v, EVAL_KNOWN, set, NULL, NULL, &r));
    ck_assert(r->complete);
    eval_result_free(r);
    eval_view_unref(set);
    evals_reopen(&e, "known"); /* before anything is asked for, the same is known as before */
    eval_known(e.eval, &before);
    ck_assert(hash_equal(&before, &after));
    version_unref(v);
    evals_close(&e);
}
END_TEST

/* What is held in memory is bounded; what was let go is read again, not computed again. */
START_TEST(memory_is_bounded)
{
    struct evals e = evals_open("bounded");
    const struct version *v[2] = {evals_commit(&e, path_of("breast_cancer", "v1-10-rounds")),
                                  evals_commit(&e, path_of("breast_cancer", "v2-60-rounds"))};
    evals_append_file(&e, path_of("breast_cancer", "examples.jsonl"));
    for (int i = 0; i < 2; i++)
        eval_result_free(evals_result(&e, v[i], NULL));
    uint64_t all = eval_memory(e.eval, RUNS_MEMORY), computed;
    ck_assert_uint_gt(all, 2 * 200 * sizeof(struct digest));
    ck_assert_uint_lt(eval_memory(e.eval, all * 3 / 4), all);
    for (int i = 0; i < 4; i++) {
        eval_result_free(evals_result(&e, v[i % 2], &computed));
        ck_assert_uint_eq(computed, 0);
        ck_assert_uint_le(eval_memory(e.eval, all * 3 / 4), all * 3 / 4);
    }
    version_unref(v[0]);
    version_unref(v[1]);
    evals_close(&e);
}
END_TEST

/* A model no engine runs is evaluated by what was predicted elsewhere. */
START_TEST(imported_predictions)
{
    struct evals e = evals_open("imported");
    char *dir = trees_path("opaque");
    mkdir(dir, 0755);
    trees_write(dir, "model.bin", "secret weights", 14);
    const struct version *v = evals_commit(&e, dir);
    evals_append(&e, "{\"id\":\"a\",\"input\":{\"q\":\"2+2\"},\"label\":\"4\"}\n"
                     "{\"id\":\"b\",\"input\":{\"q\":\"3+3\"},\"label\":\"6\"}\n");
    struct eval_result *r = evals_result(&e, v, NULL);
    ck_assert_str_eq(r->problem, "no model file that an engine knows");
    ck_assert_ptr_nonnull(strstr(r->hint, "modelfs predictions"));
    eval_result_free(r);
    struct eval_added a;
    const char *bad = "{\"id\":\"zz\",\"prediction\":\"4\"}\n";
    ck_assert_int_eq(eval_import(e.eval, &evals_writer, v, bad, strlen(bad), &a), -EINVAL);
    const char *lines =
        "{\"id\":\"a\",\"prediction\":\"4\",\"p_4\":0.75,\"p_6\":0.25}\n{\"id\":\"zz\",\"prediction\":1}\n"
        "{\"id\":\"b\",\"prediction\":\"4\",\"p_4\":0.5,\"p_6\":0.5}";
    ck_ok(eval_import(e.eval, &evals_writer, v, lines, strlen(lines), &a));
    ck_assert(a.kept == 2 && a.rejected == 1);
    ck_assert_str_eq(a.first_error, "line 2: id: no row of the set is \"zz\"");
    evals_reopen(&e, "imported");
    r = evals_result(&e, v, NULL);
    ck_assert(!r->problem && r->complete);
    ck_assert_str_eq(r->engine, "imported");
    ck_assert(r->nlabels == 2 && r->cells[0].right == 1 && r->cells[1].right == 0);
    ck_assert_double_eq(r->cells[0].p_label, 0.75);
    eval_result_free(r);
    /* a row that nobody predicted stays unknown */
    evals_append(&e, "{\"id\":\"c\",\"input\":{\"q\":\"1+1\"},\"label\":\"4\"}\n");
    r = evals_result(&e, v, NULL);
    ck_assert(!r->complete && r->known == 2 && r->cells[2].state == 0);
    eval_result_free(r);
    version_unref(v);
    evals_close(&e);
}
END_TEST

START_TEST(a_damaged_model_says_why)
{
    struct evals e = evals_open("damaged");
    size_t n;
    char *bytes = unit_read_file(path_of("digits", "v1-baseline/model.safetensors"), &n);
    char *dir = trees_path("cut");
    mkdir(dir, 0755);
    trees_write(dir, "model.safetensors", bytes, n / 2);
    evals_configure_file(&e, "graph.onnx", path_of("digits", "graph.onnx"));
    const struct version *v = evals_commit(&e, dir);
    evals_append_file(&e, path_of("digits", "examples.jsonl"));
    struct eval_result *r = evals_result(&e, v, NULL);
    ck_assert_msg(r->problem && !strncmp(r->problem, "model.safetensors: ", 19), "%s", r->problem);
    ck_assert(!strchr(r->problem, '\n') && r->known == 0);
    eval_result_free(r);
    version_unref(v);
    free(bytes);
    evals_close(&e);
}
END_TEST

/* Rows that the newest model cannot take are refused, with what it wants. */
START_TEST(rows_are_checked_against_the_model)
{
    struct evals e = evals_open("shapes");
    evals_configure_file(&e, "graph.onnx", path_of("digits", "graph.onnx"));
    version_unref(evals_commit(&e, path_of("digits", "v1-baseline")));
    struct eval_added a = evals_append(&e, "{\"input\":{\"x\":[1,2,3]},\"label\":\"1\"}\n");
    ck_assert(a.kept == 0 && a.rejected == 1);
    ck_assert_msg(strstr(a.first_error, "shape_mismatch") != NULL, "%s", a.first_error);
    evals_close(&e);
}
END_TEST

enum { READERS = 3 };
struct reader {
    struct evals *e;
    const struct version *v;
    struct eval_result *r;
};
static void *read_results(void *ctx)
{
    struct reader *x = ctx;
    const struct eval_set *set;
    if (eval_view(x->e->eval, &set))
        return NULL;
    eval_version(x->e->eval, x->v, EVAL_COMPUTE, set, NULL, NULL, &x->r);
    eval_view_unref(set);
    return NULL;
}

/* Readers that ask at once share one computation, while the set grows beside them. */
START_TEST(readers_at_once)
{
    struct evals e = evals_open("readers");
    const struct version *v = evals_commit(&e, path_of("breast_cancer", "v2-60-rounds"));
    evals_append_file(&e, path_of("breast_cancer", "examples.jsonl"));
    pthread_t t[READERS];
    struct reader x[READERS];
    for (int i = 0; i < READERS; i++) {
        x[i] = (struct reader){.e = &e, .v = v};
        ck_assert_int_eq(pthread_create(&t[i], NULL, read_results, &x[i]), 0);
    }
    ck_assert_uint_eq(
        evals_append(&e, "{\"id\":\"late\",\"input\":{\"mean radius\":null},\"label\":\"benign\"}\n")
            .rejected,
        1);
    for (int i = 0; i < READERS; i++) {
        pthread_join(t[i], NULL);
        ck_assert_ptr_nonnull(x[i].r);
        ck_assert(x[i].r->complete && x[i].r->known == 200);
        for (size_t k = 0; k < 200; k++)
            ck_assert_double_eq(x[i].r->cells[k].p_label, x[0].r->cells[k].p_label);
    }
    for (int i = 0; i < READERS; i++)
        eval_result_free(x[i].r);
    version_unref(v);
    evals_close(&e);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("eval_results");
    TCase *t = tcase_create("results");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, needs_engines, NULL);
    tcase_add_test(t, one_graph_many_checkpoints);
    tcase_add_test(t, binary_boosters);
    tcase_add_test(t, regression_boosters);
    tcase_add_test(t, three_classes);
    tcase_add_test(t, transformers);
    tcase_add_test(t, lstms);
    tcase_add_test(t, from_booster_to_network);
    tcase_add_test(t, other_forms_of_the_same_model);
    tcase_add_test(t, labels_are_not_in_the_key);
    tcase_add_test(t, what_is_known_and_who_stops);
    tcase_add_test(t, memory_is_bounded);
    tcase_add_test(t, imported_predictions);
    tcase_add_test(t, a_damaged_model_says_why);
    tcase_add_test(t, readers_at_once);
    tcase_add_test(t, rows_are_checked_against_the_model);
    suite_add_tcase(s, t);
    return s;
}
