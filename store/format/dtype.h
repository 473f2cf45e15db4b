/* SPDX-License-Identifier: Apache-2.0 */
/* Element types of tensors. The numbers are stored: never change one, only add. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum dtype {
    DTYPE_NONE = 0,
    DTYPE_BOOL = 1,
    DTYPE_U8 = 2,
    DTYPE_I8 = 3,
    DTYPE_U16 = 4,
    DTYPE_I16 = 5,
    DTYPE_U32 = 6,
    DTYPE_I32 = 7,
    DTYPE_U64 = 8,
    DTYPE_I64 = 9,
    DTYPE_F16 = 10,
    DTYPE_BF16 = 11,
    DTYPE_F32 = 12,
    DTYPE_F64 = 13,
    DTYPE_F8_E4M3 = 14,
    DTYPE_F8_E5M2 = 15,
    DTYPE_C64 = 16,
    DTYPE_C128 = 17,
    DTYPE_MAX
};

const char *dtype_name(enum dtype t); /* "f32", "bf16", "i64", "f8_e4m3", …; "?" when unknown */
/* NumPy's descr, "<f4"; bf16 and fp8 have none there: "<u2", "|u1" (the bits) */
const char *dtype_npy(enum dtype t);
size_t dtype_size(enum dtype t);  /* bytes an element; 0 for none */
int dtype_is_float(enum dtype t); /* f16 bf16 f32 f64 f8_* */
/* significand bits with the hidden one (f32 24, bf16 8, f16 11, e4m3 4, e5m2 3); 0 for integers */
int dtype_precision(enum dtype t);
/* Decodes n elements at p (little-endian, any alignment) to double; float, integer and bool types (of any
 * other: NaN). */
void dtype_decode(enum dtype t, const void *p, size_t n, double *ret);
