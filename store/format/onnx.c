/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ONNX: one protobuf message, ModelProto (onnx.proto3 of the ONNX project). Its graph's initializers are the
 * tensors; subgraphs, functions and attributes are looked through for external data and for depth, and count
 * in their node's digest.
 */
#include "store/base/fail.h"
#include "store/format/onnx_structure.h"
#include <errno.h>

static int put_pointer(struct onnx *o, struct out *list, const char *s)
{
    out_write(list, &s, sizeof s);
    return list->err ? layout_nomem(o->proto.buffer.in) : 0;
}

static int walk_node(void *ctx, const struct proto_field *f);

static int note_tensor(struct onnx *o, struct proto_range message, struct tensor *t)
{
    int r = onnx_tensor_read(&o->proto, o->a, message, t);
    return r == 0 && t->location ? put_pointer(o, &o->locations, t->location) : r;
}

static int walk_tensor(void *ctx, const struct proto_field *f)
{
    struct tensor t;
    return f->wire == PROTO_BYTES ? note_tensor(ctx, f->bytes, &t) : 0;
}

/* values and indices are tensors; the values' name is the sparse initializer's */
static int walk_sparse(void *ctx, const struct proto_field *f)
{
    struct onnx *o = ctx;
    struct tensor t;
    struct proto_field part;
    struct proto_range message = f->bytes;
    int r;
    while ((r = proto_next(&o->proto, &message, &part)) > 0)
        if (part.wire == PROTO_BYTES && (part.number == 1 || part.number == 2) &&
            ((r = note_tensor(o, part.bytes, &t)) < 0 ||
             (part.number == 1 && (r = put_pointer(o, &o->initialized, t.name)) < 0)))
            return r;
    return r;
}

static int walk_graph(void *ctx, const struct proto_field *f)
{
    struct onnx *o = ctx;
    if (++o->depth > FORMAT_MAX_DEPTH)
        return fail(-EBADMSG, "%s: graphs nested deeper than %d levels (offset 0x%llx)",
                    o->proto.buffer.in->name, FORMAT_MAX_DEPTH, (unsigned long long)f->bytes.off);
    int r = proto_each(&o->proto, f->bytes, GRAPH_NODE, walk_node, o);
    if (r == 0)
        r = proto_each(&o->proto, f->bytes, GRAPH_INITIALIZER, walk_tensor, o);
    if (r == 0)
        r = proto_each(&o->proto, f->bytes, GRAPH_SPARSE, walk_sparse, o);
    o->depth--;
    return r;
}

static int walk_attribute(void *ctx, const struct proto_field *f)
{
    struct onnx *o = ctx;
    struct proto_field v;
    struct proto_range message = f->bytes;
    int r;
    while ((r = proto_next(&o->proto, &message, &v)) > 0) {
        if (v.wire != PROTO_BYTES)
            continue;
        if (v.number == ATTRIBUTE_TENSOR || v.number == ATTRIBUTE_TENSORS)
            r = walk_tensor(o, &v);
        else if (v.number == ATTRIBUTE_GRAPH || v.number == ATTRIBUTE_GRAPHS)
            r = walk_graph(o, &v);
        else if (v.number == ATTRIBUTE_SPARSE || v.number == ATTRIBUTE_SPARSES)
            r = walk_sparse(o, &v);
        if (r < 0)
            return r;
    }
    return r;
}

static int walk_node(void *ctx, const struct proto_field *f)
{
    struct onnx *o = ctx;
    o->nodes++;
    return proto_each(&o->proto, f->bytes, NODE_ATTRIBUTE, walk_attribute, o);
}

static int walk_function(void *ctx, const struct proto_field *f)
{
    struct onnx *o = ctx;
    return proto_each(&o->proto, f->bytes, FUNCTION_NODE, walk_node, o);
}

/* Two graphs, the initialization and the algorithm. */
static int walk_training(void *ctx, const struct proto_field *f)
{
    struct onnx *o = ctx;
    int r = proto_each(&o->proto, f->bytes, 1, walk_graph, o);
    return r ? r : proto_each(&o->proto, f->bytes, 2, walk_graph, o);
}

static int add_initializer(void *ctx, const struct proto_field *f)
{
    struct onnx *o = ctx;
    struct tensor t;
    int r = note_tensor(o, f->bytes, &t);
    if (r < 0)
        return r;
    out_write(&o->tensors, &t, sizeof t);
    return put_pointer(o, &o->initialized, t.name);
}

/* The model's own graph: its initializers are the tensors. */
static int main_graph(void *ctx, const struct proto_field *f)
{
    struct onnx *o = ctx;
    int r = proto_each(&o->proto, f->bytes, GRAPH_INITIALIZER, add_initializer, o);
    if (r == 0)
        r = proto_each(&o->proto, f->bytes, GRAPH_NODE, walk_node, o);
    return r ? r : proto_each(&o->proto, f->bytes, GRAPH_SPARSE, walk_sparse, o);
}

static int read_model(struct onnx *o, struct proto_range model, struct layout *ret)
{
    int r = proto_each(&o->proto, model, MODEL_GRAPH, main_graph, o); /* two of them are one, in protobuf */
    if (r == 0)
        r = proto_each(&o->proto, model, MODEL_FUNCTION, walk_function, o);
    if (r == 0)
        r = proto_each(&o->proto, model, MODEL_TRAINING, walk_training, o);
    if (r == 0)
        r = onnx_structure_check(o);
    if (r == 0)
        r = layout_finish(o->proto.buffer.in, o->a, &o->tensors, ret);
    onnx_structure_sort(&o->initialized);
    return r < 0 ? r : onnx_structure_write(o, model, ret);
}

/* Does it look like a model, by its outermost fields alone? 1, 0, or a read's error */
static int looks(struct proto *p, struct proto_range model)
{
    struct proto_field f;
    uint64_t ir = 0;
    int r, graph = 0, opset = 0;
    while ((r = proto_next(p, &model, &f)) > 0) {
        if (f.number > MODEL_FUNCTION)
            return 0;
        ir = f.number == MODEL_IR ? f.value : ir;
        graph |= f.number == MODEL_GRAPH;
        opset |= f.number == MODEL_OPSET;
    }
    return r == -EBADMSG ? 0 : r < 0 ? r : graph && opset && ir > 0 && ir < 100;
}

int onnx_parse(const struct input *in, struct arena *a, struct layout *ret)
{
    struct onnx o = {.proto.buffer.in = in, .a = a};
    struct proto_range model = {0, in->size};
    struct proto_field graph;
    int r;
    if (!input_ends(in, ".onnx") && (r = looks(&o.proto, model)) <= 0)
        return r;
    if ((r = proto_last(&o.proto, model, MODEL_GRAPH, &graph)) <= 0)
        return r < 0 ? r : fail(-EBADMSG, "%s: an ONNX model without a graph", in->name);
    r = (o.hash = hash_new()) ? read_model(&o, model, ret) : layout_nomem(in);
    hash_free(o.hash);
    out_fini(&o.tensors);
    out_fini(&o.initialized);
    out_fini(&o.locations);
    out_fini(&o.text);
    out_fini(&o.scratch);
    ret->format = FORMAT_ONNX;
    return r < 0 ? r : 1;
}
