/* SPDX-License-Identifier: Apache-2.0 */
/* Boosters tree by tree and graphs node by node, over structure documents written by hand; names of blocks.
 */
#include "fs/diff/block.h"
#include "fs/diff/booster.h"
#include "fs/diff/nodes.h"
#include "fs/diff/pair.h"
#include "tests/unit/unit.h"
#include <math.h>
#include <string.h>

static json_t *json(const char *text) /* ' for " */
{
    char buffer[4096];
    ck_assert_uint_lt(strlen(text), sizeof buffer);
    strcpy(buffer, text);
    for (char *c = buffer; (c = strchr(c, '\''));)
        *c = '"';
    json_error_t e;
    json_t *v = json_loads(buffer, 0, &e);
    ck_assert_msg(v != NULL, "%s: %s", text, e.text);
    return v;
}

static struct arena arena;

static struct diff_booster boosters(const char *a, const char *b)
{
    struct diff_booster d;
    json_t *x = json(a), *y = json(b);
    ck_assert_int_eq(booster_compare(x, y, &arena, &d), 0);
    json_decref(x);
    json_decref(y);
    return d;
}

#define TREE(d) "{'digest':'" d "','class':0}"

START_TEST(trees)
{
    struct diff_booster d =
        boosters("{'objective':'reg:squarederror','num_feature':3,'features':['a','b','c'],'trees':[" TREE(
                     "1") "," TREE("2") "],'gain':{'0':[30,1,2],'2':[70,1,5]}}",
                 "{'objective':'reg:squarederror','num_feature':3,'features':['a','b','c'],'trees':[" TREE(
                     "1") "," TREE("2") "," TREE("3") "," TREE("4") "," TREE("5") "],'gain':{'0':[10,1,2],'1'"
                                                                                  ":[10,1,1],'2':[20,1,5]}}");
    ck_assert_uint_eq(d.prefix, 2);
    ck_assert_uint_eq(d.added, 3);
    ck_assert_uint_eq(d.removed, 0);
    ck_assert_uint_eq(d.changed, 0);
    ck_assert_int_eq(d.io_changed, 0);
    ck_assert_uint_eq(d.nfeatures, 3); /* b 0 -> .25, c .7 -> .5, a .3 -> .25 */
    ck_assert_str_eq(d.features[0].name, "b");
    ck_assert_str_eq(d.features[1].name, "c");
    ck_assert_str_eq(d.features[2].name, "a");
    ck_assert(d.features[0].gain_a == 0 && d.features[0].gain_b == 0.25);
    ck_assert(fabs(d.features[1].gain_a - 0.7) < 1e-15 && d.features[1].gain_b == 0.5);

    d = boosters("{'num_feature':3,'trees':[" TREE("1") "," TREE("2") "," TREE("3") "," TREE("4") "]}",
                 "{'num_feature':4,'trees':[" TREE("1") "," TREE("9") "," TREE("3") "]}");
    ck_assert_uint_eq(d.prefix, 1);
    ck_assert_uint_eq(d.changed, 1);
    ck_assert_uint_eq(d.removed, 1);
    ck_assert_uint_eq(d.added, 0);
    ck_assert_int_eq(d.io_changed, 1);
    ck_assert_str_eq(d.io_note, "3 -> 4 features");

    d = boosters("{'num_feature':2,'features':['a','b'],'trees':[],'gain':{'0':[1]}}",
                 "{'num_feature':2,'features':['b','a'],'trees':[],'gain':{'1':[2]}}");
    ck_assert_int_eq(d.io_changed, 1);
    ck_assert_uint_eq(d.nfeatures, 1); /* by name, not by number */
    d = boosters("{}", "{}");
    ck_assert_uint_eq(d.trees_a + d.trees_b + d.nfeatures, 0);
}
END_TEST

static struct manifest_tensor weight(const char *name, const uint64_t *shape)
{
    return (struct manifest_tensor){.name = name, .dtype = DTYPE_F32, .rank = 2, .shape = shape};
}

static struct diff_graph graphs(const char *a, const struct manifest_tensor *ta, const char *b,
                                const struct manifest_tensor *tb, size_t n)
{
    struct diff_graph d;
    json_t *x = json(a), *y = json(b);
    ck_assert_int_eq(
        nodes_compare(&(struct nodes_side){x, ta, n}, &(struct nodes_side){y, tb, n}, &arena, &d), 0);
    json_decref(x);
    json_decref(y);
    return d;
}

#define IO                                                                                                 \
    "'inputs':[{'name':'x','dtype':'f32','shape':['N',4]}],'outputs':[{'name':'y','dtype':'f32','shape':[" \
    "null,2]}]"
#define N(op, attrs, in, out) "{'op':'" op "','domain':'','attrs':'" attrs "','in':[" in "],'out':[" out "]}"

START_TEST(nodes)
{
    static const uint64_t small[] = {4, 2}, large[] = {4, 3};
    struct manifest_tensor a[] = {weight("w", small), weight("v", small)},
                           b[] = {weight("onnx::1", small), weight("onnx::2", small)};
    static const char base[] = "{'opset':{'':17}," IO ",'nodes':[" N("Gemm", "1", "'x','w'", "'h'") "," N(
        "Relu", "0", "'h'", "'r'") "," N("Gemm", "1", "'x','v'", "'s'") "," N("Add", "0", "'r','s'",
                                                                              "'y'") "]}";
    /* another order, other names, another name of the free dimension */
    struct diff_graph d = graphs(
        base, a,
        "{'opset':{'':18},'inputs':[{'name':'x','dtype':'f32','shape':['batch',4]}],"
        "'outputs':[{'name':'y','dtype':'f32','shape':['batch',2]}],'nodes':[" N(
            "Gemm", "1", "'x','onnx::2'",
            "'p'") "," N("Gemm", "1", "'x','onnx::1'",
                         "'q'") "," N("Relu", "0", "'q'", "'t'") "," N("Add", "0", "'t','p'", "'y'") "]}",
        b, 2);
    ck_assert_uint_eq(d.added + d.removed + d.changed, 0);
    ck_assert_int_eq(d.io_changed, 0);
    ck_assert_int_eq(d.opset_a, 17);
    ck_assert_int_eq(d.opset_b, 18);
    /* a node put in between: what follows it is the same node still */
    d = graphs(base, a,
               "{" IO ",'nodes':[" N("Gemm", "1", "'x','w'", "'h'") "," N("Clip", "5", "'h'", "'c'") "," N(
                   "Relu", "0", "'c'", "'r'") "," N("Gemm", "1", "'x','v'",
                                                    "'s'") "," N("Add", "0", "'r','s'", "'y'") "]}",
               a, 2);
    ck_assert_uint_eq(d.added, 1);
    ck_assert_uint_eq(d.removed + d.changed, 0);
    /* an attribute */
    d = graphs(base, a,
               "{" IO ",'nodes':[" N("Gemm", "1", "'x','w'", "'h'") "," N("Relu", "7", "'h'", "'r'") "," N(
                   "Gemm", "1", "'x','v'", "'s'") "," N("Add", "0", "'r','s'", "'y'") "]}",
               a, 2);
    ck_assert_uint_eq(d.changed, 1);
    ck_assert_uint_eq(d.removed + d.added, 0);
    /* wired differently */
    d = graphs(base, a,
               "{" IO ",'nodes':[" N("Gemm", "1", "'x','w'", "'h'") "," N("Relu", "0", "'h'", "'r'") "," N(
                   "Gemm", "1", "'x','v'", "'s'") "," N("Add", "0", "'r','r'", "'y'") "]}",
               a, 2);
    ck_assert_uint_eq(d.changed, 1);
    ck_assert_uint_eq(d.removed + d.added, 0);
    /* a wider weight, an output of another shape, a node gone */
    struct manifest_tensor wide[] = {weight("w", large), weight("v", small)};
    d = graphs(base, a,
               "{'inputs':[{'name':'x','dtype':'f32','shape':['N',4]}],'outputs':[{'name':'y','dtype':'f32','"
               "shape':["
               "null,3]}],'nodes':[" N("Gemm", "1", "'x','w'", "'h'") "," N("Relu", "0", "'h'", "'y'") "]}",
               wide, 2);
    ck_assert_uint_eq(d.changed, 1);
    ck_assert_uint_eq(d.removed, 2);
    ck_assert_uint_eq(d.added, 0);
    ck_assert_int_eq(d.io_changed, 1);
    ck_assert_str_eq(d.io_note, "output \"y\" f32 [?,2] -> f32 [?,3]");
    d = graphs(base, a, "{'inputs':[],'outputs':[],'nodes':[]}", a, 2);
    ck_assert_str_eq(d.io_note, "input \"x\" is gone");
    ck_assert_uint_eq(d.removed, 4);
}
END_TEST

START_TEST(block_names)
{
    static const struct {
        const char *names[6], *blocks[6];
    } t[] = {
        {{"bert.embeddings.word.weight", "bert.encoder.layer.10.output.weight", "bert.encoder.layer.2.x",
          "classifier.bias"},
         {"embeddings", "layer 10", "layer 2", "classifier"}},
        {{"shared.weight", "encoder.block.3.w", "decoder.block.3.w", "decoder.final.w"},
         {"shared", "encoder layer 3", "decoder layer 3", "decoder"}},
        {{"text_model.encoder.layers.0.w", "vision_model.encoder.layers.0.w"},
         {"text_model layer 0", "vision_model layer 0"}},
        {{"transformer.h.11.attn.w", "transformer.wte.weight", "lm_head.weight"},
         {"layer 11", "wte", "lm_head"}},
        {{"net.0.weight", "net.2.weight"}, {"net.0", "net.2"}},
        {{"conv1.weight", "fc.bias", "scale"}, {"conv1", "fc", "scale"}},
        {{"0.weight", "2.bias"}, {"0", "2"}},
        {{"h.w", "layer.x.w", "layer."}, {"h", "layer", "layer"}},
        {{"", ".", "a..b"}, {"", "", "a"}},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct block_names s = {.arena = &arena};
        for (int k = 0; k < 6 && t[i].names[k]; k++)
            block_add(&s, "m", t[i].names[k]);
        for (int k = 0; k < 6 && t[i].names[k]; k++)
            ck_assert_str_eq(block_name(&s, "m", t[i].names[k]), t[i].blocks[k]);
    }
    struct block_names s = {.arena = &arena};
    block_add(&s, "unet/model.safetensors", "layers.0.w");
    block_add(&s, "optimizer.pt", "state.0");
    ck_assert_str_eq(block_name(&s, "unet/model.safetensors", "layers.0.w"), "unet: layer 0");
    ck_assert_str_eq(block_name(&s, "optimizer.pt", "state.0"), "optimizer: state");
    ck_assert_int_lt(block_order("layer 2", "layer 10"), 0);
    ck_assert_int_gt(block_order("head", "layer 10"), 0);
    ck_assert_int_lt(block_order("embeddings", "layer 0"), 0);
    ck_assert_int_eq(block_order("conv1", "fc1"), 0);
    ck_assert_int_lt(block_order("decoder layer 9", "encoder layer 1"), 0);
}
END_TEST

START_TEST(sharded_sets)
{
    static const char *const t[][2] = {{"model-00002-of-00003.safetensors", "model.safetensors"},
                                       {"a/b/pytorch_model-1-of-2.bin", "a/b/pytorch_model.bin"},
                                       {"x-of-y.bin", "x-of-y.bin"},
                                       {"-1-of-2.bin", "-1-of-2.bin"},
                                       {"model-1-of-2", "model-1-of-2"},
                                       {"dir-1-of-2.d/model.pt", "dir-1-of-2.d/model.pt"},
                                       {"m1-of-2.pt", "m1-of-2.pt"},
                                       {"model.safetensors", "model.safetensors"}};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        ck_assert_str_eq(pair_model(&arena, t[i][0]), t[i][1]);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("diff_structure");
    TCase *c = tcase_create("structure");
    tcase_add_test(c, trees);
    tcase_add_test(c, nodes);
    tcase_add_test(c, block_names);
    tcase_add_test(c, sharded_sets);
    suite_add_tcase(s, c);
    return s;
}
