/* SPDX-License-Identifier: Apache-2.0 */
#include "store/cast.h"
#include <string.h>

#define VECTORISED __attribute__((optimize("O3")))

static const struct {
    enum dtype from, to;
} casts[CAST_MAX] = {
    [CAST_F32_BF16] = {DTYPE_F32, DTYPE_BF16},
    [CAST_F32_F16] = {DTYPE_F32, DTYPE_F16},
    [CAST_BF16_F16] = {DTYPE_BF16, DTYPE_F16},
    [CAST_BF16_F32] = {DTYPE_BF16, DTYPE_F32},
};

enum cast cast_between(enum dtype from, enum dtype to)
{
    if (from == to)
        return from == DTYPE_F32 || from == DTYPE_BF16 || from == DTYPE_F16 ? CAST_SAME : CAST_NONE;
    for (int k = CAST_F32_BF16; k < CAST_MAX; k++)
        if (casts[k].from == from && casts[k].to == to)
            return (enum cast)k;
    return CAST_NONE;
}

size_t cast_base_bytes(enum cast k, size_t n)
{
    if (k == CAST_SAME)
        return n;
    if (k <= CAST_SAME || k >= CAST_MAX || n % dtype_size(casts[k].to))
        return 0;
    return n / dtype_size(casts[k].to) * dtype_size(casts[k].from);
}

VECTORISED static void to_bf16(const uint8_t *restrict p, size_t m, uint8_t *restrict q)
{
    for (size_t i = 0; i < m; i++) {
        uint32_t x;
        memcpy(&x, p + 4 * i, 4);
        uint32_t y = (x + 0x7fff + (x >> 16 & 1)) >> 16;
        uint16_t z = (uint16_t)((x & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : y);
        memcpy(q + 2 * i, &z, 2);
    }
}

VECTORISED static void widen(const uint8_t *restrict p, size_t m, uint8_t *restrict q)
{
    for (size_t i = 0; i < m; i++) {
        uint16_t x;
        memcpy(&x, p + 2 * i, 2);
        uint32_t y = (uint32_t)x << 16;
        memcpy(q + 4 * i, &y, 4);
    }
}

static inline uint16_t f16_of(uint32_t x)
{
    uint32_t sign = x >> 16 & 0x8000, a = x & 0x7fffffff;
    if (a >= 0x38800000 && a < 0x477ff000) { /* normal in both, and does not round up to infinity */
        a -= 0x38000000;                     /* the exponent's bias: 127 - 15 */
        return (uint16_t)(sign | (a + 0xfff + (a >> 13 & 1)) >> 13);
    }
    if (a > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (a >= 0x477ff000)
        return (uint16_t)(sign | 0x7c00);
    uint32_t e = a >> 23; /* subnormal: units of 2^-24 */
    if (e < 102)
        return (uint16_t)sign;
    uint32_t shift = 126 - e, m = (a & 0x7fffff) | 0x800000, q = m >> shift, rest = m & ((1u << shift) - 1),
             half = 1u << (shift - 1);
    q += rest > half || (rest == half && (q & 1));
    return (uint16_t)(sign | q);
}

static void to_f16(const uint8_t *restrict p, size_t m, uint8_t *restrict q)
{
    for (size_t i = 0; i < m; i++) {
        uint32_t x;
        memcpy(&x, p + 4 * i, 4);
        uint16_t y = f16_of(x);
        memcpy(q + 2 * i, &y, 2);
    }
}

static void bf16_to_f16(const uint8_t *restrict p, size_t m, uint8_t *restrict q)
{
    for (size_t i = 0; i < m; i++) {
        uint16_t x;
        memcpy(&x, p + 2 * i, 2);
        uint16_t y = f16_of((uint32_t)x << 16);
        memcpy(q + 2 * i, &y, 2);
    }
}

const void *cast_predict(enum cast k, const void *base, size_t n, void *room)
{
    switch (k) {
    case CAST_F32_BF16:
        to_bf16(base, n / 2, room);
        return room;
    case CAST_F32_F16:
        to_f16(base, n / 2, room);
        return room;
    case CAST_BF16_F16:
        bf16_to_f16(base, n / 2, room);
        return room;
    case CAST_BF16_F32:
        widen(base, n / 4, room);
        return room;
    default:
        return base;
    }
}
