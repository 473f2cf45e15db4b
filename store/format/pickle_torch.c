/* SPDX-License-Identifier: Apache-2.0 */
#include "store/format/pickle_torch.h"
#include <errno.h>
#include <string.h>

#define MAX_RANK 64 /* PyTorch's own limit */

struct pickle_global {
    const char *module, *name;
    enum {
        ORDERED_DICT,
        TENSOR,       /* _rebuild_tensor(storage, offset, size, stride) and _v2 (…, requires_grad, hooks) */
        TENSOR_DTYPE, /* _v3: (…, requires_grad, hooks, dtype) over an untyped storage */
        FIRST,        /* yields its first argument: Parameter(data, …), Size(dims), device(type) */
        STORAGE,
        DTYPE
    } what;
    enum dtype dtype;
};

static const struct pickle_global globals[] = {
    {"collections", "OrderedDict", ORDERED_DICT, 0},
    {"torch._utils", "_rebuild_tensor", TENSOR, 0},
    {"torch._utils", "_rebuild_tensor_v2", TENSOR, 0},
    {"torch._utils", "_rebuild_tensor_v3", TENSOR_DTYPE, 0},
    {"torch._utils", "_rebuild_parameter", FIRST, 0},
    {"torch._utils", "_rebuild_parameter_with_state", FIRST, 0},
    {"torch", "Size", FIRST, 0},
    {"torch", "device", FIRST, 0},
    {"torch", "FloatStorage", STORAGE, DTYPE_F32},
    {"torch", "DoubleStorage", STORAGE, DTYPE_F64},
    {"torch", "HalfStorage", STORAGE, DTYPE_F16},
    {"torch", "BFloat16Storage", STORAGE, DTYPE_BF16},
    {"torch", "LongStorage", STORAGE, DTYPE_I64},
    {"torch", "IntStorage", STORAGE, DTYPE_I32},
    {"torch", "ShortStorage", STORAGE, DTYPE_I16},
    {"torch", "CharStorage", STORAGE, DTYPE_I8},
    {"torch", "ByteStorage", STORAGE, DTYPE_U8},
    {"torch", "BoolStorage", STORAGE, DTYPE_BOOL},
    {"torch", "ComplexFloatStorage", STORAGE, DTYPE_C64},
    {"torch", "ComplexDoubleStorage", STORAGE, DTYPE_C128},
    {"torch", "UntypedStorage", STORAGE, DTYPE_U8},
    {"torch.storage", "UntypedStorage", STORAGE, DTYPE_U8},
    {"torch", "float32", DTYPE, DTYPE_F32},
    {"torch", "float64", DTYPE, DTYPE_F64},
    {"torch", "float16", DTYPE, DTYPE_F16},
    {"torch", "bfloat16", DTYPE, DTYPE_BF16},
    {"torch", "float8_e4m3fn", DTYPE, DTYPE_F8_E4M3},
    {"torch", "float8_e5m2", DTYPE, DTYPE_F8_E5M2},
    {"torch", "int64", DTYPE, DTYPE_I64},
    {"torch", "int32", DTYPE, DTYPE_I32},
    {"torch", "int16", DTYPE, DTYPE_I16},
    {"torch", "int8", DTYPE, DTYPE_I8},
    {"torch", "uint8", DTYPE, DTYPE_U8},
    {"torch", "uint16", DTYPE, DTYPE_U16},
    {"torch", "uint32", DTYPE, DTYPE_U32},
    {"torch", "uint64", DTYPE, DTYPE_U64},
    {"torch", "bool", DTYPE, DTYPE_BOOL},
    {"torch", "complex64", DTYPE, DTYPE_C64},
    {"torch", "complex128", DTYPE, DTYPE_C128},
};

static int same(const char *s, const char *p, size_t n)
{
    return strlen(s) == n && memcmp(s, p, n) == 0;
}

const struct pickle_global *pickle_torch_global(const char *module, size_t module_len, const char *name,
                                                size_t name_len)
{
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        if (same(globals[i].module, module, module_len) && same(globals[i].name, name, name_len))
            return &globals[i];
    return NULL;
}

static int dims_of(struct arena *a, const struct pickle *v, uint32_t rank, const uint64_t **ret)
{
    uint64_t *dims = arena_array(a, rank, sizeof *dims);
    if (!dims)
        return -ENOMEM;
    const struct pickle_item *it = v->u.list.first;
    for (uint32_t i = 0; i < rank; i++, it = it->next) {
        if (it->value->kind != PICKLE_INT || it->value->u.i < 0)
            return -EBADMSG;
        dims[i] = (uint64_t)it->value->u.i;
    }
    *ret = dims;
    return 0;
}

static int tensor(struct arena *a, const struct pickle *args, int typed, struct pickle *v)
{
    const struct pickle *storage = pickle_at(args, 0), *offset = pickle_at(args, 1),
                        *size = pickle_at(args, 2), *stride = pickle_at(args, 3),
                        *dtype = typed ? pickle_at(args, 6) : NULL;
    if (!pickle_is(storage, PICKLE_STORAGE) || !pickle_is(offset, PICKLE_INT) || offset->u.i < 0 ||
        !pickle_is(size, PICKLE_LIST) || !pickle_is(stride, PICKLE_LIST) || size->u.list.n > MAX_RANK ||
        size->u.list.n != stride->u.list.n)
        return -EBADMSG;
    if (typed && (!pickle_is(dtype, PICKLE_GLOBAL) || dtype->u.global->what != DTYPE))
        return -EBADMSG;
    struct pickle_tensor *t = arena_alloc(a, sizeof *t);
    if (!t)
        return -ENOMEM;
    v->kind = PICKLE_TENSOR;
    v->u.tensor = t;
    t->storage = storage->u.storage;
    t->dtype = typed ? dtype->u.global->dtype : t->storage->dtype;
    t->offset = (uint64_t)offset->u.i;
    t->rank = (uint32_t)size->u.list.n;
    int r = dims_of(a, size, t->rank, &t->shape);
    return r < 0 ? r : dims_of(a, stride, t->rank, &t->stride);
}

/* OrderedDict() or OrderedDict([[k, v], …]) */
static int ordered_dict(struct arena *a, const struct pickle *args, struct pickle *d)
{
    d->kind = PICKLE_DICT;
    if (args->u.list.n == 0)
        return 0;
    const struct pickle *pairs = pickle_at(args, 0);
    if (args->u.list.n != 1 || !pickle_is(pairs, PICKLE_LIST))
        return -EBADMSG;
    for (const struct pickle_item *it = pairs->u.list.first; it; it = it->next) {
        if (it->value->kind != PICKLE_LIST || it->value->u.list.n != 2)
            return -EBADMSG;
        int r = pickle_add(a, d, pickle_at(it->value, 0), pickle_at(it->value, 1));
        if (r < 0)
            return r;
    }
    return 0;
}

int pickle_torch_call(struct arena *a, const struct pickle_global *fn, const struct pickle *args,
                      const struct pickle **ret)
{
    if (fn->what == STORAGE || fn->what == DTYPE)
        return -EBADMSG;
    if (fn->what == FIRST) {
        const struct pickle *first = pickle_at(args, 0);
        if (!first)
            return -EBADMSG;
        *ret = first;
        return 0;
    }
    struct pickle *v = arena_alloc(a, sizeof *v);
    if (!v)
        return -ENOMEM;
    int r =
        fn->what == ORDERED_DICT ? ordered_dict(a, args, v) : tensor(a, args, fn->what == TENSOR_DTYPE, v);
    if (r == 0)
        *ret = v;
    return r;
}

int pickle_torch_storage(struct arena *a, const struct pickle *id, const struct pickle **ret)
{
    if (!pickle_is(id, PICKLE_LIST))
        return -EBADMSG;
    const struct pickle *tag = pickle_at(id, 0), *type = pickle_at(id, 1), *key = pickle_at(id, 2),
                        *count = pickle_at(id, 4);
    if (!pickle_is(tag, PICKLE_STR) || !same("storage", tag->u.str.s, tag->u.str.n) ||
        !pickle_is(type, PICKLE_GLOBAL) || type->u.global->what != STORAGE || !pickle_is(key, PICKLE_STR) ||
        !pickle_is(count, PICKLE_INT) || count->u.i < 0)
        return -EBADMSG;
    struct pickle *v = arena_alloc(a, sizeof *v);
    struct pickle_storage *s = arena_alloc(a, sizeof *s);
    if (!v || !s)
        return -ENOMEM;
    *s = (struct pickle_storage){key->u.str.s, key->u.str.n, type->u.global->dtype, (uint64_t)count->u.i};
    v->kind = PICKLE_STORAGE;
    v->u.storage = s;
    *ret = v;
    return 0;
}
