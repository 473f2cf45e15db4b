/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/graph.h"
#include "store/base/fail.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define GRAPH_MAX_NESTING 32

/* Field numbers of onnx.proto3. */
enum { MODEL_GRAPH = 7, MODEL_TRAINING = 20, MODEL_FUNCTION = 25 };
enum { GRAPH_NODE = 1, GRAPH_INITIALIZER = 5, GRAPH_SPARSE = 15 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_OP = 4, NODE_ATTRIBUTE = 5, FUNCTION_NODE = 7 };
enum { ATTRIBUTE_T = 5, ATTRIBUTE_G = 6, ATTRIBUTE_TENSORS = 10, ATTRIBUTE_GRAPHS = 11 };
enum { ATTRIBUTE_SPARSE = 22, ATTRIBUTE_SPARSES = 23, SPARSE_VALUES = 1, SPARSE_INDICES = 2 };
enum { TRAINING_INITIALIZATION = 1, TRAINING_ALGORITHM = 2 };
enum { TENSOR_DIMS = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8, TENSOR_EXTERNAL_DATA = 13, TENSOR_LOCATION = 14 };

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

/* A cursor over one message; bad is sticky. */
struct cursor {
    const uint8_t *p, *end;
    int bad;
};
struct field {
    uint32_t number, wire;
    const uint8_t *start; /* of the whole field, its tag included */
    const uint8_t *p;     /* WIRE_BYTES: the payload */
    size_t n;
    uint64_t varint;
};

static struct cursor over(const uint8_t *p, size_t n)
{
    return (struct cursor){p, p + n, 0};
}

static uint64_t varint(struct cursor *c)
{
    uint64_t x = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (c->p == c->end)
            break;
        uint8_t b = *c->p++;
        x |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return x;
    }
    c->bad = 1;
    return 0;
}

/* 1 and the next field, or 0 at the end or when bad. */
static int next(struct cursor *c, struct field *f)
{
    if (c->bad || c->p == c->end)
        return 0;
    *f = (struct field){.start = c->p};
    uint64_t tag = varint(c), n = 0;
    f->wire = tag & 7;
    if (tag >> 3 == 0 || tag >> 32)
        c->bad = 1;
    f->number = (uint32_t)(tag >> 3);
    if (f->wire == WIRE_VARINT)
        f->varint = varint(c);
    else if (f->wire == WIRE_FIXED64 || f->wire == WIRE_FIXED32)
        n = f->wire == WIRE_FIXED64 ? 8 : 4;
    else if (f->wire == WIRE_BYTES)
        n = varint(c);
    else
        c->bad = 1;
    if (c->bad || n > (size_t)(c->end - c->p)) {
        c->bad = 1;
        return 0;
    }
    f->p = c->p;
    f->n = (size_t)n;
    c->p += n;
    return 1;
}

static int malformed(const char *name)
{
    return fail(-EBADMSG, "%s: not a valid ONNX protobuf", name);
}

enum dtype graph_dtype(int32_t t)
{
    static const enum dtype types[] = {
        [1] = DTYPE_F32,      [2] = DTYPE_U8,      [3] = DTYPE_I8,   [4] = DTYPE_U16,   [5] = DTYPE_I16,
        [6] = DTYPE_I32,      [7] = DTYPE_I64,     [9] = DTYPE_BOOL, [10] = DTYPE_F16,  [11] = DTYPE_F64,
        [12] = DTYPE_U32,     [13] = DTYPE_U64,    [14] = DTYPE_C64, [15] = DTYPE_C128, [16] = DTYPE_BF16,
        [17] = DTYPE_F8_E4M3, [19] = DTYPE_F8_E5M2};
    return (uint32_t)t < sizeof types / sizeof *types ? types[t] : DTYPE_NONE; /* types[0] is DTYPE_NONE */
}

int32_t graph_onnx_type(enum dtype t)
{
    for (int32_t i = 1; i < 32; i++)
        if (t != DTYPE_NONE && graph_dtype(i) == t)
            return i;
    return 0;
}

/* The value of one key of a StringStringEntryProto; NULL when it is another key. */
static const char *entry(const struct field *f, const char *key, struct arena *a, int *bad)
{
    struct cursor c = over(f->p, f->n);
    struct field e;
    const char *value = NULL;
    int is = 0;
    while (next(&c, &e)) {
        if (e.number == 1 && e.wire == WIRE_BYTES)
            is = e.n == strlen(key) && !memcmp(e.p, key, e.n);
        else if (e.number == 2 && e.wire == WIRE_BYTES)
            value = arena_strndup(a, (const char *)e.p, e.n);
    }
    *bad |= c.bad;
    return is ? value : NULL;
}

/* dims is repeated int64: packed or one by one */
static size_t dims(const struct field *f, uint64_t *ret, size_t at, int *bad)
{
    if (f->wire == WIRE_VARINT) {
        if (ret)
            ret[at] = f->varint;
        return at + 1;
    }
    struct cursor c = over(f->p, f->n);
    while (!c.bad && c.p < c.end) {
        uint64_t d = varint(&c);
        if (ret)
            ret[at] = d;
        at++;
    }
    *bad |= c.bad;
    return at;
}

static int tensor(const char *name, const uint8_t *p, size_t n, struct arena *a, struct graph_init *t)
{
    struct cursor c = over(p, n);
    struct field f;
    size_t rank = 0;
    int bad = 0;
    *t = (struct graph_init){.name = "", .msg = p, .msg_len = n};
    while (next(&c, &f))
        if (f.number == TENSOR_DIMS)
            rank = dims(&f, NULL, rank, &bad);
    bad |= c.bad;
    uint64_t *shape = bad || rank > 64 ? NULL : arena_array(a, rank + 1, sizeof *shape);
    if (!shape)
        return malformed(name);
    rank = 0;
    for (c = over(p, n); next(&c, &f);) {
        const char *location;
        if (f.number == TENSOR_DIMS)
            rank = dims(&f, shape, rank, &bad);
        else if (f.number == TENSOR_TYPE && f.wire == WIRE_VARINT)
            t->onnx_type = (int32_t)f.varint;
        else if (f.number == TENSOR_NAME && f.wire == WIRE_BYTES)
            t->name = arena_strndup(a, (const char *)f.p, f.n);
        else if (f.number == TENSOR_LOCATION && f.wire == WIRE_VARINT)
            t->external = f.varint != 0;
        else if (f.number == TENSOR_EXTERNAL_DATA && f.wire == WIRE_BYTES &&
                 (location = entry(&f, "location", a, &bad)))
            t->location = location;
    }
    t->rank = (uint32_t)rank;
    t->shape = shape;
    t->dtype = graph_dtype(t->onnx_type);
    if (!t->name)
        return -ENOMEM;
    return bad ? malformed(name) : 0;
}

/* ---- external data anywhere else ---- */

enum message { MODEL, GRAPH, NODE, ATTRIBUTE, TENSOR, SPARSE, FUNCTION, TRAINING, NONE };

static enum message child(enum message m, uint32_t field)
{
    switch (m) {
    case MODEL:
        return field == MODEL_GRAPH      ? GRAPH
               : field == MODEL_TRAINING ? TRAINING
               : field == MODEL_FUNCTION ? FUNCTION
                                         : NONE;
    case GRAPH:
        return field == GRAPH_NODE          ? NODE
               : field == GRAPH_INITIALIZER ? TENSOR
               : field == GRAPH_SPARSE      ? SPARSE
                                            : NONE;
    case NODE:
        return field == NODE_ATTRIBUTE ? ATTRIBUTE : NONE;
    case FUNCTION:
        return field == FUNCTION_NODE ? NODE : field == 11 ? ATTRIBUTE : NONE;
    case TRAINING:
        return field == TRAINING_INITIALIZATION || field == TRAINING_ALGORITHM ? GRAPH : NONE;
    case ATTRIBUTE:
        return field == ATTRIBUTE_T || field == ATTRIBUTE_TENSORS        ? TENSOR
               : field == ATTRIBUTE_G || field == ATTRIBUTE_GRAPHS       ? GRAPH
               : field == ATTRIBUTE_SPARSE || field == ATTRIBUTE_SPARSES ? SPARSE
                                                                         : NONE;
    case SPARSE:
        return field == SPARSE_VALUES || field == SPARSE_INDICES ? TENSOR : NONE;
    default:
        return NONE;
    }
}

/* Every tensor below this message must carry its own data; skip_init leaves the main graph's initializers
 * out.
 */
static int walk(const char *name, enum message m, const uint8_t *p, size_t n, int depth, int skip_init)
{
    if (depth > GRAPH_MAX_NESTING)
        return fail(-EBADMSG, "%s: ONNX messages nested deeper than %d", name, GRAPH_MAX_NESTING);
    struct cursor c = over(p, n);
    struct field f;
    int err = 0;
    while (!err && next(&c, &f)) {
        if (m == TENSOR && ((f.number == TENSOR_LOCATION && f.varint) || f.number == TENSOR_EXTERNAL_DATA))
            return fail(-EBADMSG, "%s: a tensor inside a node keeps its data in another file", name);
        enum message k = f.wire == WIRE_BYTES ? child(m, f.number) : NONE;
        if (k != NONE && !(skip_init && m == GRAPH && f.number == GRAPH_INITIALIZER))
            err = walk(name, k, f.p, f.n, depth + 1,
                       skip_init && m == MODEL && k == GRAPH && f.number == MODEL_GRAPH);
    }
    return err ? err : c.bad ? malformed(name) : 0;
}

int graph_parse(const char *name, const void *p, size_t n, struct arena *a, struct graph *ret)
{
    struct graph g = {.p = p, .n = n};
    struct cursor c = over(g.p, n);
    struct field f;
    while (next(&c, &f))
        if (f.number == MODEL_GRAPH) {
            if (f.wire != WIRE_BYTES || g.g)
                return malformed(name);
            g.g = f.p;
            g.g_len = f.n;
        }
    if (c.bad || !g.g)
        return malformed(name);
    int err = walk(name, MODEL, g.p, n, 0, 1);
    if (err)
        return err;
    for (c = over(g.g, g.g_len); next(&c, &f);)
        g.ninits += f.number == GRAPH_INITIALIZER && f.wire == WIRE_BYTES;
    if (!(g.inits = arena_array(a, g.ninits + 1, sizeof *g.inits)))
        return -ENOMEM;
    size_t i = 0;
    for (c = over(g.g, g.g_len); !err && next(&c, &f);)
        if (f.number == GRAPH_INITIALIZER && f.wire == WIRE_BYTES)
            err = tensor(name, f.p, f.n, a, &g.inits[i++]);
    if (!err)
        *ret = g;
    return err;
}

static void put_varint(struct out *o, uint64_t x)
{
    for (; x >= 0x80; x >>= 7)
        out_char(o, (char)(x | 0x80));
    out_char(o, (char)x);
}

static void put_bytes(struct out *o, uint32_t number, const void *p, size_t n)
{
    put_varint(o, (uint64_t)number << 3 | WIRE_BYTES);
    put_varint(o, n);
    out_write(o, p, n);
}

static void put_number(struct out *o, uint32_t number, uint64_t x)
{
    put_varint(o, (uint64_t)number << 3 | WIRE_VARINT);
    put_varint(o, x);
}

static void put_entry(struct out *o, const char *key, const char *value)
{
    struct out e = {0};
    put_bytes(&e, 1, key, strlen(key));
    put_bytes(&e, 2, value, strlen(value));
    put_bytes(o, TENSOR_EXTERNAL_DATA, e.p, e.n);
    if (out_error(&e))
        o->err = out_error(&e);
    out_fini(&e);
}

static void put_tensor(struct out *o, const struct graph_init *t, const char *location)
{
    char number[24];
    for (uint32_t i = 0; i < t->rank; i++)
        put_number(o, TENSOR_DIMS, t->shape[i]);
    put_number(o, TENSOR_TYPE, (uint64_t)t->onnx_type);
    put_bytes(o, TENSOR_NAME, t->name, strlen(t->name));
    put_entry(o, "location", location);
    snprintf(number, sizeof number, "%" PRIu64, t->offset);
    put_entry(o, "offset", number);
    snprintf(number, sizeof number, "%" PRIu64, t->length);
    put_entry(o, "length", number);
    put_number(o, TENSOR_LOCATION, 1);
}

void graph_bind(const struct graph *g, const char *location, struct out *o)
{
    struct out body = {0}, t = {0};
    struct cursor c = over(g->g, g->g_len);
    struct field f;
    for (size_t i = 0; next(&c, &f);) {
        const struct graph_init *init =
            f.number == GRAPH_INITIALIZER && f.wire == WIRE_BYTES ? &g->inits[i++] : NULL;
        if (!init || !init->bound) {
            out_write(&body, f.start, (size_t)(c.p - f.start));
            continue;
        }
        out_reset(&t);
        put_tensor(&t, init, location);
        put_bytes(&body, GRAPH_INITIALIZER, t.p, t.n);
        if (out_error(&t))
            body.err = out_error(&t);
    }
    for (c = over(g->p, g->n); next(&c, &f);) {
        if (f.number == MODEL_GRAPH)
            put_bytes(o, MODEL_GRAPH, body.p, body.n);
        else
            out_write(o, f.start, (size_t)(c.p - f.start));
    }
    if (out_error(&body))
        o->err = out_error(&body);
    out_fini(&body);
    out_fini(&t);
}

/* Does this node make the output? Then its op and first input. */
static int makes(const struct field *node, const char *output, struct arena *a, const char **op,
                 const char **from)
{
    struct cursor c = over(node->p, node->n);
    struct field f;
    int is = 0;
    *op = *from = NULL;
    while (next(&c, &f)) {
        if (f.wire != WIRE_BYTES)
            continue;
        if (f.number == NODE_OUTPUT)
            is |= f.n == strlen(output) && !memcmp(f.p, output, f.n);
        else if (f.number == NODE_OP)
            *op = arena_strndup(a, (const char *)f.p, f.n);
        else if (f.number == NODE_INPUT && !*from)
            *from = arena_strndup(a, (const char *)f.p, f.n);
    }
    return is && *op;
}

const char *graph_producer(const struct graph *g, const char *output, struct arena *a)
{
    static const char *const moves[] = {"Identity", "Cast",    "Squeeze",  "Unsqueeze",
                                        "Reshape",  "Flatten", "Transpose"};
    const char *op = "", *want = output;
    for (int hop = 0; want && hop < 8; hop++) {
        struct cursor c = over(g->g, g->g_len);
        struct field f;
        const char *o = NULL, *from = NULL;
        int found = 0;
        while (!found && next(&c, &f))
            found = f.number == GRAPH_NODE && f.wire == WIRE_BYTES && makes(&f, want, a, &o, &from);
        if (!found)
            break;
        op = o;
        want = NULL;
        for (size_t i = 0; i < sizeof moves / sizeof *moves; i++)
            if (!strcmp(op, moves[i]))
                want = from;
    }
    return op;
}
