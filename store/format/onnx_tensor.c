/* SPDX-License-Identifier: Apache-2.0 */
#include "store/format/onnx_tensor.h"
#include "store/base/fail.h"
#include <errno.h>
#include <string.h>

#define MAX_RANK 64

/* By TensorProto.DataType. Those not known here are NONE: 4-bit types, and the FP8 kinds without negative
 * zero. */
static const struct {
    enum dtype dtype;
    unsigned bits; /* 0: not checked */
} types[] = {
    [1] = {DTYPE_F32, 32},  [2] = {DTYPE_U8, 8},       [3] = {DTYPE_I8, 8},     [4] = {DTYPE_U16, 16},
    [5] = {DTYPE_I16, 16},  [6] = {DTYPE_I32, 32},     [7] = {DTYPE_I64, 64},   [9] = {DTYPE_BOOL, 8},
    [10] = {DTYPE_F16, 16}, [11] = {DTYPE_F64, 64},    [12] = {DTYPE_U32, 32},  [13] = {DTYPE_U64, 64},
    [14] = {DTYPE_C64, 64}, [15] = {DTYPE_C128, 128},  [16] = {DTYPE_BF16, 16}, [17] = {DTYPE_F8_E4M3, 8},
    [18] = {DTYPE_NONE, 8}, [19] = {DTYPE_F8_E5M2, 8}, [20] = {DTYPE_NONE, 8},  [21] = {DTYPE_NONE, 4},
    [22] = {DTYPE_NONE, 4}, [23] = {DTYPE_NONE, 4},
};
#define STRING 8

const char *onnx_tensor_type(uint64_t type)
{
    return type == STRING ? "string"
                          : dtype_name(type < sizeof types / sizeof *types ? types[type].dtype : 0);
}

/* What the message says, before it is judged. */
struct proto_tensor {
    uint64_t dims[MAX_RANK];
    uint32_t rank;
    uint64_t type;
    struct proto_range name, raw, location, offset, length;
    int has_raw, external, has_length;
};

static int add_dim(const struct proto *p, struct proto_tensor *t, uint64_t dim)
{
    if (t->rank == MAX_RANK || dim > INT64_MAX)
        return fail(-EBADMSG, "%s: a tensor of a negative dimension, or of more than %d", p->buffer.in->name,
                    MAX_RANK);
    t->dims[t->rank++] = dim;
    return 0;
}

static int add_dims(struct proto *p, struct proto_tensor *t, const struct proto_field *f)
{
    if (f->wire == PROTO_NUMBER)
        return add_dim(p, t, f->value);
    struct proto_range packed = f->bytes;
    uint64_t dim;
    int r;
    while ((r = proto_varint(p, &packed, &dim)) > 0)
        if ((r = add_dim(p, t, dim)) < 0)
            return r;
    return r;
}

/* Reads at most 4096 bytes of text into the arena; NUL is refused. */
static int text(struct proto *p, struct arena *a, struct proto_range bytes, const char **ret)
{
    if (bytes.len > FORMAT_MAX_NAME)
        return fail(-EBADMSG, "%s: a name of %llu bytes at offset 0x%llx", p->buffer.in->name,
                    (unsigned long long)bytes.len, (unsigned long long)bytes.off);
    char *s = arena_alloc(a, (size_t)bytes.len + 1);
    if (!s)
        return layout_nomem(p->buffer.in);
    int r = input_read(p->buffer.in, bytes.off, s, (size_t)bytes.len);
    if (r == 0 && strlen(s) != bytes.len)
        r = fail(-EBADMSG, "%s: a name with a NUL at offset 0x%llx", p->buffer.in->name,
                 (unsigned long long)bytes.off);
    *ret = s;
    return r;
}

/* One key and value of external_data; keys other than these three mean nothing here. */
static int add_external(struct proto *p, struct arena *a, struct proto_tensor *t, struct proto_range entry)
{
    struct proto_field key, value = {0};
    const char *k;
    int r = proto_last(p, entry, 1, &key);
    if (r <= 0 || key.wire != PROTO_BYTES || key.bytes.len > 16)
        return r < 0 ? r : 0;
    if ((r = text(p, a, key.bytes, &k)) < 0 || (r = proto_last(p, entry, 2, &value)) < 0)
        return r;
    if (strcmp(k, "location") == 0)
        t->location = value.bytes;
    else if (strcmp(k, "offset") == 0)
        t->offset = value.bytes;
    else if (strcmp(k, "length") == 0) {
        t->length = value.bytes;
        t->has_length = 1;
    }
    return 0;
}

static int read_fields(struct proto *p, struct arena *a, struct proto_range message, struct proto_tensor *t)
{
    struct proto_field f;
    int r;
    while ((r = proto_next(p, &message, &f)) > 0) {
        if (f.number == 1)
            r = add_dims(p, t, &f);
        else if (f.number == 13 && f.wire == PROTO_BYTES)
            r = add_external(p, a, t, f.bytes);
        else if (f.number == 2)
            t->type = f.value;
        else if (f.number == 14)
            t->external = f.value == 1;
        else if (f.number == 8 && f.wire == PROTO_BYTES)
            t->name = f.bytes;
        else if (f.number == 9 && f.wire == PROTO_BYTES) {
            t->raw = f.bytes;
            t->has_raw = 1;
        }
        if (r < 0)
            return r;
    }
    return r;
}

static int decimal(const char *s, uint64_t *ret)
{
    uint64_t x = 0;
    for (; *s; s++)
        if (*s < '0' || *s > '9' || __builtin_mul_overflow(x, (uint64_t)10, &x) ||
            __builtin_add_overflow(x, (uint64_t)(*s - '0'), &x))
            return 0;
    *ret = x;
    return x <= INT64_MAX;
}

/* Absolute, or through "..": no file of the version. */
static int leaves(const char *path)
{
    if (*path == 0 || *path == '/' || strchr(path, '\\'))
        return 1;
    for (const char *p = path; p; p = (p = strchr(p, '/')) ? p + 1 : NULL)
        if (strncmp(p, "..", 2) == 0 && (p[2] == 0 || p[2] == '/'))
            return 1;
    return 0;
}

static int external(struct proto *p, struct arena *a, const struct proto_tensor *t, uint64_t expected,
                    int checked, struct tensor *ret)
{
    const char *offset, *length, *file = p->buffer.in->name;
    int r = text(p, a, t->location, &ret->location);
    if (r == 0)
        r = text(p, a, t->offset, &offset);
    if (r == 0)
        r = text(p, a, t->length, &length);
    if (r < 0)
        return r;
    if (leaves(ret->location))
        return fail(-EBADMSG, "%s: tensor \"%s\": its location \"%s\" is no path inside the version", file,
                    ret->name, ret->location);
    ret->len = expected;
    if (!decimal(offset, &ret->off) || (t->has_length && !decimal(length, &ret->len)) ||
        ret->off > INT64_MAX - ret->len)
        return fail(-EBADMSG, "%s: tensor \"%s\": external offset \"%s\", length \"%s\"", file, ret->name,
                    offset, length);
    if (checked && ret->len != expected)
        return fail(-EBADMSG, "%s: tensor \"%s\": external length %s, its shape needs %llu", file, ret->name,
                    length, (unsigned long long)expected);
    ret->flags = TENSOR_EXTERNAL;
    return 0;
}

int onnx_tensor_read(struct proto *p, struct arena *a, struct proto_range message, struct tensor *ret)
{
    struct proto_tensor t = {0};
    struct tensor x = {0};
    const struct input *in = p->buffer.in;
    int r = read_fields(p, a, message, &t);
    if (r == 0)
        r = text(p, a, t.name, &x.name);
    if (r < 0)
        return r;
    uint64_t *shape = arena_array(a, t.rank, sizeof *shape), bits;
    if (!shape)
        return layout_nomem(in);
    memcpy(shape, t.dims, t.rank * sizeof *shape);
    x.shape = shape;
    x.rank = t.rank;
    if ((r = layout_count(in, x.name, shape, t.rank, &x.count)) < 0)
        return r;
    unsigned width = t.type < sizeof types / sizeof *types ? types[t.type].bits : 0;
    x.dtype = width ? types[t.type].dtype : DTYPE_NONE;
    if (__builtin_mul_overflow(x.count, (uint64_t)width, &bits) || bits > INT64_MAX)
        return fail(-EBADMSG, "%s: tensor \"%s\": its size exceeds 63 bits", in->name, x.name);
    uint64_t expected = bits / 8 + (bits % 8 != 0);
    if (t.external) {
        r = external(p, a, &t, expected, width != 0, &x);
    } else if (t.has_raw) {
        x.off = t.raw.off;
        x.len = t.raw.len;
        if (width && x.len != expected)
            r = fail(-EBADMSG,
                     "%s: tensor \"%s\": raw_data has %llu bytes at offset 0x%llx, its shape needs %llu",
                     in->name, x.name, (unsigned long long)x.len, (unsigned long long)x.off,
                     (unsigned long long)expected);
    } else {
        x.flags = TENSOR_INLINE;
    }
    *ret = x;
    return r;
}
