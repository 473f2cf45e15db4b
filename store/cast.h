/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a chunk is predicted to be from another one, its base: the same values in this dtype. Integer
 * arithmetic alone, so that every machine predicts the same bits.
 */
#pragma once
#include "store/format/dtype.h"
#include <stddef.h>
#include <stdint.h>

/* Stored: never change a number, only add. */
enum cast {
    CAST_NONE = 0,     /* no base */
    CAST_SAME = 1,     /* the base's bits */
    CAST_F32_BF16 = 2, /* rounded to nearest, ties to even; NaN becomes 7fc0 (bf16), sign 7e00 (f16) */
    CAST_F32_F16 = 3,
    CAST_BF16_F16 = 4,
    CAST_BF16_F32 = 5, /* exact */
    CAST_MAX
};

/* The cast from one type to another; CAST_NONE: there is none. */
enum cast cast_between(enum dtype from, enum dtype to);
/* Bytes of the base of a chunk of n bytes; 0: no such chunk can have it. */
size_t cast_base_bytes(enum cast k, size_t n);
/* The prediction of a chunk of n bytes from its base: n bytes, base itself or written to room. */
const void *cast_predict(enum cast k, const void *base, size_t n, void *room);
