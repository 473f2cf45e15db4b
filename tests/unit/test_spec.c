/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/spec.h"
#include "store/base/fail.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct spec parse(const char *text)
{
    struct spec s = {0};
    ck_assert_msg(spec_parse(text, strlen(text), &s) == 0, "%s", fail_text());
    return s;
}

START_TEST(the_designs_example)
{
    struct spec s =
        parse("{ \"models\": [ { \"match\": \"model.ubj\",  \"engine\": \"xgboost\" },"
              "{ \"match\": \"model.onnx\", \"engine\": \"onnx\", \"inputs\": { \"x\": \"input.x\", \"y\": "
              "[\"a\",\"b\"] },"
              "  \"output\": \"logits\" },"
              "{ \"match\": \"*.safetensors\", \"engine\": \"onnx\", \"graph\": \"eval/graph.onnx\" },"
              "{ \"match\": \"*.pt\", \"engine\": \"python\", \"file\": \"eval/predict.py\" } ],"
              "\"task\": \"classification\", \"labels\": [\"ok\", \"fraud\"], \"decision\": \"argmax\","
              "\"metrics\": [\"accuracy\", \"log_loss\", \"macro_f1\"], \"headline\": \"accuracy\","
              "\"release_tags\": [\"prod\"], \"volume_per_month\": 3000000, \"errors\": \"wrong\" }");
    ck_assert_uint_eq(s.nmodels, 4);
    ck_assert_ptr_eq(spec_match(&s, "model.ubj"), &s.models[0]);
    ck_assert_ptr_eq(spec_match(&s, "sub/model.onnx"), &s.models[1]);
    ck_assert_ptr_eq(spec_match(&s, "a/b/model-00001.safetensors"), &s.models[2]);
    ck_assert_ptr_null(spec_match(&s, "config.json"));
    ck_assert_uint_eq(s.models[1].ninputs, 2);
    ck_assert(!s.models[1].inputs[0].stacked && s.models[1].inputs[1].stacked);
    ck_assert_str_eq(s.models[1].inputs[1].fields[1], "b");
    ck_assert_str_eq(s.models[2].graph, "eval/graph.onnx");
    ck_assert(s.task == SPEC_CLASSIFICATION && s.nlabels == 2 && isnan(s.threshold) && s.nmetrics == 3);
    ck_assert(s.volume_per_month == 3e6 && s.nrelease_tags == 1 && !s.errors_excluded);
    spec_fini(&s);
    spec_fini(&s);
}
END_TEST

START_TEST(nothing_is_needed)
{
    struct spec s = {0};
    ck_assert_int_eq(spec_parse("", 0, &s), 0);
    ck_assert(!s.nmodels && s.task == SPEC_TASK_INFER && !s.nlabels && isnan(s.threshold) && !s.nmetrics);
    ck_assert(!s.headline && !s.errors_excluded && isnan(s.volume_per_month) &&
              !spec_match(&s, "model.onnx"));
    struct out o = {0};
    spec_format(&s, &o);
    ck_assert_str_eq(out_cstr(&o), "{}");
    out_fini(&o), spec_fini(&s);
}
END_TEST

/* Each text names the key. */
START_TEST(refusals)
{
    static const char *const cases[][2] = {
        {"[]", "not an object"},
        {"{", "JSON"},
        {"{\"task\":\"ranking\"}", "task"},
        {"{\"slices\":[\"a=1\",\"age\"]}", "slices[1]: slice \"age\": no comparison"},
        {"{\"slices\":\"a=1\"}", "slices: must be a list"},
        {"{\"tsak\":\"binary\"}", "tsak: no such key"},
        {"{\"models\":{}}", "models"},
        {"{\"models\":[1]}", "models[0]"},
        {"{\"models\":[{\"engine\":\"tf\"}]}", "models[0].engine"},
        {"{\"models\":[{},{\"engin\":\"onnx\"}]}", "models[1].engin: no such key"},
        {"{\"models\":[{\"engine\":\"python\"}]}", "models[0].file"},
        {"{\"models\":[{\"engine\":\"python\",\"file\":\"my.py\"}]}", "models[0].file"},
        {"{\"models\":[{\"engine\":\"onnx\",\"seconds\":3}]}", "models[0].seconds"},
        {"{\"models\":[{\"engine\":\"python\",\"file\":\"eval/predict.py\",\"memory_mb\":1}]}",
         "models[0].memory_mb"},
        {"{\"models\":[{\"engine\":\"xgboost\",\"graph\":\"g\"}]}", "models[0].graph"},
        {"{\"models\":[{\"match\":3}]}", "models[0].match"},
        {"{\"models\":[{\"inputs\":[]}]}", "models[0].inputs"},
        {"{\"models\":[{\"inputs\":{\"x\":3}}]}", "models[0].inputs.x"},
        {"{\"labels\":[\"a\",\"a\"]}", "labels: the same"},
        {"{\"labels\":[\"a\"]}", "labels: one label"},
        {"{\"labels\":[0,1]}", "labels"},
        {"{\"task\":\"binary\",\"labels\":[\"a\",\"b\",\"c\"]}", "labels: binary"},
        {"{\"task\":\"regression\",\"labels\":[\"a\",\"b\"]}", "labels: regression"},
        {"{\"decision\":\"best\"}", "decision"},
        {"{\"decision\":{\"threshold\":1.5}}", "decision"},
        {"{\"decision\":{\"threshold\":0.5},\"labels\":[\"a\",\"b\",\"c\"]}", "decision"},
        {"{\"metrics\":[\"acuracy\"]}", "metrics: no metric"},
        {"{\"metrics\":[\"recall:c\"],\"labels\":[\"a\",\"b\"]}", "metrics: \"recall:c\""},
        {"{\"headline\":\"speed\"}", "headline: no metric"},
        {"{\"errors\":\"ignore\"}", "errors"},
        {"{\"release_tags\":\"prod\"}", "release_tags"},
        {"{\"volume_per_month\":-1}", "volume_per_month"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct spec s = {0};
        ck_assert_msg(spec_parse(cases[i][0], strlen(cases[i][0]), &s) == -EBADMSG, "taken: %s", cases[i][0]);
        ck_assert_msg(strstr(fail_text(), cases[i][1]) != NULL, "%s: %s", cases[i][0], fail_text());
        ck_assert_ptr_null(s.json);
    }
}
END_TEST

START_TEST(globs)
{
    static const struct {
        const char *pattern, *path;
        int want;
    } cases[] = {{"*.pt", "a.pt", 1},
                 {"*.pt", "d/a.pt", 1},
                 {"d/*.pt", "d/a.pt", 1},
                 {"d/*.pt", "d/e/a.pt", 0},
                 {"d/**.pt", "d/e/a.pt", 1},
                 {"**/m-*.pt", "a/b/m-1.pt", 1},
                 {"**/*.pt", "a/b/c.pt", 1},
                 {"**/*.pt", "c.pt", 0},
                 {"?.pt", "a.pt", 1},
                 {"?.pt", "ab.pt", 0},
                 {"a?b", "a/b", 0},
                 {"", "", 1},
                 {"*", "", 1},
                 {"*a*b*c", "xxaxxbxxc", 1},
                 {"*a*b*c", "xxaxxcxxb", 0},
                 {"model.onnx", "modelxonnx", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(spec_glob(cases[i].pattern, cases[i].path) == cases[i].want, "%s %s", cases[i].pattern,
                      cases[i].path);
    char pattern[200] = "", path[2000];
    for (int i = 0; i < 40; i++)
        strcat(pattern, "*a");
    strcat(pattern, "b");
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = 0;
    ck_assert_int_eq(spec_glob(pattern, path), 0); /* and soon */
}
END_TEST

START_TEST(digests)
{
    struct spec a =
        parse("{\"labels\":[\"a\",\"b\"],\"metrics\":[\"accuracy\"],\"headline\":\"accuracy\",\"models\":"
              "[{\"match\":\"*.onnx\",\"output\":\"y\",\"inputs\":{\"x\":\"x\"}}]}");
    struct spec b =
        parse("{\n \"models\": [ {\"inputs\":{\"x\":\"x\"}, \"output\":\"y\", \"engine\":\"onnx\"} ],\n"
              " \"metrics\":[\"accuracy\"], \"labels\":[\"a\",\"b\"], \"release_tags\":[\"prod\"]}");
    struct spec c =
        parse("{\"labels\":[\"b\",\"a\"],\"metrics\":[\"accuracy\"],\"models\":[{\"output\":\"z\"}]}");
    struct digest da, db, dc;
    ck_assert_int_eq(spec_scorer_digest(&a, &da) | spec_scorer_digest(&b, &db) | spec_scorer_digest(&c, &dc),
                     0);
    ck_assert(hash_equal(&da, &db)); /* what changes no score is not in it */
    ck_assert(!hash_equal(&da, &dc));
    spec_inference_digest(&a.models[0], SPEC_ONNX, &da);
    spec_inference_digest(&b.models[0], SPEC_ONNX, &db);
    spec_inference_digest(&c.models[0], SPEC_ONNX, &dc);
    ck_assert(hash_equal(&da, &db) && !hash_equal(&da, &dc));
    spec_inference_digest(&a.models[0], SPEC_XGBOOST, &db);
    ck_assert(!hash_equal(&da, &db));
    ck_assert_int_eq(spec_inference_digest(NULL, SPEC_ONNX, &dc), 0);
    spec_fini(&a), spec_fini(&b), spec_fini(&c);
}
END_TEST

/* A vocabulary of labels: not compared each with each. */
START_TEST(many_labels)
{
    struct out o = {0};
    out_str(&o, "{\"labels\":[");
    for (int i = 0; i < 200000; i++)
        out_printf(&o, "%s\"l%d\"", i ? "," : "", i);
    size_t n = o.n;
    out_str(&o, "]}");
    struct spec s = parse(out_cstr(&o));
    ck_assert_uint_eq(s.nlabels, 200000);
    ck_assert_str_eq(s.labels[199999], "l199999");
    spec_fini(&s);
    o.n = n;
    out_str(&o, ",\"l7\"]}");
    ck_assert_int_eq(spec_parse(out_cstr(&o), o.n, &s), -EBADMSG);
    ck_assert_ptr_nonnull(strstr(fail_text(), "the same text twice"));
    out_fini(&o);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("spec");
    TCase *t = tcase_create("all");
    tcase_add_test(t, the_designs_example);
    tcase_add_test(t, nothing_is_needed);
    tcase_add_test(t, refusals);
    tcase_add_test(t, globs);
    tcase_add_test(t, digests);
    tcase_add_test(t, many_labels);
    suite_add_tcase(s, t);
    return s;
}
