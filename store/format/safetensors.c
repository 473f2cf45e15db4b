/* SPDX-License-Identifier: Apache-2.0 */
/*
 * safetensors, by the rules of the reference implementation (huggingface/safetensors, tensor.rs):
 *
 *   file   = N:u64le header data
 *   header = N bytes of JSON, N <= 100,000,000, from '{', padded with spaces:
 *            {"__metadata__": {string: string}, name: {"dtype", "shape", "data_offsets": [from, to]}, …}
 *   data   : the tensors' ranges cover it exactly, in some order, without holes or overlaps
 */
#include "store/base/fail.h"
#include "store/format/layout.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum dtype dtype;
    unsigned bits;
} dtypes[] = {
    {"BOOL", DTYPE_BOOL, 8},    {"U8", DTYPE_U8, 8},           {"I8", DTYPE_I8, 8},
    {"U16", DTYPE_U16, 16},     {"I16", DTYPE_I16, 16},        {"U32", DTYPE_U32, 32},
    {"I32", DTYPE_I32, 32},     {"U64", DTYPE_U64, 64},        {"I64", DTYPE_I64, 64},
    {"F16", DTYPE_F16, 16},     {"BF16", DTYPE_BF16, 16},      {"F32", DTYPE_F32, 32},
    {"F64", DTYPE_F64, 64},     {"F8_E4M3", DTYPE_F8_E4M3, 8}, {"F8_E5M2", DTYPE_F8_E5M2, 8},
    {"C64", DTYPE_C64, 64},     {"F8_E8M0", DTYPE_NONE, 8},    {"F6_E2M3", DTYPE_NONE, 6},
    {"F6_E3M2", DTYPE_NONE, 6}, {"F4", DTYPE_NONE, 4},
};

static int unsigned_of(const json_t *v, uint64_t *ret)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return 0;
    *ret = (uint64_t)json_integer_value(v);
    return 1;
}

static int shape_of(const struct input *in, struct arena *a, const json_t *v, struct tensor *t)
{
    if (!json_is_array(v) || json_array_size(v) > UINT32_MAX)
        return fail(-EBADMSG, "%s: tensor \"%s\": no shape", in->name, t->name);
    t->rank = (uint32_t)json_array_size(v);
    uint64_t *shape = arena_array(a, t->rank, sizeof *shape);
    if (!shape)
        return layout_nomem(in);
    for (uint32_t i = 0; i < t->rank; i++)
        if (!unsigned_of(json_array_get(v, i), &shape[i]))
            return fail(-EBADMSG, "%s: tensor \"%s\": dimension %u is not an unsigned integer", in->name,
                        t->name, i);
    t->shape = shape;
    return layout_count(in, t->name, shape, t->rank, &t->count);
}

/* data: where the data begins in the file */
static int tensor_of(const struct input *in, struct arena *a, const char *name, const json_t *v,
                     uint64_t data, struct tensor *t)
{
    const char *dtype = json_string_value(json_object_get(v, "dtype"));
    const json_t *offsets = json_object_get(v, "data_offsets");
    size_t k = 0, kinds = sizeof dtypes / sizeof *dtypes, len = strlen(name);
    if (len > FORMAT_MAX_NAME)
        return fail(-EBADMSG, "%s: tensor \"%.40s…\": name of %zu bytes", in->name, name, len);
    if (!(t->name = arena_strndup(a, name, len)))
        return layout_nomem(in);
    while (dtype && k < kinds && strcmp(dtypes[k].name, dtype))
        k++;
    if (!dtype || k == kinds)
        return fail(-EBADMSG, "%s: tensor \"%s\": unknown dtype \"%s\"", in->name, name, dtype ? dtype : "");
    t->dtype = dtypes[k].dtype;
    int r = shape_of(in, a, json_object_get(v, "shape"), t);
    if (r < 0)
        return r;
    uint64_t from, to, bits;
    if (json_array_size(offsets) != 2 || !unsigned_of(json_array_get(offsets, 0), &from) ||
        !unsigned_of(json_array_get(offsets, 1), &to) || to < from || to > in->size - data)
        return fail(-EBADMSG, "%s: tensor \"%s\": data_offsets are no range of the data (%llu bytes)",
                    in->name, name, (unsigned long long)(in->size - data));
    if (__builtin_mul_overflow(t->count, (uint64_t)dtypes[k].bits, &bits) || bits % 8 ||
        bits / 8 != to - from)
        return fail(-EBADMSG,
                    "%s: tensor \"%s\": %llu elements of %s do not fill its %llu bytes (offset %llu)",
                    in->name, name, (unsigned long long)t->count, dtype, (unsigned long long)(to - from),
                    (unsigned long long)(data + from));
    t->off = data + from;
    t->len = to - from;
    return 0;
}

/* No holes and no overlap: in file order (an empty one before the one that starts there) each begins where
 * the one before it ended. */
static int by_range(const void *a, const void *b)
{
    const struct tensor *x = a, *y = b;
    if (x->off != y->off)
        return x->off < y->off ? -1 : 1;
    return x->len < y->len ? -1 : x->len > y->len;
}

static int check_cover(const struct input *in, struct out *list, uint64_t data)
{
    struct tensor *t = (struct tensor *)(void *)list->p;
    size_t n = list->n / sizeof *t;
    uint64_t pos = data;
    if (n)
        qsort(t, n, sizeof *t, by_range);
    for (size_t i = 0; i < n; pos += t[i].len, i++)
        if (t[i].off != pos)
            return fail(-EBADMSG, "%s: tensor \"%s\": begins at offset %llu, expected %llu (%s)", in->name,
                        t[i].name, (unsigned long long)t[i].off, (unsigned long long)pos,
                        t[i].off > pos ? "a hole" : "an overlap");
    if (pos != in->size)
        return fail(-EBADMSG, "%s: %llu bytes after the last tensor (offset %llu)", in->name,
                    (unsigned long long)(in->size - pos), (unsigned long long)pos);
    return 0;
}

static int metadata_of(const struct input *in, struct arena *a, const json_t *meta, struct layout *ret)
{
    const char *key;
    json_t *v;
    if (meta && !json_is_object(meta))
        return fail(-EBADMSG, "%s: __metadata__ is no object", in->name);
    json_object_foreach((json_t *)meta, key, v) if (!json_is_string(v)) return fail(
        -EBADMSG, "%s: __metadata__: \"%s\" is no string", in->name, key);
    struct out o = {0};
    out_str(&o, "{\"metadata\":");
    if (meta)
        layout_value(&o, meta);
    else
        out_str(&o, "{}");
    out_char(&o, '}');
    int r = layout_structure(a, &o, ret);
    out_fini(&o);
    return r;
}

static int walk(const struct input *in, struct arena *a, const json_t *header, uint64_t data,
                struct out *list, struct layout *ret)
{
    const char *key;
    json_t *v;
    if (json_object_size(header) > FORMAT_MAX_TENSORS)
        return fail(-EBADMSG, "%s: more than %u tensors", in->name, FORMAT_MAX_TENSORS);
    json_object_foreach((json_t *)header, key, v)
    {
        if (strcmp(key, "__metadata__") == 0)
            continue;
        struct tensor t = {0};
        int r = tensor_of(in, a, key, v, data, &t);
        if (r < 0)
            return r;
        out_write(list, &t, sizeof t);
    }
    if (list->err)
        return layout_nomem(in);
    int r = check_cover(in, list, data);
    return r < 0 ? r : metadata_of(in, a, json_object_get(header, "__metadata__"), ret);
}

int safetensors_parse(const struct input *in, struct arena *a, struct layout *ret)
{
    uint8_t b[9] = {0};
    int named = input_ends(in, ".safetensors"), r;
    if (in->size < 10 && !named)
        return 0;
    if (in->size < 8)
        return fail(-EBADMSG, "%s: %llu bytes, too short for a safetensors header", in->name,
                    (unsigned long long)in->size);
    if ((r = input_read(in, 0, b, in->size < sizeof b ? 8 : sizeof b)) < 0)
        return r;
    uint64_t n = 0;
    for (int i = 0; i < 8; i++)
        n |= (uint64_t)b[i] << 8 * i;
    int fits = n >= 2 && n <= FORMAT_MAX_HEADER && n <= in->size - 8 && b[8] == '{';
    if (!fits && !named)
        return 0;
    if (n > FORMAT_MAX_HEADER)
        return fail(-EBADMSG, "%s: header length %llu exceeds %u (offset 0)", in->name, (unsigned long long)n,
                    FORMAT_MAX_HEADER);
    if (n > in->size - 8)
        return fail(-EBADMSG, "%s: header length %llu exceeds the file's %llu bytes (offset 0)", in->name,
                    (unsigned long long)n, (unsigned long long)in->size);
    if (!fits)
        return fail(-EBADMSG, "%s: the header does not begin with '{' (offset 8)", in->name);

    struct out list = {0};
    json_t *header = NULL;
    char *text = malloc((size_t)n);
    if (!text)
        return layout_nomem(in);
    if ((r = input_read(in, 8, text, (size_t)n)) == 0)
        r = layout_json(in, text, (size_t)n, &header);
    free(text);
    if (r == 0)
        r = walk(in, a, header, 8 + n, &list, ret);
    json_decref(header);
    if (r == 0)
        r = layout_finish(in, a, &list, ret);
    out_fini(&list);
    ret->format = FORMAT_SAFETENSORS;
    return r < 0 ? r : 1;
}
