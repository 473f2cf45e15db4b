/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/canon.h"
#include "store/base/wire.h"
#include "store/format/layout.h"
#include "store/format/ubj.h"
#include "tests/unit/formats.h"

/* A booster of one tree over two features: a root and two leaves. */
#define TREE                                                                                   \
    "{\"tree_param\":{\"num_nodes\":\"3\",\"num_feature\":\"2\",\"size_leaf_vector\":\"0\"},"  \
    "\"left_children\":[1,-1,-1],\"right_children\":[2,-1,-1],\"parents\":[2147483647,0,0],"   \
    "\"split_indices\":[1,0,0],\"split_conditions\":[5E-1,-1E-1,3E-1],\"split_type\":[0,0,0]," \
    "\"default_left\":[1,0,0],\"loss_changes\":[4.5E0,0,0],\"sum_hessian\":[1E1,6E0,4E0],"     \
    "\"base_weights\":[1E-2,-1E0,3E0],\"categories\":[],\"categories_nodes\":[],"              \
    "\"categories_segments\":[],\"categories_sizes\":[],\"id\":0}"
#define BOOSTER                                                                                   \
    "{\"learner\":{\"attributes\":{\"best_iteration\":\"0\"},\"feature_names\":[\"a\",\"b\"],"    \
    "\"feature_types\":[],\"gradient_booster\":{\"model\":{"                                      \
    "\"gbtree_model_param\":{\"num_parallel_tree\":\"1\",\"num_trees\":\"1\"},"                   \
    "\"tree_info\":[0],\"trees\":[" TREE "]},\"name\":\"gbtree\"},"                               \
    "\"learner_model_param\":{\"base_score\":\"5E-1\",\"num_class\":\"0\",\"num_feature\":\"2\"," \
    "\"num_target\":\"1\"},\"objective\":{\"name\":\"binary:logistic\"}},\"version\":[1,7,4]}"

/* The booster's text with the first `from` replaced. */
static struct out spoiled(const char *from, const char *to)
{
    const char *at = strstr(BOOSTER, from);
    ck_assert_msg(at != NULL, "no %s", from);
    struct out o = {0};
    out_write(&o, BOOSTER, (size_t)(at - BOOSTER));
    out_str(&o, to);
    out_str(&o, at + strlen(from));
    return o;
}

START_TEST(reads_json)
{
    struct arena a = {0};
    struct layout l = formats_parse("model.json", BOOSTER, sizeof BOOSTER - 1, &a);
    ck_assert_msg(!l.problem, "%s", l.problem);
    ck_assert(l.format == FORMAT_XGBOOST && l.nsegments == 1 && l.ntensors == 0);
    json_t *v = formats_structure(&l), *t = json_array_get(json_object_get(v, "trees"), 0);
    const char *digest = json_string_value(json_object_get(t, "digest"));
    ck_assert_uint_eq(strlen(digest), 32);
    /* the digest's definition, written out */
    struct out o = {0};
    float f[] = {0.5f, 0.01f, -0.1f, -1, 0.3f, 3};
    uint32_t bits[6];
    memcpy(bits, f, sizeof f);
    out_write(&o, "\1\1\0\0\0\0", 6); /* split, feature 1, not categorical */
    wire_put_u32(&o, bits[0]);
    out_char(&o, 1);
    wire_put_u32(&o, bits[1]);
    out_char(&o, 0);
    wire_put_u32(&o, bits[2]);
    wire_put_u32(&o, bits[3]);
    out_char(&o, 0);
    wire_put_u32(&o, bits[4]);
    wire_put_u32(&o, bits[5]);
    out_write(&o, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    struct digest d;
    char hex[HASH_HEX];
    hash_sha256(o.p, o.n, &d);
    hash_hex(&d, hex);
    ck_assert(strncmp(hex, digest, 32) == 0);
    out_fini(&o);
    json_object_del(t, "digest");
    canon_format(v, &o);
    ck_assert_str_eq(
        out_cstr(&o),
        "{\"base_score\":0.5,\"best_iteration\":0,\"booster\":\"gbtree\",\"encoding\":\"json\","
        "\"feature_types\":[],\"features\":[\"a\",\"b\"],\"gain\":{\"1\":[4.5,10,1]},\"num_class\":0,"
        "\"num_feature\":2,\"num_parallel_tree\":1,\"num_target\":1,\"objective\":\"binary:logistic\","
        "\"trees\":[{\"class\":0,\"depth\":1,\"leaves\":2,\"nodes\":3}],\"version\":[1,7,4]}");
    out_fini(&o);
    json_decref(v);
    arena_fini(&a);
}
END_TEST

static const struct {
    const char *from, *to, *problem;
} cases[] = {
    {"\"right_children\":[2,", "\"right_children\":[99,", "tree 0: a child out of range (node 0 of 3)"},
    {"\"left_children\":[1,", "\"left_children\":[0,", "a child out of range"},
    {"\"left_children\":[1,", "\"left_children\":[-2,", "a child out of range"},
    {"\"left_children\":[1,-1", "\"left_children\":[1,2", "a child out of range"}, /* one child only */
    {"\"right_children\":[2,", "\"right_children\":[1,", "reached twice"},
    {"\"left_children\":[1,-1,-1],\"right_children\":[2,-1",
     "\"left_children\":[1,1,-1],\"right_children\":[2,2", "reached twice"},
    {"\"left_children\":[1,-1,-1]", "\"left_children\":[1,-1]", "left_children has 2 values, expected 3"},
    {"\"sum_hessian\":[1E1,", "\"sum_hessian\":[", "sum_hessian has 2 values"},
    {"\"split_type\":[0,", "\"split_type\":[", "split_type"},
    {"\"split_type\":[0,0,0]", "\"split_type\":[]", "split_type"},
    {"\"split_type\":[0,0,0]", "\"split_type\":[1,0,0]", "a categorical split without categories"},
    {"\"base_weights\":[1E-2,", "\"base_weights\":[", "base_weights"},
    {"\"parents\":[2147483647,", "\"parents\":[", "parents"},
    {"\"parents\":[2147483647,0,0]", "\"parents\":[2147483647,0,3]", "a parent out of range (node 2 of 3)"},
    {"\"parents\":[2147483647,0,0]", "\"parents\":[2147483647,-1,0]", "a parent out of range"},
    {"\"id\":0", "\"id\":1", "its id is another"},
    {"\"default_left\":[1,0,0]", "\"default_left\":{}", "default_left has 0 values"},
    {"\"left_children\":[1,", "\"left_children\":[1.5,", "no integer"},
    {"\"split_conditions\":[5E-1,", "\"split_conditions\":[[],", "no number"},
    {"\"num_nodes\":\"3\"", "\"num_nodes\":\"-3\"", "no number of nodes"},
    {"\"num_nodes\":\"3\"", "\"num_nodes\":\"3x\"", "no number of nodes"},
    {"\"split_indices\":[1,", "\"split_indices\":[2,", "feature out of range"},
    {"\"split_indices\":[1,", "\"split_indices\":[-1,", "feature out of range"},
    {"\"num_trees\":\"1\"", "\"num_trees\":\"5\"", "num_trees is 5, there are 1 trees"},
    {"\"num_trees\":\"1\"", "\"num_trees\":\"-1\"", "num_trees is not between"},
    {"\"num_parallel_tree\":\"1\"", "\"num_parallel_tree\":\"0\"", "num_parallel_tree is not between"},
    {"\"num_feature\":\"2\",\"num_target\"", "\"num_feature\":\"4294967296\",\"num_target\"",
     "num_feature is not between"},
    {"\"num_feature\":\"2\",\"num_target\"", "\"num_target\"", "num_feature is not between"},
    {"\"num_feature\":\"2\",\"num_target\"", "\"num_feature\":\"3\",\"num_target\"",
     "2 feature names, 3 features"},
    {"\"num_class\":\"0\"", "\"num_class\":\"-1\"", "num_class is not between"},
    {"\"tree_info\":[0]", "\"tree_info\":[1]", "class is out of range"},
    {"\"tree_info\":[0]", "\"tree_info\":[-1]", "class is out of range"},
    {"\"tree_info\":[0]", "\"tree_info\":[]", "tree_info has 0 values"},
    {"\"tree_info\":[0]", "\"iteration_indptr\":[0,2],\"tree_info\":[0]", "iteration_indptr: value 1"},
    {"\"trees\":[" TREE "]", "\"trees\":7", "no trees"},
    {"\"trees\":[" TREE "]", "\"trees\":[7]", "no number of nodes"},
    {"\"name\":\"gbtree\"", "\"name\":\"gbforest\"", "unknown booster \"gbforest\""},
    {"\"name\":\"gbtree\"", "\"name\":\"dart\",\"weight_drop\":[]", "weight_drop has 0 values, expected 1"},
    {"\"name\":\"gbtree\"", "\"name\":\"gblinear\"", "weights has 0 values, expected 3"},
    {"\"learner_model_param\"", "\"other\"", "no learner_model_param"},
    {"\"gradient_booster\"", "\"other\"", "no gradient_booster"},
    {"\"categories\":[],\"categories_nodes\":[]", "\"categories\":[],\"categories_nodes\":[0]",
     "categories_segments has"},
    {"\"categories\":[],\"categories_nodes\":[],\"categories_segments\":[],\"categories_sizes\":[]",
     "\"categories\":[1],\"categories_nodes\":[0],\"categories_segments\":[0],\"categories_sizes\":[2]",
     "categories out of range"},
    {"\"categories\":[],\"categories_nodes\":[],\"categories_segments\":[],\"categories_sizes\":[]",
     "\"categories\":[1],\"categories_nodes\":[3],\"categories_segments\":[0],\"categories_sizes\":[1]",
     "categories out of range"},
    {"\"categories\":[],\"categories_nodes\":[],\"categories_segments\":[],\"categories_sizes\":[]",
     "\"categories\":[99999999],\"categories_nodes\":[0],\"categories_segments\":[0],\"categories_sizes\":["
     "1]",
     "a category out of range"},
    {"5E-1,", "1e999,", "JSON"},
    {"5E-1,", "-,", "JSON"},
    {"\"version\"", "\"learner\":{},\"version\"", "duplicate"},
};

START_TEST(refuses_json)
{
    struct out o = spoiled(cases[_i].from, cases[_i].to);
    formats_refused("model.json", o.p, o.n, cases[_i].problem);
    out_fini(&o);
}
END_TEST

START_TEST(accepts_variations)
{
    static const char *const ok[][2] = {
        {"\"split_conditions\":[5E-1,", "\"split_conditions\":[NaN,"}, /* a categorical split */
        {"\"loss_changes\":[4.5E0,", "\"loss_changes\":[Infinity,"},
        {"\"loss_changes\":[4.5E0,", "\"loss_changes\":[-Infinity,"},
        {"\"default_left\":[1,0,0]", "\"default_left\":[true,false,false]"},
        {"\"a\",\"b\"", "\"a\",\"NaN\\\"NaN\""},
        {"\"num_nodes\":\"3\"", "\"num_nodes\":3"},
        {"\"tree_info\":[0]", "\"iteration_indptr\":[0,1],\"tree_info\":[0]"},
        {"\"categories\":[],\"categories_nodes\":[],\"categories_segments\":[],\"categories_sizes\":[]",
         "\"categories\":[1,7],\"categories_nodes\":[0],\"categories_segments\":[0],\"categories_sizes\":["
         "2]"},
        {"{\"learner\"", " {\n \"learner\""},
    };
    for (size_t i = 0; i < sizeof ok / sizeof *ok; i++) {
        struct out o = spoiled(ok[i][0], ok[i][1]);
        struct arena a = {0};
        struct layout l = formats_parse("model.json", o.p, o.n, &a);
        ck_assert_msg(l.format == FORMAT_XGBOOST, "%s: %s", ok[i][1], l.problem);
        if (i == 4)
            ck_assert_ptr_nonnull(strstr(l.structure, "\"NaN\\\"NaN\""));
        arena_fini(&a);
        out_fini(&o);
    }
}
END_TEST

START_TEST(other_json_is_opaque)
{
    static const char *const other[] = {"{}",
                                        "{\"a\":1}",
                                        "{\"note\":\"a learner\"}",
                                        "{\"learner\"",
                                        "[1]",
                                        "",
                                        "{",
                                        "{\"learner\":{\"gradient_booster\":{\"name\":\"gbtree\"}}}"};
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        struct arena a = {0};
        struct layout l = formats_parse("config.json", other[i], strlen(other[i]), &a);
        ck_assert_int_eq(l.format, FORMAT_OPAQUE);
        ck_assert_int_eq(l.problem != NULL, i == 3); /* cut short right after its first key */
        arena_fini(&a);
    }
    char *deep = malloc(100000);
    memset(deep, '[', 100000);
    formats_try("model.json", deep, 100000);
    free(deep);
}
END_TEST

/* UBJSON: n bytes and the JSON they mean, or what is wrong with them. */
#define P(text, means)                \
    {                                 \
        text, sizeof(text) - 1, means \
    }
struct ubj_case {
    const char *bytes;
    size_t n;
    const char *means;
};
static const struct ubj_case ubj_valid[] = {
    P("Z", "null"),
    P("NNT", "true"),
    P("i\xff", "-1"),
    P("U\xff", "255"),
    P("I\x80\0", "-32768"),
    P("l\xff\xff\xff\xfe", "-2"),
    P("L\0\0\0\1\0\0\0\0", "4294967296"),
    P("d\x3f\x80\0\0", "1"),
    P("D\xbf\xe0\0\0\0\0\0\0", "-0.5"),
    P("d\x7f\xc0\0\0", "\"?\""),
    P("d\xff\x80\0\0", "\"-inf\""),
    P("Si\3abc", "\"abc\""),
    P("Hi\3"
      "1e9",
      "\"1e9\""),
    P("CA", "\"A\""),
    P("[]", "[]"),
    P("[i\1NU\2]", "[1,2]"),
    P("[#i\2i\1Z", "[1,null]"),
    P("[$l#i\0", "[]"), /* an empty counted array */
    P("[$U#i\3\1\2\3", "[1,2,3]"),
    P("[$d#L\0\0\0\0\0\0\0\1\x40\0\0\0", "[2]"),
    P("[$[#i\2]]", "[[],[]]"),
    P("{}", "{}"),
    P("{i\1aTi\1b[]}", "{\"a\":true,\"b\":[]}"),
    P("{#i\1i\1aF", "{\"a\":false}"),
    P("{$i#i\1i\1a\7", "{\"a\":7}"),
};
static const struct ubj_case ubj_broken[] = {
    P("", "ends inside a value"),
    P("N", "ends inside a value"),
    P("x", "an unknown type"),
    P("ZZ", "bytes after the value"),
    P("l\0\0", "ends inside a number"),
    P("d\0\0", "ends inside a number"),
    P("[", "ends inside a container"),
    P("[i\1", "ends inside a container"),
    P("[i\1}", "an unknown type"),
    P("[$d#l\x7f\xff\xff\xff"
      "0123456789",
      "ends inside a number"),
    P("[#i\xff", "a negative length"),
    P("[#Z", "no integer"),
    P("[$i]", "a type without a count"),
    P("[$Z#l\x7f\xff\xff\xff", "more than 256 MiB"),
    P("SL\xff\xff\xff\xff\xff\xff\xff\xff", "a negative length"),
    P("SL\x7f\xff\xff\xff\xff\xff\xff\xff", "a length past the end"),
    P("Si\3a\0b", "not UTF-8, or holds a NUL"),
    P("Si\1\xff", "not UTF-8"),
    P("C\0", "no character"),
    P("C\x80", "no character"),
    P("{i\1aZi\1aZ}", "a duplicate key"),
    P("{Z}", "no integer"),
    P("{i\1a", "ends inside a value"),
};

START_TEST(reads_ubj)
{
    struct input in = {.name = "x"};
    json_t *v;
    ck_assert_msg(ubj_parse(&in, ubj_valid[_i].bytes, ubj_valid[_i].n, &v) == 0, "%s", fail_text());
    struct out o = {0};
    canon_format(v, &o);
    ck_assert_str_eq(out_cstr(&o), ubj_valid[_i].means);
    out_fini(&o);
    json_decref(v);
}
END_TEST

START_TEST(refuses_ubj)
{
    struct input in = {.name = "x"};
    json_t *v;
    ck_assert_int_eq(ubj_parse(&in, ubj_broken[_i].bytes, ubj_broken[_i].n, &v), -EBADMSG);
    ck_assert_msg(strstr(fail_text(), ubj_broken[_i].means), "%s", fail_text());
}
END_TEST

START_TEST(ubj_bombs)
{
    struct input in = {.name = "x"};
    json_t *v;
    size_t n = 100000;
    char *deep = malloc(n);
    memset(deep, '[', n);
    ck_assert_int_eq(ubj_parse(&in, deep, n, &v), -EBADMSG);
    ck_assert_ptr_nonnull(strstr(fail_text(), "nested deeper"));
    free(deep);
    struct out o = {0};
    out_str(&o, "{i\7learner");
    for (int i = 0; i < 100000; i++)
        out_char(&o, '[');
    formats_refused("model.ubj", o.p, o.n, "nested deeper");
    out_fini(&o);
}
END_TEST

/* Committed boosters. The continued one starts with its parent's trees; JSON and UBJSON of one booster are
 * the same but for the encoding, whose bytes are made here from the JSON. */
static void to_ubj(const json_t *v, struct out *o)
{
    const char *key;
    json_t *x;
    size_t i;
    double real;
    float f;
    uint32_t bits;
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        out_char(o, '{');
        json_object_foreach((json_t *)v, key, x)
        {
            out_char(o, 'L');
            wire_put_be64(o, strlen(key));
            out_str(o, key);
            to_ubj(x, o);
        }
        out_char(o, '}');
        break;
    case JSON_ARRAY:
        out_str(o, "[#L");
        wire_put_be64(o, json_array_size(v));
        json_array_foreach(v, i, x) to_ubj(x, o);
        break;
    case JSON_STRING:
        out_str(o, "SL");
        wire_put_be64(o, json_string_length(v));
        out_str(o, json_string_value(v));
        break;
    case JSON_INTEGER:
        out_char(o, 'l');
        wire_put_be32(o, (uint32_t)json_integer_value(v));
        break;
    default:
        real = json_real_value(v);
        f = (float)real;
        memcpy(&bits, &f, 4);
        out_char(o, 'd');
        wire_put_be32(o, bits);
    }
}

START_TEST(reads_what_xgboost_wrote)
{
    size_t n1, n2, n3;
    char *v1 = unit_read_file("tests/data/breast_cancer/v1-10-rounds/model.ubj", &n1);
    char *v2 = unit_read_file("tests/data/breast_cancer/v2-60-rounds/model.ubj", &n2);
    char *v3 = unit_read_file("tests/data/breast_cancer/v3-retrained/model.json", &n3);
    struct arena a = {0};
    struct layout l1 = formats_parse("model.ubj", v1, n1, &a), l2 = formats_parse("model.ubj", v2, n2, &a),
                  l3 = formats_parse("model.json", v3, n3, &a);
    json_t *s1 = formats_structure(&l1), *s2 = formats_structure(&l2), *t1 = json_object_get(s1, "trees"),
           *t2 = json_object_get(s2, "trees");
    ck_assert_uint_eq(json_array_size(t1), 10);
    ck_assert_uint_eq(json_array_size(t2), 60);
    for (size_t i = 0; i < 10; i++)
        ck_assert(json_equal(json_array_get(t1, i), json_array_get(t2, i)));
    ck_assert(!json_equal(json_array_get(t2, 9), json_array_get(t2, 10)));
    ck_assert_str_eq(json_string_value(json_object_get(s1, "encoding")), "ubj");
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(s1, "features"), 0)), "mean radius");

    json_t *doc = json_loadb(v3, n3, 0, NULL);
    struct out ubj = {0};
    to_ubj(doc, &ubj);
    struct layout again = formats_parse("model", ubj.p, ubj.n, &a);
    ck_assert_msg(!again.problem, "%s", again.problem);
    const char *from_json = strchr(l3.structure, ','), *from_ubj = strchr(again.structure, ',');
    ck_assert_str_eq(from_json, from_ubj);
    json_decref(doc);
    json_decref(s1);
    json_decref(s2);
    out_fini(&ubj);
    free(v1);
    free(v2);
    free(v3);
    arena_fini(&a);
}
END_TEST

/* The format of before 1.0, by its first bytes. */
START_TEST(old_binary)
{
    static const char old[] = "binf\0\0\0\77\2\0\0\0";
    struct arena a = {0};
    struct layout l = formats_parse("m.bin", old, sizeof old, &a);
    ck_assert(l.problem && strstr(l.problem, "booster.save_model(\"model.ubj\")"));
    l = formats_parse("m.bin", "binf", 4, &a); /* too short to be one */
    ck_assert_ptr_null(l.problem);
    arena_fini(&a);
}
END_TEST

START_TEST(damage)
{
    formats_damage("model.json", BOOSTER, sizeof BOOSTER - 1, 12);
    json_t *doc = json_loads(BOOSTER, 0, NULL);
    struct out ubj = {0};
    to_ubj(doc, &ubj);
    formats_damage("model.ubj", ubj.p, ubj.n, 17);
    json_decref(doc);
    out_fini(&ubj);
}
END_TEST

START_TEST(shards)
{
    static const char good[] = "{\"metadata\":{\"total_size\":8},\"weight_map\":{\"a\":\"m-1.safetensors\","
                               "\"b/c\":\"m-2.safetensors\"}}";
    struct arena a = {0};
    struct shard_entry *e;
    size_t n;
    ck_assert_int_eq(shards_parse("i", good, sizeof good - 1, &a, &e, &n), 0);
    ck_assert_uint_eq(n, 2);
    ck_assert_str_eq(e[1].tensor, "b/c");
    ck_assert_str_eq(e[1].file, "m-2.safetensors");
    static const char *const bad[][2] = {
        {"{}", "no weight_map"},
        {"[]", "no weight_map"},
        {"{\"weight_map\":[]}", "no weight_map"},
        {"{\"weight_map\":{\"a\":1}}", "no file beside the index"},
        {"{\"weight_map\":{\"a\":\"\"}}", "no file beside the index"},
        {"{\"weight_map\":{\"a\":\"../m\"}}", "no file beside the index"},
        {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "no file beside the index"},
        {"{\"weight_map\":{\"a\":\"..\"}}", "no file beside the index"},
        {"{\"weight_map\":{\"a\":\"m\",\"a\":\"n\"}}", "duplicate"},
        {"{\"weight_map\":", "JSON"},
        {"", "JSON"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(shards_parse("i", bad[i][0], strlen(bad[i][0]), &a, &e, &n), -EBADMSG);
        ck_assert_msg(strstr(fail_text(), bad[i][1]), "%s: %s", bad[i][0], fail_text());
    }
    arena_fini(&a);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("xgboost");
    TCase *c = tcase_create("xgboost");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, reads_json);
    tcase_add_loop_test(c, refuses_json, 0, sizeof cases / sizeof *cases);
    tcase_add_test(c, accepts_variations);
    tcase_add_test(c, other_json_is_opaque);
    tcase_add_loop_test(c, reads_ubj, 0, sizeof ubj_valid / sizeof *ubj_valid);
    tcase_add_loop_test(c, refuses_ubj, 0, sizeof ubj_broken / sizeof *ubj_broken);
    tcase_add_test(c, ubj_bombs);
    tcase_add_test(c, reads_what_xgboost_wrote);
    tcase_add_test(c, damage);
    tcase_add_test(c, old_binary);
    tcase_add_test(c, shards);
    suite_add_tcase(s, c);
    return s;
}
