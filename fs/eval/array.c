/* SPDX-License-Identifier: Apache-2.0 */
/*
 * npy = "\x93NUMPY" u8 major u8 minor (u16 | u32) length, header, data
 * header: a Python dict with exactly the keys descr, fortran_order and shape, as numpy.save writes it.
 */
#include "fs/eval/array.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char magic[6] = {(char)0x93, 'N', 'U', 'M', 'P', 'Y'};

int array_is(const void *p, size_t n)
{
    return n >= sizeof magic && memcmp(p, magic, sizeof magic) == 0;
}

static int bad(const char *what)
{
    return fail(-EINVAL, "not a .npy file that can be read: %s", what);
}

/* What follows the key and its colon; NULL. The header ends with a NUL. */
static const char *value(const char *header, const char *key)
{
    const char *p = strstr(header, key);
    if (!p)
        return NULL;
    p += strlen(key);
    p += strspn(p, " ");
    if (*p != ':')
        return NULL;
    return p + 1 + strspn(p + 1, " ");
}

static int parse_dtype(const char *p, enum dtype *ret)
{
    static const struct {
        const char *descr;
        enum dtype dtype;
    } known[] = {{"|b1", DTYPE_BOOL}, {"|u1", DTYPE_U8},  {"|i1", DTYPE_I8},  {"<u2", DTYPE_U16},
                 {"<i2", DTYPE_I16},  {"<u4", DTYPE_U32}, {"<i4", DTYPE_I32}, {"<u8", DTYPE_U64},
                 {"<i8", DTYPE_I64},  {"<f2", DTYPE_F16}, {"<f4", DTYPE_F32}, {"<f8", DTYPE_F64}};
    for (size_t i = 0; p && i < sizeof known / sizeof *known; i++)
        if ((p[0] == '\'' || p[0] == '"') && strncmp(p + 1, known[i].descr, 3) == 0 && p[4] == p[0]) {
            *ret = known[i].dtype;
            return 0;
        }
    return bad("its dtype is none of bool, (u)int8 to 64, float16, 32, 64 (little-endian)");
}

static int parse_shape(const char *p, struct array *a)
{
    if (!p || *p++ != '(')
        return bad("it has no shape");
    for (a->count = 1;; p++) {
        p += strspn(p, " ");
        if (*p == ')')
            return 0;
        char *end;
        errno = 0;
        unsigned long long n = *p >= '0' && *p <= '9' ? strtoull(p, &end, 10) : (errno = EINVAL);
        if (errno || a->rank == ARRAY_MAX_RANK || __builtin_mul_overflow(a->count, (uint64_t)n, &a->count))
            return bad("its shape");
        a->shape[a->rank++] = n;
        p = end + strspn(end, " ");
        if (*p == ')')
            return 0;
        if (*p != ',')
            return bad("its shape");
    }
}

int array_parse(const void *bytes, size_t n, struct array *ret)
{
    const uint8_t *p = bytes;
    struct array a = {0};
    char header[1024];
    if (!array_is(p, n) || n < 12)
        return bad("it does not begin as one");
    size_t at = p[6] == 1 ? 10 : 12, len = (size_t)p[8] | (size_t)p[9] << 8;
    if (p[6] != 1)
        len |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
    if (p[6] < 1 || p[6] > 3 || len >= sizeof header || len > n - at)
        return bad("its header");
    memcpy(header, p + at, len);
    header[len] = 0;
    const char *order = value(header, "'fortran_order'");
    if (!order || strncmp(order, "False", 5) != 0)
        return bad("it is not in C order (numpy.ascontiguousarray)");
    int err = parse_dtype(value(header, "'descr'"), &a.dtype);
    if (!err)
        err = parse_shape(value(header, "'shape'"), &a);
    uint64_t size;
    if (!err && (__builtin_mul_overflow(a.count, dtype_size(a.dtype), &size) || size != n - at - len))
        err = bad("its length is not that of its shape");
    a.data = p + at + len;
    if (!err)
        *ret = a;
    return err;
}

static double half(uint16_t h)
{
    int e = h >> 10 & 31, m = h & 1023;
    double x = e == 31 ? (m ? NAN : INFINITY) : e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
    return h & 0x8000 ? -x : x;
}

double array_number(const struct array *a, uint64_t i)
{
    size_t width = dtype_size(a->dtype);
    uint64_t u = 0;
    float f;
    double d;
    memcpy(&u, a->data + i * width, width);
    switch (a->dtype) {
    case DTYPE_F64:
        memcpy(&d, &u, 8);
        return d;
    case DTYPE_F32:
        memcpy(&f, &u, 4);
        return (double)f;
    case DTYPE_F16:
        return half((uint16_t)u);
    case DTYPE_I8:
        return (int8_t)u;
    case DTYPE_I16:
        return (int16_t)u;
    case DTYPE_I32:
        return (int32_t)u;
    case DTYPE_I64:
        return (double)(int64_t)u;
    default:
        return (double)u;
    }
}

static json_t *lists(const struct array *a, uint32_t depth, uint64_t *at)
{
    if (depth == a->rank) {
        double x = array_number(a, (*at)++);
        int whole = a->dtype != DTYPE_F16 && a->dtype != DTYPE_F32 && a->dtype != DTYPE_F64;
        return a->dtype == DTYPE_BOOL ? json_boolean(x != 0)
               : whole                ? json_integer((json_int_t)x)
                                      : json_real(x);
    }
    json_t *list = json_array();
    for (uint64_t i = 0; list && i < a->shape[depth]; i++)
        if (json_array_append_new(list, lists(a, depth + 1, at))) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

json_t *array_lists(const struct array *a)
{
    uint64_t at = 0;
    return lists(a, 0, &at);
}
