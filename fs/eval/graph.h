/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be known and changed in an ONNX graph before an engine sees it: which weights it wants, and that
 * it opens no file. A walk over protobuf's wire format (field numbers of onnx.proto3, IR 3 to 11); hostile
 * bytes are -EBADMSG, nesting past 32 too.
 */
#pragma once
#include "store/base/arena.h"
#include "store/base/out.h"
#include "store/format/dtype.h"

struct graph_init { /* an initializer of the main graph */
    const char *name;
    enum dtype dtype; /* DTYPE_NONE: strings, 4-bit types … */
    int32_t onnx_type;
    uint32_t rank;
    const uint64_t *shape;
    int external;         /* data_location = EXTERNAL */
    const char *location; /* with external */
    const uint8_t *msg;   /* its TensorProto, in the model's bytes */
    size_t msg_len;
    uint64_t offset, length; /* set by whoever binds it, before graph_bind */
    int bound;
};

struct graph {
    const uint8_t *p; /* the model's bytes: outlive the graph */
    size_t n;
    const uint8_t *g; /* its GraphProto */
    size_t g_len;
    struct graph_init *inits;
    size_t ninits;
};

/* Everything in ret lives in `a`. External data anywhere but in the main graph's initializers is refused. */
int graph_parse(const char *name, const void *p, size_t n, struct arena *a, struct graph *ret);
/* The model again, each bound initializer now external: [offset, offset + length) of the file `location`. */
void graph_bind(const struct graph *g, const char *location, struct out *o);
/* The op that makes the named output, seen through ops that only move or cast; "" if none. In `a`. */
const char *graph_producer(const struct graph *g, const char *output, struct arena *a);
/* dtype of an ONNX TensorProto.DataType; DTYPE_NONE when there is none here. */
enum dtype graph_dtype(int32_t onnx_type);
int32_t graph_onnx_type(enum dtype t); /* and back; 0 */
