/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GGUF, versions 2 and 3, little-endian (ggml, docs/gguf.md):
 *
 *   file   = "GGUF" u32 version, u64 tensors, u64 pairs, pair*, tensor*, padding, data
 *   pair   = string key, u32 type, value
 *   string = u64 length, bytes
 *   value  by type: 0 u8, 1 i8, 2 u16, 3 i16, 4 u32, 5 i32, 6 f32, 7 bool, 8 string, 10 u64, 11 i64, 12 f64;
 *          9: u32 type, u64 n, n values (no arrays)
 *   tensor = string name, u32 n, u64 dims (the fastest first), u32 type, u64 offset in the data
 *
 * The data begins at the next multiple of general.alignment (32). Block-quantised tensors have no dtype here:
 * their name, shape and place are kept.
 */
#include "store/base/fail.h"
#include "store/format/layout.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DIMS = 4, MAX_TEXT = 4096, MAX_PAIRS = 65536 };

static const struct type { /* of tensors; block 0: none of that number */
    const char *name;
    enum dtype dtype;
    uint16_t block, bytes; /* elements and bytes of one */
} types[] = {
    [0] = {"F32", DTYPE_F32, 1, 4},  [1] = {"F16", DTYPE_F16, 1, 2},    [2] = {"Q4_0", 0, 32, 18},
    [3] = {"Q4_1", 0, 32, 20},       [6] = {"Q5_0", 0, 32, 22},         [7] = {"Q5_1", 0, 32, 24},
    [8] = {"Q8_0", 0, 32, 34},       [9] = {"Q8_1", 0, 32, 36},         [10] = {"Q2_K", 0, 256, 84},
    [11] = {"Q3_K", 0, 256, 110},    [12] = {"Q4_K", 0, 256, 144},      [13] = {"Q5_K", 0, 256, 176},
    [14] = {"Q6_K", 0, 256, 210},    [15] = {"Q8_K", 0, 256, 292},      [16] = {"IQ2_XXS", 0, 256, 66},
    [17] = {"IQ2_XS", 0, 256, 74},   [18] = {"IQ3_XXS", 0, 256, 98},    [19] = {"IQ1_S", 0, 256, 50},
    [20] = {"IQ4_NL", 0, 32, 18},    [21] = {"IQ3_S", 0, 256, 110},     [22] = {"IQ2_S", 0, 256, 82},
    [23] = {"IQ4_XS", 0, 256, 136},  [24] = {"I8", DTYPE_I8, 1, 1},     [25] = {"I16", DTYPE_I16, 1, 2},
    [26] = {"I32", DTYPE_I32, 1, 4}, [27] = {"I64", DTYPE_I64, 1, 8},   [28] = {"F64", DTYPE_F64, 1, 8},
    [29] = {"IQ1_M", 0, 256, 56},    [30] = {"BF16", DTYPE_BF16, 1, 2}, [34] = {"TQ1_0", 0, 256, 54},
    [35] = {"TQ2_0", 0, 256, 66},
};
#define TYPES (sizeof types / sizeof *types)

static const uint8_t value_bytes[13] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
enum { BOOL = 7, STRING = 8, ARRAY = 9, F32 = 6, U32 = 4, F64 = 12 };

struct gguf {
    const struct input *in;
    struct arena *a;
    struct input_buffer buffer;
    uint64_t at, align;
    struct out tensors;
    json_t *metadata, *arrays, *counts;
};

static int get(struct gguf *g, void *p, size_t n)
{
    int r = input_buffered(&g->buffer, g->at, p, n);
    g->at += r == 0 ? n : 0;
    return r;
}

static int get_uint(struct gguf *g, int bytes, uint64_t *ret)
{
    uint8_t b[8] = {0};
    uint64_t x = 0;
    int r = get(g, b, (size_t)bytes);
    for (int i = 0; i < bytes; i++)
        x |= (uint64_t)b[i] << 8 * i;
    *ret = x;
    return r;
}

static int malformed(struct gguf *g, const char *what, unsigned long long x)
{
    return fail(-EBADMSG, "%s: gguf: %s %llu before offset 0x%llx", g->in->name, what, x,
                (unsigned long long)g->at);
}

/* A string of at most `most` bytes in the arena; a longer one is skipped, and *ret NULL. */
static int get_string(struct gguf *g, uint64_t most, char **ret, size_t *ret_n)
{
    uint64_t n;
    int r = get_uint(g, 8, &n);
    if (r < 0)
        return r;
    if (n > g->in->size - g->at)
        return malformed(g, "a string of bytes", n);
    *ret = NULL;
    *ret_n = (size_t)n;
    if (n > most) {
        g->at += n;
        return 0;
    }
    if (!(*ret = arena_alloc(g->a, (size_t)n + 1)))
        return layout_nomem(g->in);
    return n ? get(g, *ret, (size_t)n) : 0;
}

static int get_name(struct gguf *g, char **ret)
{
    size_t n;
    int r = get_string(g, FORMAT_MAX_NAME, ret, &n);
    if (r == 0 && (!*ret || strlen(*ret) != n))
        r = malformed(g, "a name that holds a NUL, or of bytes", n);
    return r;
}

static json_t *scalar(uint64_t x, unsigned type)
{
    double f;
    float single;
    uint32_t low = (uint32_t)x;
    switch (type) {
    case BOOL:
        return json_boolean(x);
    case F32:
        memcpy(&single, &low, 4);
        return isfinite(single) ? json_real(single) : json_null();
    case F64:
        memcpy(&f, &x, 8);
        return isfinite(f) ? json_real(f) : json_null();
    case 1:
        return json_integer((int8_t)x);
    case 3:
        return json_integer((int16_t)x);
    case 5:
        return json_integer((int32_t)x);
    default:
        return x > INT64_MAX && type == 10 ? json_real((double)x) : json_integer((json_int_t)x);
    }
}

static int get_array(struct gguf *g, const char *key)
{
    uint64_t type = 0, n = 0;
    int r = get_uint(g, 4, &type);
    if (r == 0)
        r = get_uint(g, 8, &n);
    if (r < 0)
        return r;
    if (type == ARRAY || type >= sizeof value_bytes)
        return malformed(g, "an array of type", type);
    uint64_t left = g->in->size - g->at, each = type == STRING ? 8 : value_bytes[type];
    if (n > left / each)
        return malformed(g, "an array of elements", n);
    if (type != STRING)
        g->at += n * each;
    for (uint64_t i = 0; r == 0 && type == STRING && i < n; i++) {
        char *unused;
        size_t len;
        r = get_string(g, 0, &unused, &len);
    }
    if (r == 0 && json_object_set_new(g->arrays, key, json_integer((json_int_t)n)) != 0)
        r = malformed(g, "a key that is no UTF-8, value", n);
    return r;
}

static int get_pair(struct gguf *g)
{
    char *key, *s = NULL;
    size_t n = 0;
    uint64_t type = 0, x = 0;
    int r = get_name(g, &key);
    if (r == 0)
        r = get_uint(g, 4, &type);
    if (r < 0)
        return r;
    if (type >= sizeof value_bytes)
        return malformed(g, "a value of type", type);
    if (json_object_get(g->metadata, key) || json_object_get(g->arrays, key))
        return fail(-EBADMSG, "%s: gguf: key \"%.80s\" is there twice", g->in->name, key);
    if (type == ARRAY)
        return get_array(g, key);
    if ((r = type == STRING ? get_string(g, MAX_TEXT, &s, &n) : get_uint(g, value_bytes[type], &x)) < 0)
        return r;
    if (type == BOOL && x > 1)
        return malformed(g, "a boolean", x);
    if (strcmp(key, "general.alignment") == 0) {
        if (type != U32 || x < 8 || (x & (x - 1)))
            return malformed(g, "an alignment of", x);
        g->align = x;
    }
    json_t *v = type != STRING ? scalar(x, (unsigned)type) : s ? json_stringn(s, n) : json_null();
    if (!v && type == STRING)
        v = json_null(); /* no UTF-8 */
    if (json_object_set_new(g->metadata, key, v) != 0)
        return malformed(g, "a key that is no UTF-8, of type", type);
    return 0;
}

static int get_tensor(struct gguf *g)
{
    struct tensor t = {0};
    char *name;
    uint64_t rank = 0, type = 0, dims[MAX_DIMS];
    int r = get_name(g, &name);
    if (r == 0)
        r = get_uint(g, 4, &rank);
    if (r == 0 && rank > MAX_DIMS)
        r = malformed(g, "a tensor of dimensions", rank);
    for (uint64_t i = 0; r == 0 && i < rank; i++)
        r = get_uint(g, 8, &dims[i]);
    if (r == 0)
        r = get_uint(g, 4, &type);
    if (r == 0)
        r = get_uint(g, 8, &t.off);
    if (r < 0)
        return r;
    if (type >= TYPES || types[type].block == 0)
        return malformed(g, "a tensor of type", type);
    const struct type *k = &types[type];
    uint64_t *shape = arena_array(g->a, rank, sizeof *shape);
    if (!shape && rank)
        return layout_nomem(g->in);
    for (uint64_t i = 0; i < rank; i++) /* ours: the slowest first */
        shape[i] = dims[rank - 1 - i];
    t.name = name;
    t.dtype = k->dtype;
    t.rank = (uint32_t)rank;
    t.shape = shape;
    if ((r = layout_count(g->in, name, shape, t.rank, &t.count)) < 0)
        return r;
    if ((rank ? dims[0] : 1) % k->block)
        return fail(-EBADMSG, "%s: tensor \"%s\": rows of %llu elements are no whole blocks of %s",
                    g->in->name, name, (unsigned long long)(rank ? dims[0] : 1), k->name);
    if (__builtin_mul_overflow(t.count / k->block, (uint64_t)k->bytes, &t.len))
        return fail(-EBADMSG, "%s: tensor \"%s\": more bytes than fit 64 bits", g->in->name, name);
    const json_t *before = json_object_get(g->counts, k->name);
    if (json_object_set_new(g->counts, k->name, json_integer(json_integer_value(before) + 1)) != 0)
        return layout_nomem(g->in);
    out_write(&g->tensors, &t, sizeof t);
    return 0;
}

static int by_offset(const void *a, const void *b)
{
    const struct tensor *x = a, *y = b;
    return x->off != y->off ? (x->off < y->off ? -1 : 1) : (x->len > y->len) - (x->len < y->len);
}

/* Offsets become places in the file; they are aligned, inside it, and do not overlap. */
static int place(struct gguf *g)
{
    struct tensor *t = (struct tensor *)g->tensors.p;
    size_t n = g->tensors.n / sizeof *t;
    uint64_t data, end = 0;
    if (__builtin_add_overflow(g->at, g->align - 1, &data))
        return malformed(g, "an alignment of", g->align);
    data &= ~(g->align - 1);
    if (n)
        qsort(t, n, sizeof *t, by_offset);
    for (size_t i = 0; i < n; i++) {
        if (t[i].off % g->align || data > g->in->size || t[i].off > g->in->size - data ||
            t[i].len > g->in->size - data - t[i].off || t[i].off < end)
            return fail(-EBADMSG,
                        "%s: tensor \"%s\": %llu bytes at offset %llu of the data are not aligned to %llu, "
                        "overlap, or "
                        "pass the end",
                        g->in->name, t[i].name, (unsigned long long)t[i].len, (unsigned long long)t[i].off,
                        (unsigned long long)g->align);
        end = t[i].off + t[i].len;
        t[i].off += data;
    }
    return 0;
}

static int structure(struct gguf *g, uint64_t version, struct layout *ret)
{
    struct out o = {0};
    out_printf(&o, "{\"version\":%llu,\"metadata\":", (unsigned long long)version);
    layout_value(&o, g->metadata);
    out_str(&o, ",\"arrays\":");
    layout_value(&o, g->arrays);
    out_str(&o, ",\"types\":");
    layout_value(&o, g->counts);
    out_char(&o, '}');
    int r = layout_structure(g->a, &o, ret);
    out_fini(&o);
    return r;
}

static int read_all(struct gguf *g, struct layout *ret)
{
    uint64_t version = 0, ntensors = 0, npairs = 0;
    int r = get_uint(g, 4, &version);
    if (r == 0 && version != 2 && version != 3)
        return malformed(g, "not read: version", version);
    if (r == 0)
        r = get_uint(g, 8, &ntensors);
    if (r == 0)
        r = get_uint(g, 8, &npairs);
    /* a tensor takes at least 24 bytes, a pair 13 */
    if (r == 0 && (ntensors > g->in->size / 24 || ntensors > FORMAT_MAX_TENSORS))
        r = malformed(g, "a number of tensors of", ntensors);
    if (r == 0 && (npairs > g->in->size / 13 || npairs > MAX_PAIRS))
        r = malformed(g, "a number of pairs of", npairs);
    for (uint64_t i = 0; r == 0 && i < npairs; i++)
        r = get_pair(g);
    for (uint64_t i = 0; r == 0 && i < ntensors; i++)
        r = get_tensor(g);
    if (r == 0)
        r = out_error(&g->tensors) ? layout_nomem(g->in) : place(g);
    if (r == 0)
        r = layout_finish(g->in, g->a, &g->tensors, ret);
    return r < 0 ? r : structure(g, version, ret);
}

int gguf_parse(const struct input *in, struct arena *a, struct layout *ret)
{
    char b[4] = {0};
    int r = input_read(in, 0, b, in->size < sizeof b ? (size_t)in->size : sizeof b);
    if (r < 0)
        return r;
    if (memcmp(b, "GGUF", 4) != 0)
        return input_ends(in, ".gguf") ? fail(-EBADMSG, "%s: no GGUF at its beginning", in->name) : 0;
    struct gguf g = {.in = in,
                     .a = a,
                     .buffer = {.in = in},
                     .at = 4,
                     .align = 32,
                     .metadata = json_object(),
                     .arrays = json_object(),
                     .counts = json_object()};
    r = g.metadata && g.arrays && g.counts ? read_all(&g, ret) : layout_nomem(in);
    ret->format = FORMAT_GGUF;
    json_decref(g.metadata);
    json_decref(g.arrays);
    json_decref(g.counts);
    out_fini(&g.tensors);
    return r < 0 ? r : 1;
}
