/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/predict.h"
#include "store/base/fail.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct model { /* what a model says of itself */
    const char *producer, *objective;
    size_t width;
    int text;
    const char *label, *label2; /* JSON of two rows' labels */
    const char *spec;
};

static int make(const struct model *m, const char *const *version_labels, size_t n, struct predict_plan *ret)
{
    struct runner_signature sig = {.producer = m->producer ? m->producer : "",
                                   .objective = m->objective ? m->objective : "",
                                   .output = {.dtype = m->text ? DTYPE_NONE : DTYPE_F32}};
    struct predict_seen seen = {0};
    const char *texts[] = {m->label, m->label2};
    for (int i = 0; i < 2; i++)
        if (texts[i]) {
            json_t *l = json_loads(texts[i], JSON_DECODE_ANY, NULL);
            ck_assert_ptr_nonnull(l);
            predict_see(&seen, l);
            json_decref(l);
        }
    struct spec s;
    ck_assert_msg(spec_parse(m->spec, m->spec ? strlen(m->spec) : 0, &s) == 0, "%s", fail_text());
    fail_clear();
    int err = predict_plan_make(&s, &sig, m->width, version_labels, n, &seen, ret);
    spec_fini(&s);
    return err;
}

START_TEST(tasks_without_configuration)
{
    static const struct {
        struct model m;
        enum spec_task task;
        enum predict_columns columns;
        size_t nlabels;
    } cases[] = {
        {{.producer = "Gemm", .width = 10, .label = "3"}, SPEC_CLASSIFICATION, PREDICT_LOGITS, 10},
        {{.producer = "Softmax", .width = 3, .label = "0"}, SPEC_CLASSIFICATION, PREDICT_PROBABILITIES, 3},
        {{.producer = "Softmax", .width = 2, .label = "0"}, SPEC_BINARY, PREDICT_PROBABILITIES, 2},
        {{.producer = "Div", .width = 3, .label = "0"}, SPEC_CLASSIFICATION, PREDICT_EITHER, 3},
        {{.producer = "Sigmoid", .width = 1, .label = "1"}, SPEC_BINARY, PREDICT_PROBABILITIES, 2},
        {{.producer = "Gemm", .width = 1, .label = "151"}, SPEC_REGRESSION, PREDICT_NUMBER, 0},
        {{.producer = "Gemm", .width = 1, .label = "0.5"}, SPEC_REGRESSION, PREDICT_NUMBER, 0},
        {{.producer = "Gemm", .width = 1}, SPEC_REGRESSION, PREDICT_NUMBER, 0},
        {{.text = 1, .label = "\"cat\""}, SPEC_CLASSIFICATION, PREDICT_TEXT, 0},
        {{.objective = "binary:logistic", .width = 1, .label = "0"}, SPEC_BINARY, PREDICT_PROBABILITIES, 2},
        {{.objective = "binary:logitraw", .width = 1, .label = "0"}, SPEC_BINARY, PREDICT_LOGITS, 2},
        {{.objective = "binary:hinge", .width = 1, .label = "0"}, SPEC_BINARY, PREDICT_INDEX, 2},
        {{.objective = "multi:softprob", .width = 3, .label = "2"},
         SPEC_CLASSIFICATION,
         PREDICT_PROBABILITIES,
         3},
        {{.objective = "multi:softmax", .width = 1, .label = "0", .label2 = "4"},
         SPEC_CLASSIFICATION,
         PREDICT_INDEX,
         5},
        {{.objective = "reg:squarederror", .width = 1, .label = "1"}, SPEC_REGRESSION, PREDICT_NUMBER, 0},
        {{.objective = "rank:pairwise", .width = 1, .label = "1"}, SPEC_REGRESSION, PREDICT_NUMBER, 0},
        {{.producer = "Gemm", .width = 1, .label = "1", .spec = "{\"task\":\"binary\"}"},
         SPEC_BINARY,
         PREDICT_LOGITS,
         2},
        {{.producer = "Gemm", .width = 1, .label = "1", .spec = "{\"task\":\"regression\"}"},
         SPEC_REGRESSION,
         PREDICT_NUMBER,
         0},
        {{.producer = "Gemm", .width = 1, .label = "\"b\"", .spec = "{\"labels\":[\"a\",\"b\"]}"},
         SPEC_BINARY,
         PREDICT_LOGITS,
         2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct predict_plan p;
        ck_assert_msg(make(&cases[i].m, NULL, 0, &p) == 0, "case %zu: %s", i, fail_text());
        ck_assert_msg(
            p.task == cases[i].task && p.columns == cases[i].columns && p.nlabels == cases[i].nlabels,
            "case %zu: %s, columns %d, %zu labels", i, spec_task_name(p.task), p.columns, p.nlabels);
        predict_plan_fini(&p);
    }
}
END_TEST

START_TEST(what_the_spec_must_say)
{
    static const struct {
        struct model m;
        const char *want;
    } cases[] = {
        {{.producer = "Gemm", .width = 1, .label = "0", .label2 = "1"}, "\"task\""},
        {{.producer = "Gemm", .width = 3, .label = "0.5"}, "\"task\""},
        {{.producer = "Gemm", .width = 3, .label = "\"cat\""}, "\"labels\""},
        {{.producer = "Sigmoid", .width = 1, .label = "\"cat\""}, "\"labels\""},
        {{.producer = "Gemm", .width = 3, .spec = "{\"labels\":[\"a\",\"b\"]}"},
         "name 2 labels, the output has 3"},
        {{.producer = "Gemm", .width = 2, .spec = "{\"task\":\"regression\"}"}, "regression needs one"},
        {{.producer = "Gemm", .width = 3, .spec = "{\"task\":\"binary\"}"}, "binary needs two"},
        {{.producer = "Gemm", .width = 1, .label = "7", .spec = "{\"task\":\"classification\"}"}, "\"task\""},
        {{.text = 1, .spec = "{\"task\":\"regression\"}"}, "texts"},
        {{.width = 0}, "no columns"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct predict_plan p;
        ck_assert_msg(make(&cases[i].m, NULL, 0, &p) == -EINVAL, "case %zu taken", i);
        ck_assert_msg(strstr(fail_text(), cases[i].want) != NULL, "case %zu: %s", i, fail_text());
    }
}
END_TEST

START_TEST(labels_in_order)
{
    static const char *const version[] = {"benign", "malignant"};
    struct model m = {.producer = "Softmax", .width = 2, .label = "\"malignant\""};
    struct predict_plan p;
    ck_assert_int_eq(make(&m, version, 2, &p), 0);
    ck_assert_str_eq(p.labels[1], "malignant");
    ck_assert_int_eq(predict_label(&p, "malignant"), 1);
    ck_assert_int_eq(predict_label(&p, "Malignant"), -1);
    predict_plan_fini(&p);
    m.spec = "{\"labels\":[\"ok\",\"bad\"]}"; /* the spec wins */
    ck_assert_int_eq(make(&m, version, 2, &p), 0);
    ck_assert_str_eq(p.labels[0], "ok");
    predict_plan_fini(&p);
    m = (struct model){.producer = "Gemm", .width = 2, .label = "1"};
    ck_assert_int_eq(make(&m, NULL, 0, &p), 0);
    ck_assert_str_eq(p.labels[1], "1");
    predict_plan_fini(&p);
}
END_TEST

static struct prediction decode(const struct model *m, const double *v, double *prob)
{
    struct predict_plan p;
    struct prediction r;
    struct runner_answer a = {.values = (double *)v, .width = m->width};
    ck_assert_msg(make(m, NULL, 0, &p) == 0, "%s", fail_text());
    ck_assert_msg(predict_decode(&p, &a, &r, prob) == 0, "%s", fail_text());
    predict_plan_fini(&p);
    return r;
}

START_TEST(decoding)
{
    double q[3];
    struct model logits = {.producer = "Gemm", .width = 3}, soft = {.producer = "Softmax", .width = 3},
                 either = {.producer = "Div", .width = 3};
    struct prediction r = decode(&logits, (double[]){1, 3, 2}, q);
    ck_assert_int_eq(r.label, 1);
    ck_assert_double_le(fabs(q[0] - .09003057317038046) + fabs(q[1] - .6652409557748219) +
                            fabs(q[2] - .24472847105479767),
                        1e-15);
    ck_assert_double_le(fabs(r.margin - (q[1] - q[2])), 1e-15);
    decode(&logits, (double[]){1000, -1000, 1000}, q); /* no overflow */
    ck_assert(q[0] == .5 && q[1] == 0);
    r = decode(&soft, (double[]){.2, .2, .6}, q);
    ck_assert(r.label == 2 && q[2] == .6 && isnan(r.number));
    r = decode(&soft, (double[]){.4, .4, .2}, NULL); /* the first of equals */
    ck_assert(r.label == 0 && r.margin == 0);
    decode(&either, (double[]){.2, .2, .6}, q);
    ck_assert_double_eq(q[2], .6);
    decode(&either, (double[]){.2, .2, 6}, q);
    ck_assert_double_gt(q[2], .99);

    struct model sigmoid = {.producer = "Sigmoid", .width = 1},
                 raw = {.objective = "binary:logitraw", .width = 1},
                 low = {.producer = "Sigmoid", .width = 1, .spec = "{\"decision\":{\"threshold\":0.3}}"},
                 number = {.producer = "Gemm", .width = 1, .label = "7.5"},
                 index = {.objective = "multi:softmax", .width = 1, .label = "2"};
    r = decode(&sigmoid, (double[]){.4}, q);
    ck_assert(r.label == 0 && q[0] == .6 && q[1] == .4);
    r = decode(&low, (double[]){.4}, q);
    ck_assert(r.label == 1 && fabs(r.margin - .1) < 1e-15);
    r = decode(&raw, (double[]){log(3)}, q);
    ck_assert(r.label == 1 && fabs(q[1] - .75) < 1e-15);
    r = decode(&number, (double[]){-7.25}, NULL);
    ck_assert(r.label == -1 && r.number == -7.25);
    r = decode(&index, (double[]){2}, q);
    ck_assert(r.label == 2 && isnan(q[0]) && isnan(r.margin));
}
END_TEST

START_TEST(answers_that_are_none)
{
    struct model m = {.objective = "multi:softmax", .width = 1, .label = "2"};
    struct predict_plan p;
    struct prediction r;
    static const double bad[] = {-1, 3, 1.5, NAN, INFINITY};
    ck_assert_int_eq(make(&m, NULL, 0, &p), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct runner_answer a = {.values = (double *)&bad[i], .width = 1};
        ck_assert_int_eq(predict_decode(&p, &a, &r, NULL), -EINVAL);
    }
    struct runner_answer wide = {.values = (double[]){1, 2}, .width = 2},
                         text = {.text = (char *)"1", .width = 1};
    ck_assert_int_eq(predict_decode(&p, &wide, &r, NULL), -EINVAL);
    ck_assert_int_eq(predict_decode(&p, &text, &r, NULL), -EINVAL);
    predict_plan_fini(&p);
    m = (struct model){.text = 1, .spec = "{\"labels\":[\"a\",\"b\"]}"};
    ck_assert_int_eq(make(&m, NULL, 0, &p), 0);
    text.text = (char *)"b";
    ck_assert_int_eq(predict_decode(&p, &text, &r, NULL), 0);
    ck_assert_int_eq(r.label, 1);
    predict_plan_fini(&p);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("predict");
    TCase *t = tcase_create("all");
    tcase_add_test(t, tasks_without_configuration);
    tcase_add_test(t, what_the_spec_must_say);
    tcase_add_test(t, labels_in_order);
    tcase_add_test(t, decoding);
    tcase_add_test(t, answers_that_are_none);
    suite_add_tcase(s, t);
    return s;
}
