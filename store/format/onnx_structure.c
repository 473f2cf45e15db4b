/* SPDX-License-Identifier: Apache-2.0 */
#include "store/format/onnx_structure.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int onnx_structure_check(struct onnx *o)
{
    const char *name = o->proto.buffer.in->name;
    if (out_error(&o->text) || out_error(&o->scratch) || out_error(&o->tensors) || out_error(&o->locations))
        return layout_nomem(o->proto.buffer.in);
    if (o->text.n > FORMAT_MAX_HEADER)
        return fail(-EBADMSG, "%s: its graph described takes more than %u bytes", name, FORMAT_MAX_HEADER);
    return 0;
}

static void separate(struct onnx *o)
{
    if (o->comma)
        out_char(&o->text, ',');
    o->comma = 1;
}

static int put_text(struct onnx *o, struct proto_range bytes)
{
    out_reset(&o->scratch);
    int r = proto_text(&o->proto, bytes, &o->scratch);
    layout_string(&o->text, o->scratch.p ? o->scratch.p : "", o->scratch.n);
    return r < 0 ? r : onnx_structure_check(o);
}

/* "key": the string field of that number, "" when it is not there */
static int put_key(struct onnx *o, const char *key, struct proto_range message, uint32_t number)
{
    struct proto_field f = {0};
    int r = proto_last(&o->proto, message, number, &f);
    out_printf(&o->text, "\"%s\":", key);
    return r < 0 ? r : put_text(o, f.bytes);
}

static int put_item(void *ctx, const struct proto_field *f)
{
    struct onnx *o = ctx;
    separate(o);
    return put_text(o, f->bytes);
}

static int put_list(struct onnx *o, const char *key, struct proto_range message, uint32_t number)
{
    out_printf(&o->text, ",\"%s\":[", key);
    o->comma = 0;
    int r = proto_each(&o->proto, message, number, put_item, o);
    out_char(&o->text, ']');
    return r;
}

static int digest_attribute(void *ctx, const struct proto_field *f)
{
    struct onnx *o = ctx;
    struct digest d;
    char buf[4096];
    struct proto_range left = f->bytes;
    while (left.len) {
        size_t n = left.len < sizeof buf ? (size_t)left.len : sizeof buf;
        int r = input_buffered(&o->proto.buffer, left.off, buf, n);
        if (r < 0)
            return r;
        hash_update(o->hash, buf, n);
        left.off += n;
        left.len -= n;
    }
    hash_final(o->hash, &d);
    out_write(&o->scratch, &d, sizeof d);
    return 0;
}

static int by_digest(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct digest));
}

/* SHA-256 over the sorted SHA-256 of the attributes: their order does not matter. */
static int put_attributes(struct onnx *o, struct proto_range node)
{
    out_reset(&o->scratch);
    int r = proto_each(&o->proto, node, NODE_ATTRIBUTE, digest_attribute, o);
    if (r < 0 || (r = onnx_structure_check(o)) < 0)
        return r;
    if (o->scratch.n)
        qsort(o->scratch.p, o->scratch.n / sizeof(struct digest), sizeof(struct digest), by_digest);
    struct digest all;
    char hex[HASH_HEX];
    hash_sha256(o->scratch.p, o->scratch.n, &all);
    hash_hex(&all, hex);
    out_printf(&o->text, ",\"attrs\":\"%.16s\"}", hex);
    return 0;
}

static int put_node(void *ctx, const struct proto_field *f)
{
    struct onnx *o = ctx;
    separate(o);
    out_char(&o->text, '{');
    int r = put_key(o, "op", f->bytes, NODE_OP);
    out_char(&o->text, ',');
    if (r == 0)
        r = put_key(o, "domain", f->bytes, NODE_DOMAIN);
    out_char(&o->text, ',');
    if (r == 0)
        r = put_key(o, "name", f->bytes, NODE_NAME);
    if (r == 0)
        r = put_list(o, "in", f->bytes, NODE_INPUT);
    if (r == 0)
        r = put_list(o, "out", f->bytes, NODE_OUTPUT);
    o->comma = 1;
    return r < 0 ? r : put_attributes(o, f->bytes);
}

/* A dimension: its size, its symbol, or null */
static int put_dim(void *ctx, const struct proto_field *f)
{
    struct onnx *o = ctx;
    struct proto_field v;
    separate(o);
    int r = proto_last(&o->proto, f->bytes, 2, &v);
    if (r > 0 && v.bytes.len)
        return put_text(o, v.bytes);
    if (r >= 0)
        r = proto_last(&o->proto, f->bytes, 1, &v);
    if (r > 0 && v.value <= INT64_MAX)
        out_printf(&o->text, "%llu", (unsigned long long)v.value);
    else
        out_str(&o->text, "null");
    return r < 0 ? r : 0;
}

static int put_type(struct onnx *o, struct proto_range value_info)
{
    struct proto_field type = {0}, tensor = {0}, elem = {0}, shape = {0};
    int r = proto_last(&o->proto, value_info, 2, &type);
    if (r > 0)
        r = proto_last(&o->proto, type.bytes, 1, &tensor);
    if (r > 0 && (r = proto_last(&o->proto, tensor.bytes, 1, &elem)) >= 0) {
        out_printf(&o->text, ",\"dtype\":\"%s\"", onnx_tensor_type(elem.value));
        r = proto_last(&o->proto, tensor.bytes, 2, &shape);
    }
    if (r > 0) {
        out_str(&o->text, ",\"shape\":[");
        o->comma = 0;
        r = proto_each(&o->proto, shape.bytes, 1, put_dim, o);
        out_char(&o->text, ']');
        o->comma = 1;
    }
    return r;
}

static int by_pointed(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void onnx_structure_sort(struct out *list)
{
    if (list->n)
        qsort(list->p, list->n / sizeof(char *), sizeof(char *), by_pointed);
}

static int put_value(void *ctx, const struct proto_field *f)
{
    struct onnx *o = ctx;
    struct proto_field name = {0};
    int r = proto_last(&o->proto, f->bytes, 1, &name);
    out_reset(&o->scratch);
    if (r < 0 || (r = proto_text(&o->proto, name.bytes, &o->scratch)) < 0)
        return r;
    const char *s = out_cstr(&o->scratch);
    if (o->initialized.n &&
        bsearch(&s, o->initialized.p, o->initialized.n / sizeof(char *), sizeof(char *), by_pointed))
        return 0;
    separate(o);
    out_str(&o->text, "{\"name\":");
    layout_string(&o->text, s, o->scratch.n);
    r = put_type(o, f->bytes);
    out_char(&o->text, '}');
    return r < 0 ? r : onnx_structure_check(o);
}

/* Outputs are listed though an initializer has their name. */
static int put_outputs(void *ctx, const struct proto_field *f)
{
    struct onnx *o = ctx;
    struct out none = {0}, kept = o->initialized;
    o->initialized = none;
    int r = proto_each(&o->proto, f->bytes, GRAPH_OUTPUT, put_value, o);
    o->initialized = kept;
    return r;
}

static int put_inputs(void *ctx, const struct proto_field *f)
{
    struct onnx *o = ctx;
    return proto_each(&o->proto, f->bytes, GRAPH_INPUT, put_value, o);
}

static int put_nodes(void *ctx, const struct proto_field *f)
{
    struct onnx *o = ctx;
    return proto_each(&o->proto, f->bytes, GRAPH_NODE, put_node, o);
}

/* A string key of a map; one that JSON cannot hold leaves its entry out. The value: number or text. */
static int put_entry(void *ctx, const struct proto_field *f)
{
    struct onnx *o = ctx;
    struct proto_field key = {0}, value = {.wire = PROTO_NUMBER};
    struct out k = {0};
    int r = proto_last(&o->proto, f->bytes, 1, &key);
    if (r >= 0)
        r = proto_last(&o->proto, f->bytes, 2, &value);
    if (r >= 0 && key.bytes.len <= FORMAT_MAX_NAME && value.bytes.len <= FORMAT_MAX_HEADER) {
        out_reset(&o->scratch);
        r = proto_text(&o->proto, key.bytes, &k);
        if (r == 0)
            r = proto_text(&o->proto, value.bytes, &o->scratch);
        const char *s = out_cstr(&k), *text = out_cstr(&o->scratch);
        if (r == 0 && strlen(s) == k.n && !memchr(text, 0, o->scratch.n))
            json_object_set_new(o->map, s,
                                value.wire == PROTO_NUMBER ? json_integer((json_int_t)value.value)
                                                           : json_stringn(text, o->scratch.n));
    }
    out_fini(&k);
    return r < 0 ? r : onnx_structure_check(o);
}

static int put_map(struct onnx *o, const char *key, struct proto_range model, uint32_t number)
{
    if (!(o->map = json_object()))
        return layout_nomem(o->proto.buffer.in);
    int r = proto_each(&o->proto, model, number, put_entry, o);
    out_printf(&o->text, ",\"%s\":", key);
    layout_value(&o->text, o->map);
    json_decref(o->map);
    return r < 0 ? r : onnx_structure_check(o);
}

static int put_each(struct onnx *o, const char *key, struct proto_range model,
                    int (*fn)(void *, const struct proto_field *))
{
    out_printf(&o->text, ",\"%s\":[", key);
    o->comma = 0;
    int r = proto_each(&o->proto, model, MODEL_GRAPH, fn, o);
    out_char(&o->text, ']');
    return r < 0 ? r : onnx_structure_check(o);
}

static void put_locations(struct onnx *o)
{
    const char **s = (const char **)(void *)o->locations.p;
    size_t n = o->locations.n / sizeof *s;
    onnx_structure_sort(&o->locations);
    out_str(&o->text, ",\"external\":[");
    o->comma = 0;
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(s[i], s[i - 1]) != 0) {
            separate(o);
            layout_string(&o->text, s[i], strlen(s[i]));
        }
    out_char(&o->text, ']');
}

int onnx_structure_write(struct onnx *o, struct proto_range model, struct layout *ret)
{
    struct proto_field ir = {0};
    int r = proto_last(&o->proto, model, MODEL_IR, &ir);
    if (r < 0)
        return r;
    out_printf(&o->text, "{\"ir\":%lld", (long long)ir.value);
    if ((r = put_map(o, "opset", model, MODEL_OPSET)) < 0)
        return r;
    out_char(&o->text, ',');
    if ((r = put_key(o, "producer", model, MODEL_PRODUCER)) < 0 ||
        (r = put_map(o, "metadata", model, MODEL_METADATA)) < 0 ||
        (r = put_each(o, "inputs", model, put_inputs)) < 0 ||
        (r = put_each(o, "outputs", model, put_outputs)) < 0 ||
        (r = put_each(o, "nodes", model, put_nodes)) < 0)
        return r;
    put_locations(o);
    out_printf(&o->text, ",\"graph_nodes\":%llu}", (unsigned long long)o->nodes);
    return layout_structure(o->a, &o->text, ret);
}
