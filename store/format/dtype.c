/* SPDX-License-Identifier: Apache-2.0 */
#include "store/format/dtype.h"
#include <math.h>
#include <string.h>

static const struct {
    const char *name, *npy;
    uint8_t size, precision, is_float;
} types[DTYPE_MAX] = {
    [DTYPE_BOOL] = {"bool", "|b1", 1, 0, 0},       [DTYPE_U8] = {"u8", "|u1", 1, 0, 0},
    [DTYPE_I8] = {"i8", "|i1", 1, 0, 0},           [DTYPE_U16] = {"u16", "<u2", 2, 0, 0},
    [DTYPE_I16] = {"i16", "<i2", 2, 0, 0},         [DTYPE_U32] = {"u32", "<u4", 4, 0, 0},
    [DTYPE_I32] = {"i32", "<i4", 4, 0, 0},         [DTYPE_U64] = {"u64", "<u8", 8, 0, 0},
    [DTYPE_I64] = {"i64", "<i8", 8, 0, 0},         [DTYPE_F16] = {"f16", "<f2", 2, 11, 1},
    [DTYPE_BF16] = {"bf16", "<u2", 2, 8, 1},       [DTYPE_F32] = {"f32", "<f4", 4, 24, 1},
    [DTYPE_F64] = {"f64", "<f8", 8, 53, 1},        [DTYPE_F8_E4M3] = {"f8_e4m3", "|u1", 1, 4, 1},
    [DTYPE_F8_E5M2] = {"f8_e5m2", "|u1", 1, 3, 1}, [DTYPE_C64] = {"c64", "<c8", 8, 0, 0},
    [DTYPE_C128] = {"c128", "<c16", 16, 0, 0},
};

static int known(enum dtype t)
{
    return (unsigned)t < DTYPE_MAX && types[t].name;
}

const char *dtype_name(enum dtype t)
{
    return known(t) ? types[t].name : "?";
}

const char *dtype_npy(enum dtype t)
{
    return known(t) ? types[t].npy : "|V1";
}

size_t dtype_size(enum dtype t)
{
    return known(t) ? types[t].size : 0;
}

int dtype_is_float(enum dtype t)
{
    return known(t) && types[t].is_float;
}

int dtype_precision(enum dtype t)
{
    return known(t) ? types[t].precision : 0;
}

static float f32_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

/* IEEE 754 binary16: normal numbers by moving the fields and rebiasing the exponent, subnormals exactly by
 * 2^-24 units. */
static float f16_of(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 1023;
    if (e == 31)
        return f32_of(sign | 0x7f800000 | m << 13);
    if (e)
        return f32_of(sign | (e + 112) << 23 | m << 13);
    float x = (float)m * 0x1p-24f;
    return sign ? -x : x;
}

/* OCP FP8 E4M3: bias 7, no infinities, S.1111.111 is NaN. */
static float f8_e4m3_of(uint8_t b)
{
    int e = b >> 3 & 15, m = b & 7;
    float x = (b & 127) == 127 ? NAN : e ? ldexpf((float)(8 + m), e - 10) : (float)m * 0x1p-9f;
    return b & 128 ? -x : x;
}

#define EACH(type, expr)                        \
    for (size_t i = 0; i < n; i++) {            \
        type v;                                 \
        memcpy(&v, b + i * sizeof v, sizeof v); \
        ret[i] = (double)(expr);                \
    }                                           \
    break

void dtype_decode(enum dtype t, const void *p, size_t n, double *ret)
{
    const uint8_t *b = p;
    switch (t) {
    case DTYPE_BOOL:
        EACH(uint8_t, v != 0);
    case DTYPE_U8:
        EACH(uint8_t, v);
    case DTYPE_I8:
        EACH(int8_t, v);
    case DTYPE_U16:
        EACH(uint16_t, v);
    case DTYPE_I16:
        EACH(int16_t, v);
    case DTYPE_U32:
        EACH(uint32_t, v);
    case DTYPE_I32:
        EACH(int32_t, v);
    case DTYPE_U64:
        EACH(uint64_t, v);
    case DTYPE_I64:
        EACH(int64_t, v);
    case DTYPE_F16:
        EACH(uint16_t, f16_of(v));
    case DTYPE_BF16:
        EACH(uint16_t, f32_of((uint32_t)v << 16));
    case DTYPE_F32:
        EACH(float, v);
    case DTYPE_F64:
        EACH(double, v);
    case DTYPE_F8_E4M3:
        EACH(uint8_t, f8_e4m3_of(v));
    case DTYPE_F8_E5M2: /* the upper byte of a binary16 */
        EACH(uint8_t, f16_of((uint16_t)(v << 8)));
    default: /* no single number an element */
        for (size_t i = 0; i < n; i++)
            ret[i] = NAN;
    }
}
