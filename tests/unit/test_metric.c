/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/metric.h"
#include "store/base/fail.h"
#include "tests/unit/csv.h"
#include <errno.h>
#include <math.h>

#define MOST 64
static const char *const labels[] = {"L0", "L1", "L2"};

struct data {
    struct metric_rows rows;
    int32_t truth[MOST], pred[MOST];
    double prob[MOST * 3], y[MOST], yhat[MOST], weight[MOST];
};

static void read_classes(const char *path, size_t k, struct data *d)
{
    *d = (struct data){{0}, {0}, {0}, {0}, {0}, {0}, {0}};
    struct csv c = csv_open(path);
    size_t n = 0;
    for (; csv_next(&c); n++) {
        d->truth[n] = (int32_t)csv_int(&c, 0);
        d->pred[n] = (int32_t)csv_int(&c, 1);
        d->weight[n] = csv_num(&c, 2);
        for (size_t j = 0; j < k; j++)
            d->prob[n * k + j] = csv_num(&c, 3 + j);
    }
    csv_close(&c, 50);
    d->rows = (struct metric_rows){.task = k == 2 ? SPEC_BINARY : SPEC_CLASSIFICATION,
                                   .n = n,
                                   .nlabels = k,
                                   .truth = d->truth,
                                   .pred = d->pred,
                                   .prob = d->prob,
                                   .weight = d->weight};
}

static void read_numbers(struct data *d)
{
    *d = (struct data){{0}, {0}, {0}, {0}, {0}, {0}, {0}};
    struct csv c = csv_open("tests/data/stats/numbers.csv");
    size_t n = 0;
    for (; csv_next(&c); n++) {
        d->y[n] = csv_num(&c, 0);
        d->yhat[n] = csv_num(&c, 1);
        d->weight[n] = csv_num(&c, 2);
    }
    csv_close(&c, 40);
    d->rows = (struct metric_rows){
        .task = SPEC_REGRESSION, .n = n, .y = d->y, .yhat = d->yhat, .weight = d->weight};
}

static double value(const char *name, const struct metric_rows *r, const double *times)
{
    struct metric m;
    ck_assert_msg(metric_find(name, labels, r->nlabels, &m) == 0, "%s", fail_text());
    struct metric_work *w = metric_work_new(&m, r);
    ck_assert_ptr_nonnull(w);
    double v = metric_value(w, times);
    metric_work_free(w);
    return v;
}

START_TEST(all_are_scikit_learns)
{
    static struct data d[3];
    read_classes("tests/data/stats/three.csv", 3, &d[0]);
    read_classes("tests/data/stats/two.csv", 2, &d[1]);
    read_numbers(&d[2]);
    struct csv c = csv_open("tests/data/stats/metrics.csv");
    while (csv_next(&c)) {
        const char *name = c.field[0];
        struct metric_rows r = d[!strcmp(name, "three") ? 0 : !strcmp(name, "two") ? 1 : 2].rows;
        if (!csv_int(&c, 2))
            r.weight = NULL;
        double v = value(c.field[1], &r, NULL), want = csv_num(&c, 3);
        ck_assert_msg(fabs(v - want) < 1e-11 * fmax(1, fabs(want)), "%s %s: %.17g, not %.17g", name,
                      c.field[1], v, want);
    }
    csv_close(&c, 80);
}
END_TEST

/* A row drawn twice counts as one that stands there twice: what the bootstrap relies on. */
START_TEST(times_are_repetitions)
{
    static const char *const names[] = {"accuracy", "macro_f1",          "precision:L1", "recall:L0",
                                        "auroc",    "average_precision", "log_loss",     "brier",
                                        "ece",      "micro_f1"};
    static struct data d;
    read_classes("tests/data/stats/two.csv", 2, &d);
    d.rows.n = 20;
    d.rows.weight = NULL;
    double times[20];
    static struct data twice;
    struct metric_rows r = d.rows;
    r.truth = twice.truth, r.pred = twice.pred, r.prob = twice.prob, r.n = 0;
    for (size_t i = 0; i < 20; i++) {
        times[i] = (double)(i % 4);
        for (size_t k = 0; k < i % 4; k++, r.n++) {
            twice.truth[r.n] = d.truth[i];
            twice.pred[r.n] = d.pred[i];
            memcpy(&twice.prob[r.n * 2], &d.prob[i * 2], 2 * sizeof(double));
        }
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ck_assert_double_le(fabs(value(names[i], &d.rows, times) - value(names[i], &r, NULL)), 1e-12);
}
END_TEST

START_TEST(failed_rows)
{
    int32_t truth[] = {0, 1, 1, 0}, pred[] = {0, -1, 1, -1};
    double prob[] = {.9, .1, NAN, NAN, .2, .8, NAN, NAN}, y[] = {1, 2}, yhat[] = {2, NAN};
    struct metric_rows r = {.task = SPEC_BINARY,
                            .n = 4,
                            .nlabels = 2,
                            .truth = truth,
                            .pred = pred,
                            .prob = prob,
                            .y = y,
                            .yhat = yhat};
    ck_assert_double_eq(value("accuracy", &r, NULL), .5); /* a failed row is a wrong one */
    ck_assert_double_eq(value("recall:L1", &r, NULL), .5);
    ck_assert_double_eq(value("recall", &r, NULL), .5); /* of the last of two */
    ck_assert_double_eq(value("precision", &r, NULL), 1);
    ck_assert_double_le(fabs(value("log_loss", &r, NULL) + (log(.9) + log(.8)) / 2), 1e-12); /* left out */
    r.n = 2;
    ck_assert_double_eq(value("mae", &r, NULL), 1);
    r.prob = NULL;
    ck_assert_double_nan(value("auroc", &r, NULL));
    ck_assert_double_nan(value("ece", &r, NULL));
    r.n = 0;
    ck_assert_double_nan(value("accuracy", &r, NULL));
    ck_assert_double_nan(value("macro_f1", &r, NULL));
    ck_assert_double_nan(value("r2", &r, NULL));
}
END_TEST

START_TEST(one_class_only)
{
    int32_t truth[] = {1, 1, 1}, pred[] = {1, 0, 1};
    double prob[] = {.3, .7, .6, .4, .1, .9};
    struct metric_rows r = {
        .task = SPEC_BINARY, .n = 3, .nlabels = 2, .truth = truth, .pred = pred, .prob = prob};
    ck_assert_double_nan(value("auroc", &r, NULL));
    ck_assert_double_eq(value("average_precision", &r, NULL), 1);
    ck_assert_double_nan(value("recall:L0", &r, NULL));
}
END_TEST

START_TEST(names)
{
    struct metric m;
    ck_assert_int_eq(metric_find("recall:L1", labels, 3, &m), 0);
    ck_assert_int_eq(m.label, 1);
    ck_assert_str_eq(m.name, "recall:L1");
    ck_assert_int_eq(m.kind, METRIC_RIGHT);
    ck_assert_int_eq(metric_find("log_loss", labels, 3, &m), 0);
    ck_assert_int_eq(m.direction, -1);
    ck_assert_int_eq(m.kind, METRIC_MEAN);
    ck_assert_int_eq(metric_find("recall", labels, 3, &m), -EINVAL); /* of which? */
    ck_assert_int_eq(metric_find("recall:L9", labels, 3, &m), -EINVAL);
    ck_assert_int_eq(metric_find("accuracy:L1", labels, 3, &m), -EINVAL);
    ck_assert_int_eq(metric_find("acc", labels, 3, &m), -EINVAL);
    ck_assert(metric_known("f1:anything") && metric_known("mape") && !metric_known("") && !metric_known("f"));
    for (enum spec_task t = SPEC_CLASSIFICATION; t <= SPEC_REGRESSION; t++)
        for (const char *const *d = metric_defaults(t); *d; d++)
            ck_assert_int_eq(metric_find(*d, labels, 2, &m), 0);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("metric");
    TCase *t = tcase_create("all");
    tcase_add_test(t, all_are_scikit_learns);
    tcase_add_test(t, times_are_repetitions);
    tcase_add_test(t, failed_rows);
    tcase_add_test(t, one_class_only);
    tcase_add_test(t, names);
    suite_add_tcase(s, t);
    return s;
}
