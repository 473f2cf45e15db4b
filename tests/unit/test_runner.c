/* SPDX-License-Identifier: Apache-2.0 */
/* The engines against what PyTorch and XGBoost's Python answered for the same files and rows (expected/ of
 * each series). Tolerances: 2e-5 on a probability (f32 kernels sum in another order), 1e-6 relative for
 * boosters. */
#include "tests/unit/models.h"
#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const digits[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
static const struct spec none = {.threshold = NAN}; /* an empty spec */

START_TEST(graph_and_weights)
{
    static const char *const versions[] = {"v1-baseline", "v2-longer", "v3-finetune", "v4-lowrank",
                                           "v5-cast",     "v6-worse"}; /* v5: bf16 into the graph's f32 */
    need(SPEC_ONNX);
    for (size_t i = 0; i < 6; i++) {
        char path[128];
        snprintf(path, sizeof path, D "digits/%s/model.safetensors", versions[i]);
        struct runner *r = open_files(SPEC_ONNX, D "digits/graph.onnx", path, NULL);
        const struct runner_signature *s = runner_signature(r);
        ck_assert(s->ninputs == 1 && s->width == 10 && !strcmp(s->producer, "Gemm"));
        for (size_t k = 0; k < s->nunused; k++)
            ck_assert_str_eq(s->unused[k], "norm.num_batches_tracked");
        compare(r, &none, "digits", versions[i], digits, 10, 2e-5);
        runner_close(r);
    }
}
END_TEST

START_TEST(self_contained)
{
    need(SPEC_ONNX);
    struct runner *r = open_files(SPEC_ONNX, D "digits/selfcontained/model.onnx", NULL, NULL);
    compare(r, &none, "digits", "v1-baseline", digits, 10, 2e-5);
    runner_close(r);
    /* the same file with another version's weights: those of the version count, not its own */
    r = open_files(SPEC_ONNX, D "digits/selfcontained/model.onnx", D "digits/v6-worse/model.safetensors",
                   NULL);
    compare(r, &none, "digits", "v6-worse", digits, 10, 2e-5);
    runner_close(r);
}
END_TEST

static size_t kept_files(const char *dir, char ret[4096])
{
    size_t n = 0;
    DIR *d = opendir(dir);
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d));)
        if (!strncmp(e->d_name, "kept-", 5)) {
            snprintf(ret, 4096, "%s/%s", dir, e->d_name);
            n++;
        }
    closedir(d);
    return n;
}

/* A large model's own form: made once, used again, made anew when it is damaged, done without when it cannot
 * be kept; the predictions are the same bits each time. */
START_TEST(kept_form)
{
    need(SPEC_ONNX);
    char keep[4096], file[4096];
    struct file g, w;
    struct rows rows;
    struct runner_answer first[MOST], again[MOST];
    struct stat made, st;
    snprintf(keep, sizeof keep, "%s/kept", unit_tmpdir());
    file_open(D "digits/graph.onnx", 0, &g);
    file_open(D "digits/v1-baseline/model.safetensors", 1, &w);
    rows_read("digits", &rows);
    for (int round = 0; round < 4; round++) {
        struct runner_source src = source("graph.onnx", &g, &w);
        struct runner *r = NULL;
        src.keep = round == 3 ? "/nowhere/kept" : keep;
        ck_assert_msg(runner_open(SPEC_ONNX, &src, &r) == 0, "%s", fail_text());
        ck_assert_uint_eq(kept_files(unit_tmpdir(), file), 1);
        ck_assert_int_eq(stat(file, &st), 0);
        if (round == 0) {
            made = st;
            compare(r, &none, "digits", "v1-baseline", digits, 10, 2e-5);
        }
        ck_assert((st.st_ino == made.st_ino) == (round < 2));
        ck_assert_int_eq(runner_predict(r, rows.input, rows.n, round ? again : first), 0);
        for (size_t i = 0; round && i < rows.n; i++) {
            ck_assert_mem_eq(again[i].values, first[i].values, first[i].width * sizeof(double));
            runner_answer_fini(&again[i]);
        }
        runner_close(r);
        if (round == 1) { /* damage; a hard link keeps the number of the old one from being given again */
            snprintf(keep, sizeof keep, "%s/old", unit_tmpdir());
            ck_assert_int_eq(link(file, keep), 0);
            ck_assert_int_eq(truncate(file, 1000), 0);
            snprintf(keep, sizeof keep, "%s/kept", unit_tmpdir());
        }
    }
    for (size_t i = 0; i < rows.n; i++)
        runner_answer_fini(&first[i]);
    rows_fini(&rows);
    file_close(&g), file_close(&w);
}
END_TEST

START_TEST(boosters)
{
    static const char *const cancer[] = {"benign", "malignant"};
    need(SPEC_XGBOOST);
    static const char *const cases[][3] = {{"breast_cancer", "v1-10-rounds", "model.ubj"},
                                           {"breast_cancer", "v2-60-rounds", "model.ubj"},
                                           {"breast_cancer", "v3-retrained", "model.json"},
                                           {"diabetes", "v1-deep", "model.ubj"},
                                           {"diabetes", "v2-shallow", "model.ubj"}};
    for (size_t i = 0; i < 5; i++) {
        char path[128];
        snprintf(path, sizeof path, D "%s/%s/%s", cases[i][0], cases[i][1], cases[i][2]);
        struct runner *r = open_files(SPEC_XGBOOST, path, NULL, NULL);
        ck_assert_uint_eq(runner_signature(r)->width, 1);
        compare(r, &none, cases[i][0], cases[i][1], i < 3 ? cancer : NULL, i < 3 ? 2 : 0, 1e-6);
        runner_close(r);
    }
}
END_TEST

/* Boosters and a network under one spec, each taking the same rows in its own way. */
START_TEST(one_spec_two_engines)
{
    need(SPEC_ONNX);
    need(SPEC_XGBOOST);
    size_t n;
    char *text = unit_read_file(D "switch/spec.json", &n);
    struct spec s;
    ck_assert_msg(spec_parse(text, n, &s) == 0, "%s", fail_text());
    static const char *const cases[][2] = {
        {"v1-booster", "model.ubj"}, {"v2-booster-longer", "model.ubj"}, {"v3-network", "model.onnx"}};
    for (size_t i = 0; i < 3; i++) {
        char path[128];
        snprintf(path, sizeof path, D "switch/%s/%s", cases[i][0], cases[i][1]);
        const struct spec_model *m = spec_match(&s, cases[i][1]);
        struct runner *r = open_files(m->engine, path, NULL, m);
        compare(r, &s, "switch", cases[i][0], (const char *const *)s.labels, s.nlabels, i < 2 ? 1e-6 : 2e-5);
        runner_close(r);
    }
    spec_fini(&s);
    free(text);
}
END_TEST

/* A prediction's bits don't depend on which rows came along, or in what order. */
START_TEST(order_does_not_matter)
{
    static const char *const models[][3] = {{D "digits/selfcontained/model.onnx", "digits", "o"},
                                            {D "tokens/v2-long/model.onnx", "tokens", "o"},
                                            {D "breast_cancer/v2-60-rounds/model.ubj", "breast_cancer", "x"}};
    for (int m = 0; m < 3; m++) {
        enum spec_engine e = models[m][2][0] == 'o' ? SPEC_ONNX : SPEC_XGBOOST;
        need(e);
        struct runner *r = open_files(e, models[m][0], NULL, NULL);
        struct rows rows;
        rows_read(models[m][1], &rows);
        struct runner_answer *all = calloc(rows.n, sizeof *all), one, *back = calloc(rows.n, sizeof *back);
        const json_t **reversed = calloc(rows.n, sizeof(json_t *));
        for (size_t i = 0; i < rows.n; i++)
            reversed[i] = rows.input[rows.n - 1 - i];
        ck_assert_int_eq(runner_predict(r, rows.input, rows.n, all), 0);
        ck_assert_int_eq(runner_predict(r, reversed, rows.n - 3, back), 0);
        for (size_t i = 0; i < rows.n; i++) {
            const struct runner_answer *a = &all[i];
            if (i % 7 == 0) {
                ck_assert_int_eq(runner_predict(r, &rows.input[i], 1, &one), 0);
                ck_assert_mem_eq(one.values, a->values, a->width * sizeof(double));
                runner_answer_fini(&one);
            }
            if (i >= 3)
                ck_assert_mem_eq(back[rows.n - 1 - i].values, a->values, a->width * sizeof(double));
        }
        for (size_t i = 0; i < rows.n; i++)
            runner_answer_fini(&all[i]), runner_answer_fini(&back[i]);
        free(all), free(back), free(reversed);
        rows_fini(&rows);
        runner_close(r);
    }
}
END_TEST

static void bad_row(struct runner *r, const char *input, const char *want)
{
    json_t *good = json_loads("{\"x\":[0]}", 0, NULL), *bad = json_loads(input, JSON_DECODE_ANY, NULL);
    ck_assert_ptr_nonnull(bad);
    ck_assert_int_eq(runner_check(r, bad), -EINVAL);
    ck_assert_msg(strstr(fail_text(), want) != NULL, "%s: %s", input, fail_text());
    const json_t *in[] = {bad, bad};
    struct runner_answer a[2];
    ck_assert_int_eq(runner_predict(r, in, 2, a), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_msg(a[i].error && strstr(a[i].error, want), "%s: %s", input, a[i].error);
        runner_answer_fini(&a[i]);
    }
    json_decref(good), json_decref(bad);
}

START_TEST(rows_that_do_not_fit)
{
    need(SPEC_ONNX);
    need(SPEC_XGBOOST);
    struct runner *r = open_files(SPEC_ONNX, D "digits/selfcontained/model.onnx", NULL, NULL);
    bad_row(r, "{\"x\":[1,2,3]}", "input \"x\" f32 [64]: the row's value has shape [3]");
    bad_row(r, "{\"a\":1,\"b\":2}", "the row has no \"x\"");
    bad_row(r, "{\"x\":\"seven\"}", "shape []");
    bad_row(r, "{\"x\":[[1,2],[3]]}", "unequal length");
    bad_row(r, "{\"x\":[[1,2],3]}", "unequal depth");
    char long_row[1000] = "{\"x\":[null", huge[1000] = "{\"x\":[1e39", text[1000] = "{\"x\":[\"a\"";
    for (int i = 0; i < 63; i++)
        strcat(long_row, ",0"), strcat(huge, ",0"), strcat(text, ",0");
    bad_row(r, strcat(long_row, "]}"), "null (a missing value)");
    bad_row(r, strcat(huge, "]}"), "1e+39 does not fit f32");
    bad_row(r, strcat(text, "]}"), "a text where a number is needed");
    runner_close(r);
    r = open_files(SPEC_XGBOOST, D "diabetes/v1-deep/model.ubj", NULL, NULL);
    bad_row(r, "{\"age\":1,\"sex\":1}", "the row has no \"bmi\"");
    bad_row(
        r,
        "{\"age\":1,\"sex\":\"f\",\"bmi\":1,\"bp\":1,\"s1\":1,\"s2\":1,\"s3\":1,\"s4\":1,\"s5\":1,\"s6\":1}",
        "\"sex\"");
    bad_row(r, "{\"x\":[1,2]}", "shape [2]");
    runner_close(r);
}
END_TEST

/* What comes out of each kind of objective, features missing here and there, is what XGBoost's Python says.
 */
START_TEST(objectives)
{
    static const char *const names[] = {
        "reg-squarederror", "reg-logistic", "reg-gamma",     "count-poisson",  "binary-logistic",
        "binary-logitraw",  "binary-hinge", "multi-softmax", "multi-softprob", "rank-pairwise"};
    need(SPEC_XGBOOST);
    struct rows rows;
    rows_read("objectives", &rows);
    const char *engine;
    ck_assert_int_eq(runner_fingerprint(SPEC_XGBOOST, &engine), 0);
    int newer = strncmp(engine, "xgboost 1.", 10) != 0;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        char path[128];
        snprintf(path, sizeof path, D "objectives/%s.ubj", names[k]);
        if (newer && !strcmp(names[k], "reg-gamma"))
            continue; /* which XGBoost itself no longer reads from a file of 1.7 */
        struct runner *r = open_files(SPEC_XGBOOST, path, NULL, NULL);
        struct runner_answer a[MOST];
        ck_assert_msg(runner_predict(r, rows.input, rows.n, a) == 0, "%s", fail_text());
        snprintf(path, sizeof path, D "objectives/%s.csv", names[k]);
        char *text = unit_read_file(path, NULL), *at = text, *end = text;
        for (size_t i = 0; i < rows.n; i++) {
            ck_assert_msg(!a[i].error && a[i].width == runner_signature(r)->width, "%s: %s", names[k],
                          a[i].error);
            for (size_t j = 0; j < a[i].width; j++, at = end + 1) {
                double want = strtod(at, &end);
                ck_assert_msg(end > at && fabs(a[i].values[j] - want) <= 1e-6 * fabs(want),
                              "%s, row %zu: %.9g, not %.9g", names[k], i, a[i].values[j], want);
            }
            runner_answer_fini(&a[i]);
        }
        ck_assert_msg(*at == 0, "%s: the file has more", names[k]);
        free(text);
        runner_close(r);
    }
    rows_fini(&rows);
}
END_TEST

/* A bad row among good ones hurts nobody else; null is a missing value for a booster. */
START_TEST(one_bad_row)
{
    need(SPEC_XGBOOST);
    struct runner *r = open_files(SPEC_XGBOOST, D "diabetes/v1-deep/model.ubj", NULL, NULL);
    json_t *array = json_loads("[47,1,31.6,84,154,88,30,5.1,5.1985,105]", 0, NULL);
    json_t *named =
        json_loads("{\"s6\":105,\"age\":47,\"sex\":1,\"bmi\":31.6,\"bp\":84,\"s1\":154,\"s2\":88,\"s3\":30,"
                   "\"s4\":5.1,\"s5\":5.1985}",
                   0, NULL);
    json_t *missing = json_loads("{\"x\":[47,1,null,84,154,88,30,5.1,5.1985,105]}", 0, NULL),
           *bad = json_array();
    const json_t *in[] = {array, bad, named, missing};
    struct runner_answer a[4];
    ck_assert_int_eq(runner_predict(r, in, 4, a), 0);
    ck_assert_ptr_nonnull(a[1].error);
    ck_assert(!a[0].error && !a[2].error && !a[3].error);
    ck_assert_double_eq_tol(a[0].values[0], 234.397583, 1e-4); /* db-001 */
    ck_assert_double_eq(a[0].values[0], a[2].values[0]);
    ck_assert_double_ne(a[0].values[0], a[3].values[0]);
    for (int i = 0; i < 4; i++)
        runner_answer_fini(&a[i]);
    json_decref(array), json_decref(named), json_decref(missing), json_decref(bad);
    runner_close(r);
}
END_TEST

struct job {
    struct runner *r;
    const struct rows *rows;
    struct runner_answer *a;
    int err;
};

static void *work(void *arg)
{
    struct job *j = arg;
    j->err = runner_predict(j->r, j->rows->input, j->rows->n, j->a);
    return NULL;
}

START_TEST(threads_share_a_runner)
{
    static const char *const models[][3] = {{D "digits/selfcontained/model.onnx", "digits", "o"},
                                            {D "tokens/v2-long/model.onnx", "tokens", "o"},
                                            {D "breast_cancer/v2-60-rounds/model.ubj", "breast_cancer", "x"}};
    for (int m = 0; m < 3; m++) {
        enum spec_engine e = models[m][2][0] == 'o' ? SPEC_ONNX : SPEC_XGBOOST;
        struct runner *r = open_files(e, models[m][0], NULL, NULL);
        struct rows rows;
        rows_read(models[m][1], &rows);
        struct job job[3];
        pthread_t t[3];
        for (int i = 0; i < 3; i++) {
            job[i] = (struct job){r, &rows, calloc(rows.n, sizeof(struct runner_answer)), 0};
            ck_assert_int_eq(pthread_create(&t[i], NULL, work, &job[i]), 0);
        }
        for (int i = 0; i < 3; i++) {
            pthread_join(t[i], NULL);
            ck_assert_int_eq(job[i].err, 0);
        }
        for (int i = 2; i >= 0; i--) {
            for (size_t k = 0; k < rows.n; k++) {
                ck_assert_mem_eq(job[i].a[k].values, job[0].a[k].values, job[0].a[k].width * sizeof(double));
                runner_answer_fini(&job[i].a[k]);
            }
            free(job[i].a);
        }
        rows_fini(&rows);
        runner_close(r);
    }
}
END_TEST

START_TEST(a_missing_engine_is_a_sentence)
{
    setenv("MODELFS_ONNXRUNTIME", "/nowhere/libonnxruntime.so.1", 1);
    setenv("MODELFS_XGBOOST", "/nowhere/libxgboost.so", 1);
    struct runner_source src = {.name = "m", .model = "", .model_len = 0};
    refused(SPEC_ONNX, &src, -ENOTSUP, "ONNX Runtime");
    ck_assert_str_ne(fail_hint_text(), "");
    refused(SPEC_XGBOOST, &src, -ENOTSUP, "XGBoost");
    const char *f;
    ck_assert_int_eq(runner_fingerprint(SPEC_ONNX, &f), -ENOTSUP);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("runner");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, graph_and_weights);
    tcase_add_test(t, self_contained);
    tcase_add_test(t, kept_form);
    tcase_add_test(t, boosters);
    tcase_add_test(t, one_spec_two_engines);
    tcase_add_test(t, order_does_not_matter);
    tcase_add_test(t, rows_that_do_not_fit);
    tcase_add_test(t, one_bad_row);
    tcase_add_test(t, objectives);
    tcase_add_test(t, threads_share_a_runner);
    tcase_add_test(t, a_missing_engine_is_a_sentence);
    suite_add_tcase(s, t);
    return s;
}
