/* SPDX-License-Identifier: Apache-2.0 */
/* A reading of an ONNX model under way, and its structure document. */
#pragma once
#include "store/format/onnx_tensor.h"

/* field numbers of onnx.proto3 */
enum { MODEL_IR = 1, MODEL_PRODUCER = 2, MODEL_GRAPH = 7, MODEL_OPSET = 8, MODEL_METADATA = 14 };
enum { MODEL_TRAINING = 20, MODEL_FUNCTION = 25, FUNCTION_NODE = 7 };
enum { GRAPH_NODE = 1, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12, GRAPH_SPARSE = 15 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP = 4, NODE_ATTRIBUTE = 5, NODE_DOMAIN = 7 };
enum { ATTRIBUTE_TENSOR = 5, ATTRIBUTE_GRAPH = 6, ATTRIBUTE_TENSORS = 10, ATTRIBUTE_GRAPHS = 11 };
enum { ATTRIBUTE_SPARSE = 22, ATTRIBUTE_SPARSES = 23 };

struct onnx {
    struct proto proto;
    struct arena *a;
    struct hash *hash;
    struct out tensors;     /* struct tensor */
    struct out initialized; /* const char *: names that a graph input may have too */
    struct out locations;   /* const char * */
    struct out text;        /* the structure document under way */
    struct out scratch;
    json_t *map; /* a map of the structure under way */
    uint64_t nodes;
    int depth;
    char comma;
};

/* -ENOMEM, or -EBADMSG when the text grows past FORMAT_MAX_HEADER */
int onnx_structure_check(struct onnx *o);

/* Writes the document of the model into ret. Needs o's tensors and lists complete, `initialized` sorted. */
int onnx_structure_write(struct onnx *o, struct proto_range model, struct layout *ret);

/* For the lists of pointers. */
void onnx_structure_sort(struct out *list);
