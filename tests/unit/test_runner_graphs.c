/* SPDX-License-Identifier: Apache-2.0 */
/* What the engines make of graphs as such: any signature, batches, weights that do not fit, damage. */
#include "tests/unit/models.h"

static const char *const digits[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
static const struct spec none = {.threshold = NAN}; /* an empty spec */

START_TEST(weights_that_do_not_fit)
{
    need(SPEC_ONNX);
    struct file g, w;
    file_open(D "digits/graph.onnx", 0, &g);
    file_open(D "digits/v1-baseline/model.safetensors", 1, &w);
    struct runner_source src = source("graph.onnx", &g, NULL);
    refused(SPEC_ONNX, &src, -EINVAL, "another file, \"model.safetensors\"");
    src = source("graph.onnx", &g, &w);
    size_t fc1 = 0;
    while (strcmp(w.t[fc1].name, "fc1.weight"))
        fc1++;
    struct runner_tensor t = w.t[fc1];
    uint64_t shape[] = {512, 64};
    w.t[fc1].shape = shape;
    refused(SPEC_ONNX, &src, -EINVAL, "wants \"fc1.weight\" as f32 [64,512], the version has f32 [512,64]");
    w.t[fc1] = t;
    w.t[fc1].dtype = DTYPE_F64;
    refused(SPEC_ONNX, &src, -EINVAL, "the version has f64 [64,512]");
    w.t[fc1] = t;
    w.t[fc1].name = "fc9.weight";
    refused(SPEC_ONNX, &src, -EINVAL, "no tensor \"fc1.weight\" (1 of the graph's 14 are missing)");
    w.t[fc1] = t;

    /* prefixes of wrappers */
    char names[64][80];
    for (size_t i = 0; i < w.l.ntensors; i++) {
        snprintf(names[i], sizeof names[i], "module._orig_mod.%s", w.t[i].name);
        w.t[i].name = names[i];
    }
    struct runner *r = NULL;
    ck_assert_msg(runner_open(SPEC_ONNX, &src, &r) == 0, "%s", fail_text());
    compare(r, &none, "digits", "v1-baseline", digits, 10, 2e-5);
    runner_close(r);
    w.t[fc1 ? 0 : 1].name = "fc1.weight"; /* now two tensors may be it */
    refused(SPEC_ONNX, &src, -EINVAL, "");
    file_close(&g), file_close(&w);
}
END_TEST

/* The answer of a tiny graph to each of n inputs (JSON), as numbers of one column, or NaN where it must fail.
 */
static void tiny(const char *name, const struct spec_model *m, const char *const *inputs, size_t n,
                 size_t width, const double *want)
{
    char path[128];
    json_t *in[8];
    struct runner_answer a[8];
    snprintf(path, sizeof path, D "onnx/%s.onnx", name);
    struct runner *r = open_files(SPEC_ONNX, path, NULL, m);
    for (size_t i = 0; i < n; i++)
        ck_assert_ptr_nonnull(in[i] = json_loads(inputs[i], JSON_DECODE_ANY, NULL));
    ck_assert_msg(runner_predict(r, (const json_t *const *)in, n, a) == 0, "%s: %s", name, fail_text());
    for (size_t i = 0; i < n; i++) {
        ck_assert_msg(isnan(want[i * width]) == (a[i].error != NULL), "%s %s: %s", name, inputs[i],
                      a[i].error ? a[i].error : "no error");
        for (size_t j = 0; !a[i].error && j < width; j++) {
            ck_assert_uint_eq(a[i].width, width);
            ck_assert_msg(fabs(a[i].values[j] - want[i * width + j]) < 1e-3, "%s %s: %g", name, inputs[i],
                          a[i].values[j]);
        }
        runner_answer_fini(&a[i]);
        json_decref(in[i]);
    }
    runner_close(r);
}
#define TINY(name, m, n, width, inputs, ...) \
    tiny(name, m, (const char *const[])inputs, n, width, (const double[]){__VA_ARGS__})
#define IN(...)     \
    {               \
        __VA_ARGS__ \
    }

START_TEST(any_signature)
{
    need(SPEC_ONNX);
    TINY("columns", NULL, 4, 1,
         IN("{\"amount\":3,\"country\":\"FR\"}", "{\"country\":\"ES\",\"amount\":[0.5]}", "{\"amount\":3}",
            "{\"amount\":1,\"country\":7}"),
         31, 5, NAN, NAN);
    struct spec_model renamed = {
        .inputs = (struct spec_input[]){{"country", (const char *[]){"input.card.country"}, 1, 0}},
        .ninputs = 1};
    TINY("columns", &renamed, 1, 1, IN("{\"amount\":1,\"card\":{\"country\":\"DE\"}}"), 12);
    /* lengths mixed in one call; id 9 fails in the engine and takes no other row of its length with it */
    TINY("tokens", NULL, 7, 1,
         IN("{\"ids\":[0,1]}", "{\"ids\":[3]}", "{\"ids\":[2,2]}", "{\"ids\":[9,0]}", "{\"ids\":[0,1,2,3]}",
            "[3,3]", "{\"ids\":[0.5,1]}"),
         1.5, 8, 4, NAN, 3.75, 8, NAN);
    TINY("one", NULL, 3, 2, IN("{\"x\":[1,2]}", "[3,4]", "[1]"), 2, 4, 6, 8, NAN, NAN);
    TINY("pair", NULL, 3, 2, IN("[1,2]", "[3,4]", "[5,6]"), 2, 4, 6, 8, 10, 12);
    TINY("bare", NULL, 3, 2, IN("[1,2]", "[3,4]", "[5,6]"), 2, 4, 6, 8, 10, 12);
    struct spec_model q = {.output = "q"}, i = {.output = "i"};
    TINY("half", &q, 2, 2, IN("[0,0]", "[1.0,70000]"), .5, .5, NAN, NAN);
    TINY("half", &q, 1, 2, IN("[1,3]"), .1192, .8808);
    TINY("half", &i, 2, 1, IN("[0,1]", "[7,5]"), 1, 0);
}
END_TEST

/* A batch holds 2 to 32 rows, whatever was asked for. */
START_TEST(batches)
{
    need(SPEC_ONNX);
    struct runner *r = open_files(SPEC_ONNX, D "onnx/size.onnx", NULL, NULL);
    json_t *zero = json_integer(0);
    const json_t *in[65];
    struct runner_answer a[65];
    for (size_t i = 0; i < 65; i++)
        in[i] = zero;
    for (size_t n = 1; n <= 65; n++) {
        ck_assert_int_eq(runner_predict(r, in, n, a), 0);
        for (size_t i = 0; i < n; i++) {
            size_t together = n - i / 32 * 32;
            ck_assert_double_eq(a[i].values[0], together >= 32 ? 32 : together == 1 ? 2 : (double)together);
            runner_answer_fini(&a[i]);
        }
    }
    json_decref(zero);
    runner_close(r);
}
END_TEST

START_TEST(what_a_graph_says_of_itself)
{
    need(SPEC_ONNX);
    struct spec_model q = {.output = "q"};
    struct runner *r = open_files(SPEC_ONNX, D "onnx/half.onnx", NULL, &q);
    const struct runner_signature *s = runner_signature(r);
    ck_assert_str_eq(s->producer, "Softmax"); /* through the reshape */
    ck_assert_uint_eq(s->nlabels, 2);
    ck_assert_str_eq(s->labels[1], "yes");
    struct out o = {0};
    feed_port_text(&s->inputs[0], &o);
    ck_assert_str_eq(out_cstr(&o), "\"x\" f16 [?,2]");
    out_fini(&o);
    runner_close(r);
    struct file f;
    file_open(D "onnx/half.onnx", 0, &f);
    struct runner_source src = source("half.onnx", &f, NULL);
    refused(SPEC_ONNX, &src, -EINVAL, "2 outputs (q, i): set models[].output");
    struct spec_model wrong = {
        .inputs = (struct spec_input[]){{"z", (const char *[]){"z"}, 1, 0}}, .ninputs = 1, .output = "q"};
    src.spec = &wrong;
    refused(SPEC_ONNX, &src, -EINVAL, "names \"z\"");
    file_close(&f);
    file_open(D "onnx/reads_a_file.onnx", 0, &f);
    src = source("m.onnx", &f, NULL);
    refused(SPEC_ONNX, &src, -EBADMSG, "keeps its data in another file");
    file_close(&f);
}
END_TEST

START_TEST(texts_come_out)
{
    need(SPEC_ONNX);
    struct runner *r = open_files(SPEC_ONNX, D "onnx/texts.onnx", NULL, NULL);
    json_t *in[] = {json_integer(1), json_integer(0), json_integer(5)};
    static const char *const want[] = {"dog", "cat", "neither"};
    struct runner_answer a[3];
    ck_assert_int_eq(runner_predict(r, (const json_t *const *)in, 3, a), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_str_eq(a[i].text, want[i]);
        ck_assert_ptr_null(a[i].values);
        runner_answer_fini(&a[i]);
        json_decref(in[i]);
    }
    runner_close(r);
}
END_TEST

START_TEST(damaged_models)
{
    need(SPEC_ONNX);
    need(SPEC_XGBOOST);
    struct file g, b;
    file_open(D "switch/v3-network/model.onnx", 0, &g);
    file_open(D "diabetes/v2-shallow/model.ubj", 0, &b);
    struct runner_source src = source("m", &g, NULL);
    for (size_t n = 0; n < g.n; n += 1 + g.n / 97) { /* never opens, never crashes */
        struct runner *r = NULL;
        src.model = memcpy(malloc(n ? n : 1), g.p, n); /* exactly so long: ASan watches */
        src.model_len = n;
        ck_assert_msg(runner_open(SPEC_ONNX, &src, &r) < 0, "%zu bytes", n);
        free((void *)(uintptr_t)src.model);
    }
    src = source("m", &b, NULL);
    src.model = "not a booster";
    src.model_len = 13;
    refused(SPEC_XGBOOST, &src, -EBADMSG, "m: XGBoost: ");
    struct spec_model m = {.output = "nope"};
    src = source("m", &g, NULL);
    src.spec = &m;
    refused(SPEC_ONNX, &src, -EINVAL, "no output \"nope\" (there are: probabilities)");
    refused(SPEC_PYTHON, &src, -EPERM, "may not run here");
    file_close(&g), file_close(&b);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("runner_graphs");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, weights_that_do_not_fit);
    tcase_add_test(t, any_signature);
    tcase_add_test(t, batches);
    tcase_add_test(t, what_a_graph_says_of_itself);
    tcase_add_test(t, texts_come_out);
    tcase_add_test(t, damaged_models);
    suite_add_tcase(s, t);
    return s;
}
