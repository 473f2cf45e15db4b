/* SPDX-License-Identifier: Apache-2.0 */
/* eval/gates: what is accepted, what is refused and how it is said, and what each rule decides. */
#include "fs/eval/policy.h"
#include "fs/report/review.h"
#include "tests/unit/evals.h"

static int parse(const char *text, struct rules *r)
{
    return rules_parse(text, strlen(text), r);
}

START_TEST(accepts)
{
    struct rules r;
    ck_ok(parse(rules_default(), &r));
    ck_assert_uint_eq(r.nrules, 6);
    ck_assert_uint_eq(r.nwaivers, 0);
    rules_fini(&r);
    ck_ok(parse("es accuracy country=ES margin=2.0pp # why\r\n\n"
                "\"two words\" pass \"tag:a b\" max_broken=1\n"
                "cost log_loss core max_rise=3% conf=0.95\n"
                "size bytes_new model max=200MB level=warn\n"
                "alpha 0.01\nundecided es=fail default=warn\n"
                "waive es v3..v4 until=2026-12-15 by=amy reason=\"under audit\"",
                &r));
    ck_assert_uint_eq(r.nrules, 4);
    ck_assert_str_eq(r.rules[0].text, "margin=2.0pp");
    ck_assert_int_eq(r.rules[0].strict, 1);
    ck_assert_int_eq(r.rules[2].strict, 0);
    ck_assert_str_eq(r.rules[1].name, "two words");
    ck_assert_str_eq(r.rules[1].where, "tag:a b");
    ck_assert_int_eq(r.rules[3].advisory, 1);
    ck_assert_double_eq(rules_value(&r.rules[3], "bytes"), 200e6);
    ck_assert_double_eq(r.alpha, 0.01);
    ck_assert_str_eq(r.waivers[0].b, "v4");
    ck_assert_str_eq(r.waivers[0].reason, "under audit");
    rules_fini(&r);
}
END_TEST

START_TEST(refuses)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"a accuracy core", "NAME METRIC WHERE LIMIT"},
        {"\na accurracy core margin=1pp", "line 2: no such metric: accurracy"},
        {"a accuracy core marginn=1pp", "no such option"},
        {"a accuracy core margin=-1pp", "zero or more"},
        {"a accuracy core margin=nan", "zero or more"},
        {"a accuracy core margin=", "zero or more"},
        {"a accuracy core level=warn", "needs its limit"},
        {"a accuracy core margin=1pp max=1", "a second limit"},
        {"a accuracy core max_broken=1", "not a limit of this metric"},
        {"a pass core max_broken=1.5", "not a count"},
        {"a pass * max_broken=1", "of scores only"},
        {"a accuracy tag:x margin=1pp", "not of rows with a tag"},
        {"a nonfinite core max_new=0", "of the weights"},
        {"a accuracy core margin=1pp\na accuracy core margin=1pp", "line 2: a second rule"},
        {"a accuracy \"core margin=1pp", "a quote without its end"},
        {"alpha 0", "alpha is"},
        {"alpha 0.05 x", "alpha is"},
        {"undecided b=warn", "no rule of that name: b"},
        {"undecided default=maybe", "NAME=warn"},
        {"waive b v1..v2 until=2026-01-01 by=a reason=r", "no rule of that name"},
        {"waive b v1 until=2026-01-01 by=a reason=r", "not a pair"},
        {"waive b v1..v2 until=2026-13-01 by=a reason=r", "a waiver has"},
        {"waive b v1..v2 until=2026-12-01 by=a", "until when, by whom and why"},
    };
    struct rules r;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(parse(bad[i].text, &r) == -EINVAL, "%s", bad[i].text);
        ck_assert_msg(strstr(fail_text(), bad[i].why) != NULL, "%s: %s", bad[i].text, fail_text());
    }
    ck_assert_int_eq(rules_parse("a\0b", 3, &r), -EINVAL);
}
END_TEST

/* A change of 40 rows whose score fell by 22.5 points, nine broken, none fixed. */
static struct eval_change fallen(void)
{
    return (struct eval_change){.metric = "accuracy",
                                .unit = "share",
                                .slice = "",
                                .cohort = "core",
                                .direction = 1,
                                .pairs = 40,
                                .a = 0.975,
                                .b = 0.75,
                                .delta = -0.225,
                                .lo = -0.3845,
                                .hi = -0.0355,
                                .margin = 0.005,
                                .note = "",
                                .gate = ""};
}

START_TEST(margins)
{
    static const struct {
        const char *limit;
        double want; /* NaN: refused for this change */
    } cases[] = {{"margin=auto", 0.005}, {"margin=2pp", 0.02},  {"margin=10%", 0.0975}, {"margin=0.03", 0.03},
                 {"max_drop=3pp", 0.03}, {"max_rise=3pp", NAN}, {"margin=3EUR", NAN},   {"min=90%", NAN}};
    struct eval_change c = fallen();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rules r;
        char line[128];
        snprintf(line, sizeof line, "a accuracy core %s", cases[i].limit);
        ck_ok(parse(line, &r));
        double got = rules_margin(&r.rules[0], &c);
        ck_assert_msg(isnan(cases[i].want) ? isnan(got) : fabs(got - cases[i].want) < 1e-12, "%s: %g", line,
                      got);
        rules_fini(&r);
    }
}
END_TEST

/* A slice with a rule of its own is not judged by the rule of all. */
START_TEST(own_rule_first)
{
    struct rules r;
    struct eval_change c = fallen();
    c.slice = "country=ES";
    ck_ok(parse("all accuracy * margin=5pp\nes accuracy country=ES margin=2pp\n", &r));
    ck_assert_str_eq(rules_of(&r, &c, "accuracy")->name, "es");
    c.slice = "country=FR";
    ck_assert_str_eq(rules_of(&r, &c, "accuracy")->name, "all");
    c.metric = "log_loss";
    ck_assert_ptr_null(rules_of(&r, &c, "accuracy"));
    rules_fini(&r);
}
END_TEST

/* ---- decided about two versions: 40 rows, a misses one, b ten; the third version is a's twin ---- */

static const struct version *opaque(struct evals *e, const char *bytes)
{
    char *dir = trees_path(bytes);
    mkdir(dir, 0755);
    trees_write(dir, "model.bin", bytes, strlen(bytes));
    return evals_commit(e, dir);
}

static void predict(struct evals *e, const struct version *v, int wrong)
{
    struct out o = {0};
    struct eval_added a;
    for (int i = 0; i < 40; i++)
        out_printf(&o, "{\"id\":\"q%02d\",\"prediction\":\"%s\"}\n", i,
                   (i & 1) == (i < 40 - wrong) ? "odd" : "even");
    ck_ok(eval_import(e->eval, &evals_writer, v, o.p, o.n, &a));
    out_fini(&o);
}

static struct evals ready(const char *name, const struct version *v[3])
{
    struct evals e = evals_open(name);
    struct out o = {0};
    v[0] = opaque(&e, "one");
    v[1] = opaque(&e, "two");
    v[2] = opaque(&e, "three");
    for (int i = 0; i < 40; i++)
        out_printf(&o, "{\"id\":\"q%02d\",\"input\":{\"q\":%d},\"label\":\"%s\",\"slices\":[\"half=%d\"]}\n",
                   i, i, i & 1 ? "odd" : "even", i / 20);
    evals_append_n(&e, o.p, o.n);
    out_fini(&o);
    predict(&e, v[0], 1);
    predict(&e, v[1], 10);
    predict(&e, v[2], 1);
    return e;
}

static void done(struct evals *e, const struct version *v[3])
{
    for (int i = 0; i < 3; i++)
        version_unref(v[i]);
    evals_close(e);
}

struct judged {
    enum verdict_word word;
    enum gates_status status; /* of the first gate */
    char because[256], todo[256];
};

static struct judged judge(struct evals *e, const struct version *a, const struct version *b,
                           const char *gates)
{
    struct arena arena = {0};
    struct review r;
    struct subject s = {.store = e->store, .eval = e->eval, .arena = &arena, .a = a, .b = b};
    struct judged j = {.status = GATES_NO_ROWS};
    if (gates)
        ck_ok(eval_configure(e->eval, &evals_writer, "gates", gates, strlen(gates)));
    ck_ok(review_make(&s, &r));
    j.word = r.verdict.word;
    if (r.gates.n)
        j.status = r.gates.list[0].status;
    memcpy(j.because, r.verdict.because, sizeof j.because);
    memcpy(j.todo, r.verdict.todo, sizeof j.todo);
    review_fini(&r);
    arena_fini(&arena);
    return j;
}

START_TEST(decides)
{
    static const struct {
        const char *rule;
        enum verdict_word word;
        enum gates_status status;
    } cases[] = {
        {"a accuracy core margin=auto", VERDICT_FAIL, GATES_FAIL},
        {"a headline core margin=50pp", VERDICT_PASS, GATES_OK},
        {"a accuracy core margin=auto level=warn", VERDICT_PASS, GATES_WARN},
        {"a accuracy core min=75%", VERDICT_PASS, GATES_OK},
        {"a accuracy core min=75.1%", VERDICT_FAIL, GATES_FAIL},
        {"a accuracy core max=10", VERDICT_PASS, GATES_OK},
        {"a accuracy core min=75EUR", VERDICT_FAIL, GATES_FAIL},
        {"a log_loss core margin=auto", VERDICT_FAIL, GATES_FAIL}, /* is not measured */
        {"a accuracy half=0 margin=5pp", VERDICT_PASS, GATES_UNDECIDED},
        {"a accuracy half=0 margin=5pp\nundecided a=fail", VERDICT_UNDECIDED, GATES_UNDECIDED},
        {"a accuracy half=2 margin=5pp", VERDICT_FAIL, GATES_FAIL}, /* has no rows */
        {"a accuracy half=1 margin=5pp", VERDICT_FAIL, GATES_FAIL},
        {"a accuracy must-pass margin=5pp", VERDICT_PASS, GATES_NO_ROWS},
        {"a pass core max_broken=9", VERDICT_PASS, GATES_OK},
        {"a pass core max_broken=8", VERDICT_FAIL, GATES_FAIL},
        {"a pass half=0 max_broken=0", VERDICT_PASS, GATES_OK},
        {"a pass tag:none max_broken=0", VERDICT_FAIL, GATES_FAIL},
        {"a pass tag:must-pass max_broken=0", VERDICT_PASS, GATES_NO_ROWS},
        {"a broken_share core max=22.5%", VERDICT_PASS, GATES_OK},
        {"a broken_share core max=22.4%", VERDICT_FAIL, GATES_FAIL},
        {"a broken_share core max=2EUR", VERDICT_FAIL, GATES_FAIL},
        {"a eval_errors all max=0", VERDICT_PASS, GATES_OK},
        {"a nonfinite weights max_new=0", VERDICT_PASS, GATES_NO_ROWS},
        {"a signature model unchanged", VERDICT_PASS, GATES_NO_ROWS},
        {"a bytes_new model max=3", VERDICT_PASS, GATES_OK},
        {"a bytes_new model max=2", VERDICT_FAIL, GATES_FAIL},
        {"a bytes_new model max=2km", VERDICT_FAIL, GATES_FAIL},
    };
    const struct version *v[3];
    struct evals e = ready("decides", v);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct judged j = judge(&e, v[0], v[1], cases[i].rule);
        ck_assert_msg(j.word == cases[i].word && j.status == cases[i].status, "%s: %s, %s: %s", cases[i].rule,
                      verdict_name(j.word), gates_status_name(j.status), j.because);
    }
    done(&e, v);
}
END_TEST

/* Committed again, and trained again to the same answers: never red. */
START_TEST(a_no_op_is_never_red)
{
    const struct version *v[3];
    struct evals e = ready("twin", v);
    ck_assert_int_eq(judge(&e, v[0], v[0], NULL).word, VERDICT_PASS);
    ck_assert_int_eq(judge(&e, v[0], v[2], NULL).word, VERDICT_PASS);
    ck_assert_int_eq(judge(&e, v[0], v[2], rules_default()).word, VERDICT_PASS);
    ck_assert_int_eq(judge(&e, v[0], v[1], NULL).word, VERDICT_FAIL);
    done(&e, v);
}
END_TEST

START_TEST(waivers)
{
    const struct version *v[3];
    struct evals e = ready("waivers", v);
    struct judged j = judge(&e, v[0], v[1],
                            "a accuracy core margin=auto\n"
                            "waive a v1..v2 until=9999-12-31 by=amy reason=\"INC-1\"");
    ck_assert_int_eq(j.word, VERDICT_PASS);
    ck_assert_int_eq(j.status, GATES_WAIVED);
    ck_assert_ptr_nonnull(strstr(j.because, "WAIVED by amy until 9999-12-31: accuracy got worse"));
    j = judge(&e, v[0], v[1],
              "a accuracy core margin=auto\n"
              "waive a v1..v2 until=2020-12-31 by=amy reason=\"INC-1\"");
    ck_assert_int_eq(j.word, VERDICT_FAIL);
    ck_assert_str_eq(j.todo, "the waiver by amy ended on 2020-12-31");
    j = judge(&e, v[0], v[1],
              "a accuracy core margin=auto\n"
              "waive a v2..v3 until=9999-12-31 by=amy reason=\"INC-1\"");
    ck_assert_int_eq(j.word, VERDICT_FAIL);
    done(&e, v);
}
END_TEST

/* What was loosened since A was committed is said; what a pair already knew is not. */
START_TEST(changes_are_shown)
{
    const struct version *v[3];
    struct evals e = ready("changes", v);
    struct arena arena = {0};
    struct out o = {0};
    evals_configure(&e, "gates", "a accuracy core margin=1pp\nb pass core max_broken=0\n");
    const struct version *late = opaque(&e, "four");
    evals_configure(&e, "gates", "a accuracy core margin=2pp\nc pass core max_broken=1\n");
    struct rules now;
    ck_ok(policy_load(e.store, &now, NULL));
    struct subject s = {.store = e.store, .eval = e.eval, .arena = &arena, .a = late, .b = v[0]};
    ck_ok(section_rules(&s, &now, &o));
    ck_assert_str_eq(out_cstr(&o), "gates changed in this PR: a margin=1pp -> margin=2pp, +c, -b\n");
    out_reset(&o);
    const struct version *last = opaque(&e, "five");
    s.a = last;
    ck_ok(section_rules(&s, &now, &o));
    ck_assert_str_eq(out_cstr(&o), "");
    rules_fini(&now);
    out_fini(&o);
    arena_fini(&arena);
    version_unref(late);
    version_unref(last);
    done(&e, v);
}
END_TEST

START_TEST(refused_text_changes_nothing)
{
    struct evals e = evals_open("kept");
    struct digest before, after;
    policy_key(e.store, &before);
    ck_assert_int_eq(eval_configure(e.eval, &evals_writer, "gates", "nonsense", 8), -EINVAL);
    policy_key(e.store, &after);
    ck_assert(hash_equal(&before, &after));
    ck_assert_int_eq(policy_written(e.store), 0);
    evals_configure(&e, "gates", "a pass core max_broken=0");
    policy_key(e.store, &after);
    ck_assert(!hash_equal(&before, &after));
    ck_assert_int_eq(policy_written(e.store), 1);
    ck_assert_str_eq(evals_revision(&e), "E1.0"); /* what scores has not changed */
    evals_close(&e);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("rules");
    TCase *t = tcase_create("rules");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, accepts);
    tcase_add_test(t, refuses);
    tcase_add_test(t, margins);
    tcase_add_test(t, own_rule_first);
    tcase_add_test(t, decides);
    tcase_add_test(t, a_no_op_is_never_red);
    tcase_add_test(t, waivers);
    tcase_add_test(t, changes_are_shown);
    tcase_add_test(t, refused_text_changes_nothing);
    suite_add_tcase(s, t);
    return s;
}
