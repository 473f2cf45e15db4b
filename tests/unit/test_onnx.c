/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/wire.h"
#include "tests/unit/formats.h"

/* Protobuf, written by hand: each returns a message that the next one takes (and frees). */
static void varint(struct out *o, uint64_t x)
{
    for (; x >= 128; x >>= 7)
        out_char(o, (char)(x | 128));
    out_char(o, (char)x);
}

static void put_number(struct out *o, unsigned field, uint64_t x)
{
    varint(o, field << 3);
    varint(o, x);
}

static void put_bytes(struct out *o, unsigned field, const void *p, size_t n)
{
    varint(o, field << 3 | 2);
    varint(o, n);
    out_write(o, p, n);
}

static void put_text(struct out *o, unsigned field, const char *s)
{
    put_bytes(o, field, s, strlen(s));
}

static void put_message(struct out *o, unsigned field, struct out m)
{
    put_bytes(o, field, m.p ? m.p : "", m.n);
    out_fini(&m);
}

static struct out pair(const char *key, const char *value)
{
    struct out m = {0};
    put_text(&m, 1, key);
    put_text(&m, 2, value);
    return m;
}

/* dims and raw_data; raw NULL: none */
static struct out tensor(const char *name, int type, uint64_t dim, const void *raw, size_t n)
{
    struct out m = {0};
    put_number(&m, 1, dim);
    put_number(&m, 2, (uint64_t)type);
    put_text(&m, 8, name);
    if (raw)
        put_bytes(&m, 9, raw, n);
    return m;
}

static struct out external(const char *name, const char *location, const char *offset, const char *length)
{
    struct out m = tensor(name, 1, 4, NULL, 0);
    put_message(&m, 13, pair("location", location));
    if (offset)
        put_message(&m, 13, pair("offset", offset));
    if (length)
        put_message(&m, 13, pair("length", length));
    put_message(&m, 13, pair("__class__", "evil"));
    put_number(&m, 14, 1);
    return m;
}

static struct out model(struct out graph)
{
    struct out m = {0};
    put_number(&m, 1, 8);
    put_text(&m, 2, "test");
    put_message(&m, 7, graph);
    struct out opset = {0};
    put_text(&opset, 1, "");
    put_number(&opset, 2, 17);
    put_message(&m, 8, opset);
    return m;
}

static struct out model_of(struct out initializer)
{
    struct out g = {0};
    put_message(&g, 5, initializer);
    return model(g);
}

static struct out value(const char *name, int type)
{
    struct out dim = {0}, symbol = {0}, unknown = {0}, shape = {0}, t = {0}, types = {0}, v = {0};
    put_number(&dim, 1, 13);
    put_text(&symbol, 2, "batch");
    put_message(&shape, 1, symbol);
    put_message(&shape, 1, dim);
    put_message(&shape, 1, unknown);
    put_number(&t, 1, (uint64_t)type);
    put_message(&t, 2, shape);
    put_message(&types, 1, t);
    put_text(&v, 1, name);
    put_message(&v, 2, types);
    return v;
}

static struct out attribute(const char *name, uint64_t x)
{
    struct out m = {0};
    put_text(&m, 1, name);
    put_number(&m, 3, x);
    return m;
}

static struct out node(const char *op, struct out first, struct out second)
{
    struct out n = {0};
    put_text(&n, 1, "x");
    put_text(&n, 1, "w");
    put_text(&n, 2, "y");
    put_text(&n, 3, "n\"1\n");
    put_text(&n, 4, op);
    put_message(&n, 5, first);
    put_message(&n, 5, second);
    return n;
}

static struct out small_model(void)
{
    struct out g = {0};
    put_message(&g, 1, node("Gemm", attribute("alpha", 1), attribute("beta", 2)));
    put_message(&g, 1, node("Gemm", attribute("beta", 2), attribute("alpha", 1)));
    put_message(&g, 1, node("Gemm", attribute("beta", 3), attribute("alpha", 1)));
    put_message(&g, 5, tensor("w", 1, 4, "0123456789abcdef", 16));
    put_message(&g, 5, external("far", "model.safetensors", "128", "16"));
    put_message(&g, 5, external("farther", "sub/w.bin", NULL, NULL));
    struct out in_line = tensor("inline", 1, 1, NULL, 0);
    put_bytes(&in_line, 4, "\0\0\0\0", 4);
    put_message(&g, 5, in_line);
    put_message(&g, 5, tensor("int4", 22, 3, "ab", 2));
    put_message(&g, 5, tensor("unknown", 999, 3, "abcde", 5));
    put_message(&g, 5, tensor("bf", 16, 2, "abcd", 4));
    put_message(&g, 11, value("x", 1));
    put_message(&g, 11, value("w", 1));
    put_message(&g, 11, value("words", 8));
    put_message(&g, 12, value("y", 7));
    struct out m = model(g);
    put_message(&m, 14, pair("note", "by hand"));
    return m;
}

START_TEST(reads_all)
{
    struct out m = small_model();
    struct arena a = {0};
    struct layout l = formats_parse("m.onnx", m.p, m.n, &a);
    ck_assert_msg(!l.problem, "%s", l.problem);
    ck_assert_int_eq(l.format, FORMAT_ONNX);
    ck_assert_uint_eq(l.ntensors, 7);
    const struct tensor *t = formats_tensor(&l, "w");
    ck_assert(t->dtype == DTYPE_F32 && t->rank == 1 && t->shape[0] == 4 && t->flags == TENSOR_SEGMENT);
    ck_assert_mem_eq(m.p + t->off, "0123456789abcdef", 16);
    t = formats_tensor(&l, "far");
    ck_assert(t->flags == TENSOR_EXTERNAL && t->off == 128 && t->len == 16);
    ck_assert_str_eq(t->location, "model.safetensors");
    t = formats_tensor(&l, "farther");
    ck_assert(t->flags == TENSOR_EXTERNAL && t->off == 0 && t->len == 16);
    t = formats_tensor(&l, "inline");
    ck_assert(t->flags == TENSOR_INLINE && t->off == 0 && t->len == 0 && !t->location);
    t = formats_tensor(&l, "int4");
    ck_assert(t->dtype == DTYPE_NONE && t->len == 2 && t->count == 3);
    ck_assert(formats_tensor(&l, "unknown")->len == 5);
    ck_assert(formats_tensor(&l, "bf")->dtype == DTYPE_BF16);

    json_t *v = formats_structure(&l), *nodes = json_object_get(v, "nodes"), *x, *n;
    ck_assert_int_eq(json_integer_value(json_object_get(v, "ir")), 8);
    ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(v, "opset"), "")), 17);
    ck_assert_str_eq(json_string_value(json_object_get(v, "producer")), "test");
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(v, "metadata"), "note")), "by hand");
    ck_assert_uint_eq(json_array_size(json_object_get(v, "inputs")), 2); /* w is an initializer */
    x = json_array_get(json_object_get(v, "inputs"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(x, "name")), "x");
    ck_assert_str_eq(json_string_value(json_object_get(x, "dtype")), "f32");
    x = json_object_get(x, "shape");
    ck_assert_uint_eq(json_array_size(x), 3);
    ck_assert_str_eq(json_string_value(json_array_get(x, 0)), "batch");
    ck_assert_int_eq(json_integer_value(json_array_get(x, 1)), 13);
    ck_assert(json_is_null(json_array_get(x, 2)));
    x = json_array_get(json_object_get(v, "inputs"), 1);
    ck_assert_str_eq(json_string_value(json_object_get(x, "dtype")), "string");
    x = json_array_get(json_object_get(v, "outputs"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(x, "dtype")), "i64");
    ck_assert_int_eq(json_integer_value(json_object_get(v, "graph_nodes")), 3);
    ck_assert_uint_eq(json_array_size(json_object_get(v, "external")), 2);
    ck_assert_uint_eq(json_array_size(nodes), 3);
    n = json_array_get(nodes, 0);
    ck_assert_str_eq(json_string_value(json_object_get(n, "op")), "Gemm");
    ck_assert_str_eq(json_string_value(json_object_get(n, "name")), "n\"1\n");
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(n, "in"), 1)), "w");
    const char *one = json_string_value(json_object_get(n, "attrs"));
    ck_assert_uint_eq(strlen(one), 16);
    ck_assert_str_eq(one, json_string_value(json_object_get(json_array_get(nodes, 1), "attrs")));
    ck_assert_str_ne(one, json_string_value(json_object_get(json_array_get(nodes, 2), "attrs")));
    json_decref(v);

    ck_assert_int_eq(formats_parse("unnamed", m.p, m.n, &a).format, FORMAT_ONNX);
    arena_fini(&a);
    out_fini(&m);
}
END_TEST

/* Subgraphs: their tensors are not the model's, but their external data must be known. */
START_TEST(looks_into_subgraphs)
{
    struct out sub = {0}, attr = {0}, n = {0}, g = {0}, sparse = {0};
    put_message(&sub, 5, external("w", "inner.bin", "0", "16"));
    put_text(&attr, 1, "then_branch");
    put_message(&attr, 6, sub);
    put_message(&attr, 5, external("", "constant.bin", "0", "16"));
    put_message(&n, 5, attr);
    put_message(&g, 1, n);
    put_message(&sparse, 1, external("s", "sparse.bin", "0", "16"));
    put_message(&g, 15, sparse);
    put_message(&g, 11, value("s", 1));
    struct out m = model(g);
    struct arena a = {0};
    struct layout l = formats_parse("m.onnx", m.p, m.n, &a);
    ck_assert_msg(!l.problem, "%s", l.problem);
    ck_assert_uint_eq(l.ntensors, 0);
    ck_assert_ptr_nonnull(strstr(l.structure, "\"inputs\":[]"));
    ck_assert_ptr_nonnull(
        strstr(l.structure, "\"external\":[\"constant.bin\",\"inner.bin\",\"sparse.bin\"]"));
    out_fini(&m);
    arena_fini(&a);
}
END_TEST

START_TEST(nesting_is_bounded)
{
    for (int levels = 60; levels <= 10000; levels += 9940) {
        struct out g = {0};
        for (int i = 0; i < levels; i++) {
            struct out attr = {0}, n = {0}, outer = {0};
            put_message(&attr, 6, g);
            put_message(&n, 5, attr);
            put_message(&outer, 1, n);
            g = outer;
        }
        struct out m = model(g);
        struct arena a = {0};
        struct layout l = formats_parse("m.onnx", m.p, m.n, &a);
        if (levels == 60)
            ck_assert_msg(!l.problem, "%s", l.problem);
        else
            ck_assert_ptr_nonnull(strstr(l.problem, "nested deeper than 64"));
        arena_fini(&a);
        out_fini(&m);
    }
}
END_TEST

START_TEST(refuses_locations)
{
    static const struct {
        const char *location, *offset, *length, *problem;
    } cases[] = {
        {"../../../../etc/passwd", "0", "16", "no path inside the version"},
        {"a/../../b", "0", "16", "no path inside the version"},
        {"..", "0", "16", "no path inside the version"},
        {"/etc/passwd", "0", "16", "no path inside the version"},
        {"/dev/zero", "0", "16", "no path inside the version"},
        {"a\\..\\b", "0", "16", "no path inside the version"},
        {"", "0", "16", "no path inside the version"},
        {"w", "-1", "16", "external offset \"-1\""},
        {"w", "0", "18446744073709551616", "length \"18446744073709551616\""},
        {"w", "9223372036854775807", "16", "external offset"},
        {"w", "0x10", "16", "external offset"},
        {"w", "0", "15", "its shape needs 16"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct out m = model_of(external("t", cases[i].location, cases[i].offset, cases[i].length));
        formats_refused("m.onnx", m.p, m.n, cases[i].problem);
        out_fini(&m);
    }
}
END_TEST

START_TEST(refuses_tensors)
{
    struct out t[6];
    memset(t, 0, sizeof t);
    t[0] = tensor("t", 1, 1, "abc", 3);
    t[1] = tensor("t", 1, 1ull << 62, "abcd", 4);
    put_number(&t[1], 1, 8);
    t[2] = tensor("t", 1, UINT64_MAX, "abcd", 4); /* -1 */
    for (int i = 0; i < 70; i++)
        put_number(&t[3], 1, 1);
    put_bytes(&t[4], 8, "a\0b", 3);
    char name[5000];
    memset(name, 'n', sizeof name);
    put_bytes(&t[5], 8, name, sizeof name);
    static const char *const problems[] = {"raw_data has 3 bytes", "exceeds 63 bits",
                                           "negative dimension",   "negative dimension",
                                           "a name with a NUL",    "a name of 5000 bytes"};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct out m = model_of(t[i]);
        formats_refused("m.onnx", m.p, m.n, problems[i]);
        out_fini(&m);
    }
    struct out g = {0};
    put_message(&g, 5, tensor("t", 2, 1, "a", 1));
    put_message(&g, 5, tensor("t", 2, 1, "b", 1));
    struct out m = model(g);
    formats_refused("m.onnx", m.p, m.n, "two tensors are named \"t\"");
    out_fini(&m);
}
END_TEST

#define P(text, what)                \
    {                                \
        text, sizeof(text) - 1, what \
    }
static const struct {
    const char *bytes;
    size_t n;
    const char *problem;
} raw[] = {
    P("", "without a graph"),
    P("\x08\x08", "without a graph"),
    P("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "a broken number (offset 0x0)"),
    P("\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "a length past the end"),
    P("\x3a\x05", "a length past the end"),
    P("\x3b", "an unknown wire type"),
    P("\x3c", "an unknown wire type"),
    P("\x3e", "an unknown wire type"),
    P("\x3f", "an unknown wire type"),
    P("\x02\x00", "field number 0"),
    P("\xff\xff\xff\xff\xff\xff", "a broken tag"),
    P("\x3a\x02\x2a\x01", "a length past the end"),
    P("\x09\x01", "a broken number"),
    P("\x0d\x01", "a broken number"),
};

START_TEST(refuses_raw)
{
    formats_refused("m.onnx", raw[_i].bytes, raw[_i].n, raw[_i].problem);
    struct arena a = {0};
    struct layout l = formats_parse("m.dat", raw[_i].bytes, raw[_i].n, &a);
    ck_assert(l.format == FORMAT_OPAQUE && !l.problem);
    arena_fini(&a);
}
END_TEST

START_TEST(two_graphs_are_one)
{
    struct out m = model_of(tensor("a", 2, 1, "a", 1)), g = {0};
    put_message(&g, 5, tensor("b", 2, 1, "b", 1));
    put_message(&m, 7, g);
    struct arena a = {0};
    struct layout l = formats_parse("m.onnx", m.p, m.n, &a);
    ck_assert_uint_eq(l.ntensors, 2);
    arena_fini(&a);
    out_fini(&m);
}
END_TEST

START_TEST(strings_stay_json)
{
    struct out m = model_of(tensor("a", 2, 1, "a", 1)), bad = {0};
    put_bytes(&m, 2,
              "pro\0du\xff"
              "cer",
              10);
    put_bytes(&bad, 1, "k\xff", 2);
    put_text(&bad, 2, "v");
    put_message(&m, 14, bad);
    put_message(&m, 14, pair("twice", "1"));
    put_message(&m, 14, pair("twice", "2"));
    struct arena a = {0};
    struct layout l = formats_parse("m.onnx", m.p, m.n, &a);
    ck_assert_ptr_nonnull(strstr(l.structure, "\"producer\":\"pro\xef\xbf\xbd"
                                              "du\xef\xbf\xbd"
                                              "cer\""));
    ck_assert_ptr_nonnull(strstr(l.structure, "\"metadata\":{\"twice\":\"2\"}"));
    arena_fini(&a);
    out_fini(&m);
}
END_TEST

START_TEST(damage)
{
    struct out m = small_model();
    formats_damage("m.onnx", m.p, m.n, m.n / 3);
    out_fini(&m);
}
END_TEST

/* Exported by PyTorch: a graph whose weights are in the safetensors, and one with its own. */
START_TEST(reads_exported_graphs)
{
    size_t n, sn, on;
    char *g = unit_read_file("tests/data/digits/graph.onnx", &n);
    char *o = unit_read_file("tests/data/digits/selfcontained/model.onnx", &on);
    char *s = unit_read_file("tests/data/digits/v1-baseline/model.safetensors", &sn);
    struct arena a = {0};
    struct layout graph = formats_parse("graph.onnx", g, n, &a), own = formats_parse("model.onnx", o, on, &a),
                  st = formats_parse("model.safetensors", s, sn, &a);
    ck_assert_uint_eq(graph.ntensors, 14);
    ck_assert_uint_eq(own.ntensors, 14);
    for (size_t i = 0; i < graph.ntensors; i++) {
        const struct tensor *x = &graph.tensors[i], *y = formats_tensor(&st, x->name),
                            *z = formats_tensor(&own, x->name);
        ck_assert(x->off == y->off && x->len == y->len && x->dtype == y->dtype &&
                  x->flags == TENSOR_EXTERNAL);
        ck_assert(z->len == y->len && z->flags == TENSOR_SEGMENT);
        ck_assert_mem_eq(o + z->off, s + y->off, z->len);
    }
    json_t *v = formats_structure(&graph);
    ck_assert_int_eq(json_integer_value(json_object_get(v, "graph_nodes")), 16);
    ck_assert_uint_eq(json_array_size(json_object_get(v, "inputs")), 1);
    json_decref(v);
    free(g);
    free(o);
    free(s);
    arena_fini(&a);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("onnx");
    TCase *c = tcase_create("onnx");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, reads_all);
    tcase_add_test(c, looks_into_subgraphs);
    tcase_add_test(c, nesting_is_bounded);
    tcase_add_test(c, refuses_locations);
    tcase_add_test(c, refuses_tensors);
    tcase_add_loop_test(c, refuses_raw, 0, sizeof raw / sizeof *raw);
    tcase_add_test(c, two_graphs_are_one);
    tcase_add_test(c, strings_stay_json);
    tcase_add_test(c, damage);
    tcase_add_test(c, reads_exported_graphs);
    suite_add_tcase(s, c);
    return s;
}
