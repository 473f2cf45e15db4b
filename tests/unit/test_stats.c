/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/stats.h"
#include "fs/eval/word.h"
#include "tests/unit/csv.h"
#include <errno.h>
#include <math.h>

#define CLOSE(a, b, tol) ck_assert_double_le(fabs((a) - (b)), (tol)*fmax(1, fabs(b)))

START_TEST(beta_is_scipys)
{
    struct csv c = csv_open("tests/data/stats/beta.csv");
    while (csv_next(&c))
        CLOSE(stats_beta(csv_num(&c, 0), csv_num(&c, 1), csv_num(&c, 2)), csv_num(&c, 3), 1e-9);
    csv_close(&c, 100);
}
END_TEST

START_TEST(mcnemar_is_statsmodels)
{
    struct csv c = csv_open("tests/data/stats/mcnemar.csv");
    while (csv_next(&c)) {
        double p = stats_mcnemar(csv_int(&c, 0), csv_int(&c, 1)), want = csv_num(&c, 2);
        ck_assert_double_le(fabs(p - want), 1e-9 * want + 1e-300);
    }
    csv_close(&c, 150);
    ck_assert_double_le(fabs(stats_mcnemar(13, 1) - .00183), 5e-6); /* the design's mock-up */
}
END_TEST

START_TEST(proportions_are_scipys)
{
    struct csv c = csv_open("tests/data/stats/proportions.csv");
    while (csv_next(&c)) {
        struct stats_interval e = stats_exact(csv_num(&c, 0), csv_num(&c, 1), csv_num(&c, 2));
        struct stats_interval w = stats_wilson(csv_num(&c, 0), csv_num(&c, 1), csv_num(&c, 2));
        CLOSE(e.lo, csv_num(&c, 3), 1e-10);
        CLOSE(e.hi, csv_num(&c, 4), 1e-10);
        CLOSE(w.lo, csv_num(&c, 5), 1e-10);
        CLOSE(w.hi, csv_num(&c, 6), 1e-10);
    }
    csv_close(&c, 30);
}
END_TEST

START_TEST(holm_is_statsmodels)
{
    struct csv c = csv_open("tests/data/stats/holm.csv");
    double p[32], want[32], got[32];
    size_t n = 0;
    for (int more = csv_next(&c), family = 0; more || n; family++) {
        for (n = 0; more && csv_int(&c, 0) == (unsigned long)family; more = csv_next(&c)) {
            p[n] = csv_num(&c, 1);
            want[n++] = csv_num(&c, 2);
        }
        ck_assert_int_eq(stats_holm(p, n, got), 0);
        for (size_t i = 0; i < n; i++)
            CLOSE(got[i], want[i], 1e-12);
    }
    csv_close(&c, 40);
    ck_assert_int_eq(stats_holm(p, 3, p), 0); /* in place */
}
END_TEST

START_TEST(flips_are_the_formula)
{
    struct csv c = csv_open("tests/data/stats/flips.csv");
    while (csv_next(&c)) {
        struct stats_interval i = stats_flips(csv_num(&c, 0), csv_num(&c, 1), csv_num(&c, 2), .95);
        CLOSE(i.lo, csv_num(&c, 3), 1e-10);
        CLOSE(i.hi, csv_num(&c, 4), 1e-10);
    }
    csv_close(&c, 8);
}
END_TEST

/* Every table of n rows with up to 40 flips each way, 1681 as in the design: the interval leaves 0 out
 * exactly when the test rejects. */
START_TEST(flips_agree_with_the_test)
{
    size_t tables = 0, rejected = 0;
    for (uint64_t b = 0; b <= 40; b++)
        for (uint64_t c = 0; c <= 40; c++, tables++) {
            struct stats_interval i = stats_flips(200, (double)b, (double)c, .95);
            int reject = stats_mcnemar(b, c) <= .05;
            ck_assert_msg(reject == (i.lo > 0 || i.hi < 0), "%d broken, %d fixed", (int)b, (int)c);
            ck_assert(i.lo <= (double)(c - (double)b) / 200 && (double)((double)c - (double)b) / 200 <= i.hi);
            rejected += reject;
        }
    ck_assert_uint_eq(tables, 1681);
    ck_assert_uint_gt(rejected, 500);
}
END_TEST

/* Probability that the interval holds the truth, summed over every outcome of n rows. */
static double coverage(int n, double disagree, double share_fixed)
{
    double pb = disagree * (1 - share_fixed), pc = disagree * share_fixed, truth = pc - pb, sum = 0;
    for (int b = 0; b <= n; b++)
        for (int c = 0; b + c <= n; c++) {
            if ((b && pb <= 0) || (c && pc <= 0))
                continue;
            double log_p = lgamma(n + 1) - lgamma(b + 1) - lgamma(c + 1) - lgamma(n - b - c + 1) +
                           (b ? b * log(pb) : 0) + (c ? c * log(pc) : 0) + (n - b - c) * log1p(-pb - pc);
            if (log_p < -25) /* 1e-11 */
                continue;
            struct stats_interval i = stats_flips(n, b, c, .95);
            sum += i.lo <= truth && truth <= i.hi ? exp(log_p) : 0;
        }
    return sum;
}

START_TEST(flips_cover)
{
    static const int ns[] = {12, 40, 100};
    static const double disagree[] = {.02, .1, .4}, share[] = {.5, .3, .1, 0};
    double worst = 1;
    for (int n = 0; n < 3; n++)
        for (int d = 0; d < 3; d++)
            for (int s = 0; s < 4; s++)
                worst = fmin(worst, coverage(ns[n], disagree[d], share[s]));
    ck_assert_double_ge(worst, .95);
    ck_assert_double_le(worst, .9999); /* it is an interval, not everything */
}
END_TEST

START_TEST(how_many_rows)
{
    /* the design's figures: without a flip OK needs so many rows */
    ck_assert_uint_eq(stats_rows_to_settle(212, 0, 0, .005), 736);
    ck_assert_uint_eq(stats_rows_to_settle(212, 0, 0, .01), 368);
    ck_assert_uint_eq(stats_rows_to_settle(100, 0, 0, .02), 183);
    ck_assert_uint_eq(stats_rows_to_settle(10, 0, 0, .05), 72);
    ck_assert_uint_eq(stats_rows_to_settle(736, 0, 0, .005), 736);
    ck_assert_uint_eq(stats_rows_to_settle(0, 0, 0, .05), 72);
    uint64_t n = stats_rows_to_settle(200, 10, 10, .01);
    double grow = (double)n / 200, less = (double)(n - 1) / 200;
    ck_assert_double_ge(stats_flips((double)n, 10 * grow, 10 * grow, .95).lo, -.01);
    ck_assert_double_lt(stats_flips((double)(n - 1), 10 * less, 10 * less, .95).lo, -.01);
    ck_assert_double_eq(stats_smallest_detectable(400, 25), 2.8 * 5 / 400);
    CLOSE(stats_smallest_detectable(212, 0), .0172498, 1e-4);
}
END_TEST

START_TEST(random_numbers_are_the_published_ones)
{
    /* xoshiro256** with the state 1, 2, 3, 4: the values its authors' C code prints first */
    struct stats_rng r = {{1, 2, 3, 4}};
    static const uint64_t want[] = {11520, 0, 1509978240, 1215971899390074240};
    for (int i = 0; i < 4; i++)
        ck_assert(stats_rng_next(&r) == want[i]);
    stats_rng_init(&r, 0); /* splitmix64 from 0 */
    ck_assert(r.s[0] == 0xe220a8397b1dcdafu && r.s[1] == 0x6e789e6aa1b965f4u);
    uint32_t seen[7] = {0};
    for (int i = 0; i < 70000; i++)
        seen[stats_rng_below(&r, 7)]++;
    for (int i = 0; i < 7; i++)
        ck_assert(seen[i] > 9600 && seen[i] < 10400); /* sd 93 */
}
END_TEST

START_TEST(bootstrap_of_a_mean)
{
    enum { N = 400 };
    double d[N], mean = 0, sq = 0;
    struct stats_rng r;
    stats_rng_init(&r, 7);
    for (int i = 0; i < N; i++) {
        d[i] = (double)stats_rng_below(&r, 1000) / 1000 - .45;
        mean += d[i] / N;
    }
    for (int i = 0; i < N; i++)
        sq += (d[i] - mean) * (d[i] - mean) / N;
    struct stats_boot b = {.n = N, .seed = 1, .level = .95};
    struct stats_boot_result x, y;
    ck_assert_int_eq(stats_bootstrap_mean(&b, d, NULL, &x), 1);
    CLOSE(x.se, sqrt(sq / N), .1); /* the textbook's standard error, within Monte Carlo's 2 % and more */
    ck_assert_double_le(fabs(x.se / sqrt(sq / N) - 1), .06);
    ck_assert_double_le(fabs(x.ci.lo - (mean - 1.96 * x.se)), .15 * x.se);
    ck_assert_double_le(fabs(x.ci.hi - (mean + 1.96 * x.se)), .15 * x.se);
    ck_assert_int_eq(stats_bootstrap_mean(&b, d, NULL, &y), 1);
    ck_assert_mem_eq(&x, &y, sizeof x); /* same seed, same bytes */
    b.seed = 2;
    ck_assert_int_eq(stats_bootstrap_mean(&b, d, NULL, &y), 1);
    ck_assert_double_ne(x.ci.lo, y.ci.lo);
}
END_TEST

START_TEST(bootstrap_agrees_with_its_p)
{
    double d[40];
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct stats_rng r;
        stats_rng_init(&r, seed);
        for (int i = 0; i < 40; i++)
            d[i] = (double)stats_rng_below(&r, 1000) / 1000 - .38;
        struct stats_boot b = {.n = 40, .seed = seed, .level = .95};
        struct stats_boot_result x;
        ck_assert_int_eq(stats_bootstrap_mean(&b, d, NULL, &x), 1);
        ck_assert_int_eq(x.p <= .05, x.ci.lo > 0 || x.ci.hi < 0);
    }
}
END_TEST

/* As many of the 2000 replicates at or below 0 as asked for, the others above. */
static double below(void *ctx, const double *times)
{
    int *left = ctx;
    (void)times;
    return --*left >= 0 ? -*left : 1;
}

START_TEST(bootstrap_at_the_edge)
{
    struct stats_boot b = {.n = 50, .seed = 1, .level = .95};
    struct stats_boot_result x;
    int k = 49; /* p = 2 (1 + 49) / 2001 */
    ck_assert_int_eq(stats_bootstrap(&b, below, &k, &x), 1);
    ck_assert(x.p == 100. / 2001 && x.p <= .05 && x.ci.lo > 0);
    k = 50;
    ck_assert_int_eq(stats_bootstrap(&b, below, &k, &x), 1);
    ck_assert(x.p == 102. / 2001 && x.p > .05 && x.ci.lo <= 0 && x.used == 2000);
}
END_TEST

START_TEST(bootstrap_of_groups)
{
    /* ten rows a group, all alike: the groups are what varies, so the interval is wider than that of rows */
    enum { N = 300 };
    double d[N];
    uint32_t group[N];
    struct stats_rng r;
    stats_rng_init(&r, 3);
    for (int i = 0; i < N; i++) {
        group[i] = (uint32_t)i / 10;
        d[i] = i % 10 ? d[i - 1] : (double)stats_rng_below(&r, 1000) / 1000;
    }
    struct stats_boot rows = {.n = N, .seed = 1, .level = .95};
    struct stats_boot groups = {.n = N, .group = group, .n_groups = N / 10, .seed = 1, .level = .95};
    struct stats_boot_result a, b;
    ck_assert_int_eq(stats_bootstrap_mean(&rows, d, NULL, &a), 1);
    ck_assert_int_eq(stats_bootstrap_mean(&groups, d, NULL, &b), 1);
    ck_assert_double_gt(b.se, 2.5 * a.se);
    ck_assert_double_lt(b.se, 4 * a.se); /* sqrt(10) */
    groups.n_groups = 9;
    ck_assert_int_eq(stats_bootstrap_mean(&groups, d, NULL, &b), 0); /* too few */
    groups.n_groups = 20;
    ck_assert_int_eq(stats_bootstrap_mean(&groups, d, NULL, &b), -EINVAL);
    rows.n = 19;
    ck_assert_int_eq(stats_bootstrap_mean(&rows, d, NULL, &b), 0);
}
END_TEST

static double needs_row_0(void *ctx, const double *times)
{
    (void)ctx;
    return times[0] > 0 ? 1 : NAN;
}

START_TEST(bootstrap_undefined)
{
    struct stats_boot b = {.n = 50, .seed = 1, .level = .95};
    struct stats_boot_result x;
    ck_assert_int_eq(stats_bootstrap(&b, needs_row_0, NULL, &x), 0); /* undefined in (1 - 1/50)^50 = 36 % */
}
END_TEST

static enum word word(double point, double lo, double hi, double margin, double p_adj, const char **note)
{
    struct word_case c = {point, {lo, hi}, 1, margin, p_adj, .05};
    return word_decide(&c, note);
}

START_TEST(words)
{
    const char *note = "";
    ck_assert_str_eq(word_name(word(.015, .004, .028, .005, -1, &note)), "IMPROVED");
    ck_assert_ptr_null(note);
    ck_assert_str_eq(word_name(word(-.057, -.108, -.012, .02, .013, &note)), "REGRESSED");
    ck_assert_str_eq(word_name(word(-.057, -.108, -.012, .02, .21, &note)), "UNDECIDED"); /* after Holm */
    ck_assert_str_eq(word_name(word(0, -.004, .004, .005, -1, &note)), "OK");
    ck_assert_str_eq(word_name(word(0, -.006, .006, .005, -1, &note)), "UNDECIDED");
    ck_assert_str_eq(word_name(word(-.003, -.0045, -.001, .005, -1, &note)), "OK");
    ck_assert_str_eq(note, "small but real");
    ck_assert_str_eq(word_name(word(-.003, -.008, -.001, .005, -1, &note)), "UNDECIDED");
    struct word_case few = {
        .point = 1, .ci = {.5, 1}, .has_ci = 0, .margin = .005, .p_adj = -1, .alpha = .05};
    ck_assert_int_eq(word_decide(&few, NULL), WORD_UNDECIDED);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("stats");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, beta_is_scipys);
    tcase_add_test(t, mcnemar_is_statsmodels);
    tcase_add_test(t, proportions_are_scipys);
    tcase_add_test(t, holm_is_statsmodels);
    tcase_add_test(t, flips_are_the_formula);
    tcase_add_test(t, flips_agree_with_the_test);
    tcase_add_test(t, flips_cover);
    tcase_add_test(t, how_many_rows);
    tcase_add_test(t, random_numbers_are_the_published_ones);
    tcase_add_test(t, bootstrap_of_a_mean);
    tcase_add_test(t, bootstrap_agrees_with_its_p);
    tcase_add_test(t, bootstrap_at_the_edge);
    tcase_add_test(t, bootstrap_of_groups);
    tcase_add_test(t, bootstrap_undefined);
    tcase_add_test(t, words);
    suite_add_tcase(s, t);
    return s;
}
