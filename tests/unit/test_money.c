/* SPDX-License-Identifier: Apache-2.0 */
/* What errors cost: the tables against sums by hand, and the pages that show them. */
#include "fs/eval/cost.h"
#include "fs/eval/intervals.h"
#include "store/base/fail.h"
#include "tests/unit/pages.h"
#include <errno.h>

static const char table[] = "truth,pred,fixed,coef,field,unit,note\n"
                            "fraud,ok,0,1.0,amount,EUR,missed fraud loses the amount\n"
                            "ok,fraud,4.00,,,EUR,\"manual, by hand\"\r\n"
                            "fraud, fraud ,4.00,,,EUR,\n"
                            "*,wrong,7,,,EUR,\n";

static double of(const struct cost *c, const char *truth, const char *pred, const char *value)
{
    json_t *v = value ? json_loads(value, 0, NULL) : NULL;
    double x = cost_of_label(c, truth, pred, v);
    json_decref(v);
    return x;
}

START_TEST(first_rule_decides)
{
    struct spec spec;
    struct cost c;
    ck_ok(spec_parse("", 0, &spec));
    ck_ok(cost_parse(table, strlen(table), &spec, &c));
    ck_assert_str_eq(c.unit, "EUR");
    ck_assert_double_eq(of(&c, "fraud", "ok", "{\"amount\":980.5}"), 980.5);
    ck_assert(isnan(of(&c, "fraud", "ok", "{\"other\":1}")) && isnan(of(&c, "fraud", "ok", NULL)));
    ck_assert_double_eq(of(&c, "ok", "fraud", NULL), 4);
    ck_assert_double_eq(of(&c, "fraud", "fraud", NULL), 4);
    ck_assert_double_eq(of(&c, "ok", "other", NULL), 7);
    ck_assert(isnan(of(&c, "ok", "ok", NULL))); /* no rule is no cost, not 0 */
    json_t *v = json_loads("{\"amount\":2}", 0, NULL);
    ck_assert_double_eq(cost_of_failure(&c, "fraud", v), 7); /* the dearest answer */
    json_decref(v);
    cost_fini(&c);
    static const char newsvendor[] = "truth,pred,fixed,coef\n*,over,1,2\n*,under,0,5\n";
    ck_ok(cost_parse(newsvendor, strlen(newsvendor), &spec, &c));
    ck_assert_double_eq(cost_of_number(&c, 10, 13, NULL), 7);
    ck_assert_double_eq(cost_of_number(&c, 10, 8, NULL), 10);
    ck_assert_double_eq(cost_of_number(&c, 10, 10, NULL), 0);
    cost_fini(&c);
    spec_fini(&spec);
}
END_TEST

START_TEST(bad_tables)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"", "no header line"},
        {"truth,pred\n", "no column \"fixed\""},
        {"truth,pred,fixed,price\n", "no column \"price\" is known"},
        {"truth,pred,fixed\n", "no rules"},
        {"truth,pred,fixed\nok,ok,1,2\n", "line 2: 4 cells, where the header has 3"},
        {"truth,pred,fixed\nok,ok,1e999\n", "line 2: fixed"},
        {"truth,pred,fixed\nok,ok,0x10\n", "line 2: fixed"},
        {"truth,pred,fixed\nok,ok,nan\n", "line 2: fixed"},
        {"truth,pred,fixed\nok,frued,1\n", "\"frued\" is not in eval/spec.json's labels"},
        {"truth,pred,fixed\n,ok,1\n", "truth and pred"},
        {"truth,pred,fixed,coef\nok,fraud,1,2\n", "coef needs the field"},
        {"truth,pred,fixed,unit\nok,ok,1,EUR\nok,fraud,1,USD\n", "line 3: unit"},
        {"truth,pred,fixed\n\"ok,ok,1\n", "a quote has no end"},
    };
    static const char json[] = "{\"labels\":[\"ok\",\"fraud\"]}";
    struct spec spec;
    struct cost c;
    ck_ok(spec_parse(json, strlen(json), &spec));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(cost_parse(bad[i].text, strlen(bad[i].text), &spec, &c) == -EINVAL, "%s", bad[i].text);
        ck_assert_msg(strstr(fail_text(), bad[i].why) && strstr(fail_text(), "eval/cost.csv"), "%s: %s",
                      bad[i].text, fail_text());
    }
    spec_fini(&spec);
    struct cost_traffic t;
    static const char half[] = "slice,share\na,0.5\nb,0.4\n", twice[] = "slice,share\na,0.5\na,0.5\n",
                      none[] = "slice,share\na,0\n";
    ck_assert(cost_traffic_parse(half, strlen(half), &t) == -EINVAL && strstr(fail_text(), "sum to 0.9"));
    ck_assert(cost_traffic_parse(twice, strlen(twice), &t) == -EINVAL && strstr(fail_text(), "twice"));
    ck_assert(cost_traffic_parse(none, strlen(none), &t) == -EINVAL && strstr(fail_text(), "share"));
}
END_TEST

START_TEST(expressions)
{
    static const char input[] =
        "{\"age\":65,\"country\":\"ES\",\"new\":true,\"none\":null,\"card\":{\"type\":\"debit\"},"
        "\"a.b\":1,\"zip\":\"0815\",\"x\":[1]}";
    static const struct {
        const char *text;
        int holds; /* -1: no expression */
    } all[] = {
        {"age>=65", 1},
        {"age>65", 0},
        {"age < 65.5", 1},
        {"age!=65", 0},
        {"age == 65", 1},
        {"country=ES", 1},
        {"input.country = ES", 1},
        {"country!=ES", 0},
        {"country!=FR", 1},
        {"country=\"ES\"", 1},
        {"country>3", 0},
        {"new=true", 1},
        {"new!=true", 0},
        {"new=1", 0},
        {"none=0", 0},
        {"none!=0", 0},
        {"missing!=ES", 0},
        {"card.type=debit", 1},
        {"card.type!=debit", 0},
        {"a.b=1", 1},
        {"zip=0815", 1},
        {"zip=815", 0},
        {"x=1", 0},
        {"age>=65 & country=ES", 1},
        {"age>=65&country=FR", 0},
        {"age=\"65\"", 0},
        {"age", -1},
        {"age>", -1},
        {"=3", -1},
        {"age>x", -1},
        {"age>1 &", -1},
        {"c=\"x", -1},
        {"c=\"x\"y", -1},
        {"", -1},
        {"a ! b", -1},
    };
    json_t *v = json_loads(input, 0, NULL);
    struct arena a = {0};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct where w;
        int err = where_parse(all[i].text, &a, &w);
        ck_assert_msg((err == -EINVAL) == (all[i].holds < 0), "%s: %d", all[i].text, err);
        if (!err)
            ck_assert_msg(where_holds(&w, v) == all[i].holds, "%s", all[i].text);
    }
    json_decref(v);
    arena_fini(&a);
}
END_TEST

enum { N = 300 };

/* Against a loop over the rows, with weights and with traffic's shares. */
START_TEST(cost_per_k)
{
    double cost[N], weight[N], sum[2] = {0}, total[2] = {0}, all = 0, n = 0, share[] = {0.9, 0.1};
    int32_t stratum[N];
    uint32_t x = 7;
    for (int i = 0; i < N; i++) {
        x = x * 1664525 + 1013904223;
        cost[i] = i % 17 == 5 ? NAN : (double)(x >> 20);
        weight[i] = i % 3 + 0.5;
        stratum[i] = i % 11 == 0 ? -1 : i % 4 == 0;
        if (isnan(cost[i]))
            continue;
        all += weight[i] * cost[i];
        n += weight[i];
        if (stratum[i] >= 0) {
            sum[stratum[i]] += weight[i] * cost[i];
            total[stratum[i]] += weight[i];
        }
    }
    struct metric m;
    struct metric_rows r = {.task = SPEC_BINARY, .n = N, .nlabels = 2, .weight = weight, .cost = cost};
    ck_ok(metric_find("cost_per_k", NULL, 0, &m));
    ck_assert_int_eq(m.direction, -1);
    struct metric_work *w = metric_work_new(&m, &r);
    ck_assert_double_eq_tol(metric_value(w, NULL), 1000 * all / n, 1e-6);
    r.stratum = stratum, r.share = share, r.nshares = 2;
    ck_assert_double_eq_tol(metric_value(w, NULL), 1000 * (.9 * sum[0] / total[0] + .1 * sum[1] / total[1]),
                            1e-6);
    struct intervals *v = intervals_new();
    struct stats_interval ci, again;
    const char *how;
    ck_ok(intervals_of(v, &m, &r, NULL, 0, &ci, &how));
    ck_assert_str_eq(how, "bootstrap");
    ck_assert(ci.lo < metric_value(w, NULL) && metric_value(w, NULL) < ci.hi);
    ck_ok(intervals_of(v, &m, &r, NULL, 0, &again, &how));
    ck_assert(memcmp(&ci, &again, sizeof ci) == 0);
    intervals_free(v);
    v = intervals_new(); /* what was not computed before is the same */
    ck_ok(intervals_of(v, &m, &r, NULL, 0, &again, &how));
    ck_assert(memcmp(&ci, &again, sizeof ci) == 0);
    for (int i = 0; i < N; i++)
        stratum[i] = stratum[i] == 1 ? -1 : stratum[i];
    ck_assert(isnan(metric_value(w, NULL))); /* a share of traffic that no row shows */
    metric_work_free(w);
    intervals_free(v);
}
END_TEST

/* Beyond some number of rows no replicates are drawn: the same interval, but for what either method errs. */
START_TEST(many_rows)
{
    enum { MANY = 3000, LABELS = 3 };
    static int32_t truth[MANY], pred[MANY];
    static uint32_t each[MANY];
    uint32_t x = 11;
    for (uint32_t i = 0; i < MANY; i++) {
        x = x * 1664525 + 1013904223;
        truth[i] = (int32_t)(x >> 16) % 10 < 6 ? 0 : (int32_t)(x >> 20) % 2 + 1;
        pred[i] = (x >> 12) % 5 ? truth[i] : (int32_t)((x >> 8) % (LABELS + 1)) - 1;
        each[i] = i;
    }
    static const char *const names[] = {"macro_f1", "precision:b", "f1:c", "micro_recall"};
    static const char *const labels[] = {"a", "b", "c"};
    struct intervals *v = intervals_new();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct metric m;
        struct metric_rows r = {
            .task = SPEC_CLASSIFICATION, .n = MANY, .nlabels = LABELS, .truth = truth, .pred = pred};
        struct stats_interval fast, drawn;
        const char *how;
        ck_ok(metric_find(names[i], labels, LABELS, &m));
        ck_ok(intervals_of(v, &m, &r, NULL, 0, &fast, &how));
        ck_assert_str_eq(how, "jackknife");
        ck_ok(intervals_of(v, &m, &r, each, MANY, &drawn, &how)); /* every row a group of its own */
        ck_assert_str_eq(how, "bootstrap_se");
        double wide = drawn.hi - drawn.lo;
        ck_assert_msg(fabs(fast.lo - drawn.lo) < 0.15 * wide && fabs(fast.hi - drawn.hi) < 0.15 * wide,
                      "%s: [%g, %g], drawn [%g, %g]", names[i], fast.lo, fast.hi, drawn.lo, drawn.hi);
    }
    intervals_free(v);
}
END_TEST

/* ---- pages ---- */

static const struct version *opaque(struct evals *e, const char *bytes)
{
    char *dir = trees_path(bytes);
    mkdir(dir, 0755);
    trees_write(dir, "model.bin", bytes, strlen(bytes));
    return evals_commit(e, dir);
}

static int is_fraud(int i)
{
    return i % 5 == 0;
}

static void rows(struct evals *e, int n)
{
    struct out o = {0};
    for (int i = 0; i < n; i++)
        out_printf(&o,
                   "{\"id\":\"t%03d\",\"input\":{\"amount\":%d,\"country\":\"%s\"},\"label\":\"%s\","
                   "\"value\":{\"amount\":%d}}\n",
                   i, 10 + i, i % 4 ? "FR" : "ES", is_fraud(i) ? "fraud" : "ok", 10 + i);
    ck_assert_uint_eq(evals_append_n(e, o.p, o.n).kept, (uint64_t)n);
    out_fini(&o);
}

/* v3 against v4: fewer errors, but dear ones. */
static int wrong(int which, int i)
{
    switch (which) {
    case 1:
        return i % 10 == 5 || i % 25 == 1;
    case 2:
        return i % 50 == 5 || i % 25 == 1 || i % 50 == 2;
    case 3:
        return i % 25 == 1 || i % 25 == 3;
    default:
        return i % 50 == 5 || i % 50 == 10;
    }
}

static void predict(struct evals *e, const struct version *v, int n, int which)
{
    struct out o = {0};
    struct eval_added a;
    for (int i = 0; i < n; i++)
        out_printf(&o, "{\"id\":\"t%03d\",\"prediction\":\"%s\",\"probability\":%s}\n", i,
                   is_fraud(i) != wrong(which, i) ? "fraud" : "ok", wrong(which, i) ? "0.6" : "0.9");
    ck_ok(eval_import(e->eval, &evals_writer, v, o.p, o.n, &a));
    out_fini(&o);
}

/* The sum that the page must show, by hand: the mean of what each row's answer costs, in thousands. */
static double by_hand(int which, int n, int traffic)
{
    double sum[2] = {0}, total[2] = {0};
    for (int i = 0; i < n; i++) {
        int fraud = is_fraud(i), said = fraud != wrong(which, i), es = i % 4 == 0;
        sum[es] += said ? 4 : fraud ? 10 + i : 0;
        total[es]++;
    }
    return 1000 * (traffic ? .8 * sum[0] / total[0] + .2 * sum[1] / total[1]
                           : (sum[0] + sum[1]) / (total[0] + total[1]));
}

static double scored(struct evals *e, const struct version *v, const char *metric)
{
    struct arena a = {0};
    struct eval_score *s;
    size_t n;
    double x = NAN;
    struct eval_result *r = evals_result(e, v, NULL);
    ck_ok(eval_scores(r, &a, &s, &n));
    for (size_t i = 0; i < n; i++)
        if (!strcmp(s[i].metric, metric) && !s[i].slice[0])
            x = s[i].value;
    eval_result_free(r);
    arena_fini(&a);
    return x;
}

START_TEST(pages)
{
    struct evals e = evals_open("money");
    const struct version *a = opaque(&e, "one"), *b = opaque(&e, "two"), *c = opaque(&e, "three"),
                         *d = opaque(&e, "four");
    evals_configure(&e, "spec.json",
                    "{\"labels\":[\"ok\",\"fraud\"],\"volume_per_month\":3000000,"
                    "\"slices\":[\"country=ES\",\"amount>=150\"]}");
    rows(&e, 200);
    predict(&e, a, 200, 1);
    predict(&e, b, 200, 2);
    predict(&e, c, 200, 3);
    predict(&e, d, 200, 4);
    ck_assert(isnan(scored(&e, a, "cost_per_k")));
    evals_configure(&e, "cost.csv",
                    "truth,pred,fixed,coef,field,unit,note\n"
                    "fraud,ok,0,1.0,amount,EUR,missed fraud loses the amount\n"
                    "ok,fraud,4.00,0,,EUR,manual review\n"
                    "fraud,fraud,4.00,0,,EUR,manual review\n"
                    "*,*,0,0,,EUR,otherwise\n");
    ck_assert_double_eq_tol(scored(&e, a, "cost_per_k"), by_hand(1, 200, 0), 1e-6);
    ck_assert_double_eq_tol(scored(&e, b, "cost_per_k"), by_hand(2, 200, 0), 1e-6);
    struct verdict v = section(&e, 1, 2, "money.txt");
    ck_assert_int_eq(v.word, VERDICT_PASS);
    v = section(&e, 3, 4, "money_rose.txt");
    ck_assert(v.word == VERDICT_FAIL && v.fail == 1 && strstr(v.because, "cost/1000 rose"));
    evals_configure(&e, "cost.csv",
                    "truth,pred,fixed,coef,field,unit,note\n"
                    "fraud,ok,0,1.0,amount,EUR,missed fraud loses the amount\n"
                    "*,fraud,30,0,,EUR,manual review\n"
                    "*,*,0,,,,\n");
    section(&e, 3, 4, "money_even.txt");
    evals_configure(&e, "cost.csv",
                    "truth,pred,fixed,coef,field,unit,note\n"
                    "fraud,ok,0,1.0,amount,EUR,missed fraud loses the amount\n"
                    "*,fraud,4,0,,EUR,manual review\n"
                    "*,*,0,,,,\n");
    evals_configure(&e, "traffic.csv", "slice,share\ncountry=ES,0.2\ncountry!=ES,0.8\n");
    ck_assert_double_eq_tol(scored(&e, a, "cost_per_k"), by_hand(1, 200, 1), 1e-6);
    ck_assert_double_eq_tol(scored(&e, b, "cost_per_month"), 3000 * by_hand(2, 200, 1), 1e-3);
    section(&e, 1, 2, "money_traffic.txt");
    render(&e, &report_diff_flips, 1, 2, "money_flips.csv");
    render(&e, &report_diff_eval, 1, 2, "money_eval.csv");
    render(&e, &report_eval_results, 0, 0, "money_results.csv");
    render(&e, &report_eval_summary, 0, 0, "money_summary.txt");
    render(&e, &report_eval_predictions, 1, 0, "money_predictions.csv");
    ck_assert_int_eq(eval_configure(e.eval, &evals_writer, "cost.csv", "truth,pred,fixed\nok,frued,1\n", 29),
                     -EINVAL);
    evals_configure(&e, "traffic.csv", "slice,share\ncountry=ES,0.2\ncountry=DE,0.8\n");
    ck_assert(isnan(scored(&e, a, "cost_per_k")));
    evals_configure(&e, "cost.csv", ""); /* none again */
    evals_reopen(&e, "money");
    ck_assert(isnan(scored(&e, a, "cost_per_k")));
    version_unref(a);
    version_unref(b);
    version_unref(c);
    version_unref(d);
    evals_close(&e);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("money");
    TCase *t = tcase_create("money");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, first_rule_decides);
    tcase_add_test(t, bad_tables);
    tcase_add_test(t, expressions);
    tcase_add_test(t, cost_per_k);
    tcase_add_test(t, many_rows);
    tcase_add_test(t, pages);
    suite_add_tcase(s, t);
    return s;
}
