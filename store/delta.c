/* SPDX-License-Identifier: Apache-2.0 */
#include "store/delta.h"
#include <errno.h>
#include <math.h>
#include <string.h>

#define VECTORISED __attribute__((optimize("O3")))

enum { DIRECT = 16, CLASSES = DIRECT + 28 * 8, SAMPLE = 4096 };

int delta_of(enum dtype t)
{
    return t == DTYPE_F32 || t == DTYPE_BF16 || t == DTYPE_F16;
}

static inline uint16_t map16(uint16_t x)
{
    return x & 0x8000 ? (uint16_t)~x : (uint16_t)(x | 0x8000);
}
static inline uint16_t unmap16(uint16_t x)
{
    return x & 0x8000 ? (uint16_t)(x ^ 0x8000) : (uint16_t)~x;
}
static inline uint32_t map32(uint32_t x)
{
    return x ^ ((uint32_t) - (int32_t)(x >> 31) | 0x80000000);
}
static inline uint32_t unmap32(uint32_t x)
{
    return x ^ (((x >> 31) - 1) | 0x80000000);
}
static inline uint16_t zigzag16(uint16_t d)
{
    return (uint16_t)(d << 1 ^ -(d >> 15));
}
static inline uint32_t zigzag32(uint32_t d)
{
    return d << 1 ^ (uint32_t) - (int32_t)(d >> 31);
}
static inline uint16_t load16(const uint8_t *p, size_t i)
{
    uint16_t x;
    memcpy(&x, p + 2 * i, 2);
    return x;
}
static inline uint32_t load32(const uint8_t *p, size_t i)
{
    uint32_t x;
    memcpy(&x, p + 4 * i, 4);
    return x;
}

VECTORISED static void split16(const uint8_t *restrict p, const uint8_t *restrict q, size_t m,
                               uint8_t *restrict z)
{
    for (size_t i = 0; i < m; i++) {
        uint16_t x = zigzag16((uint16_t)(map16(load16(p, i)) - map16(load16(q, i))));
        memcpy(z + 2 * i, &x, 2);
    }
}

VECTORISED static void split32(const uint8_t *restrict p, const uint8_t *restrict q, size_t m,
                               uint8_t *restrict z)
{
    for (size_t i = 0; i < m; i++) {
        uint32_t x = zigzag32(map32(load32(p, i)) - map32(load32(q, i)));
        memcpy(z + 4 * i, &x, 4);
    }
}

void delta_split(enum dtype t, const void *p, const void *predicted, size_t m, void *z)
{
    if (dtype_size(t) == 2)
        split16(p, predicted, m, z);
    else
        split32(p, predicted, m, z);
}

VECTORISED static void join16(const uint8_t *z, const uint8_t *restrict q, size_t m, uint8_t *out)
{
    for (size_t i = 0; i < m; i++) {
        uint16_t x = load16(z, i);
        x = unmap16((uint16_t)(map16(load16(q, i)) + (uint16_t)(x >> 1 ^ -(x & 1))));
        memcpy(out + 2 * i, &x, 2);
    }
}

VECTORISED static void join32(const uint8_t *z, const uint8_t *restrict q, size_t m, uint8_t *out)
{
    for (size_t i = 0; i < m; i++) {
        uint32_t x = load32(z, i);
        x = unmap32(map32(load32(q, i)) + (x >> 1 ^ -(x & 1)));
        memcpy(out + 4 * i, &x, 4);
    }
}

void delta_join(enum dtype t, const void *z, const void *predicted, size_t m, void *out)
{
    if (dtype_size(t) == 2)
        join16(z, predicted, m, out);
    else
        join32(z, predicted, m, out);
}

/* Exponents by shift and mask: one function for both widths is inlined for each. */
static inline void exponents(const uint8_t *restrict q, size_t m, int width, int shift, uint8_t mask,
                             uint8_t *restrict ret)
{
    for (size_t i = 0; i < m; i++)
        ret[i] = (uint8_t)((width == 2 ? load16(q, i) : load32(q, i)) >> shift) & mask;
}

static inline uint8_t distance(uint8_t e, uint8_t most)
{
    uint8_t d = e > most ? 0 : (uint8_t)(most - e);
    return d < DELTA_CONTEXTS - 1 ? d : DELTA_CONTEXTS - 1;
}

VECTORISED static void distances(uint8_t *e, size_t m, uint8_t most)
{
    for (size_t i = 0; i < m; i++)
        e[i] = distance(e[i], most);
}

VECTORISED static void exponents_f32(const uint8_t *q, size_t m, uint8_t *ret)
{
    exponents(q, m, 4, 23, 0xff, ret);
}
VECTORISED static void exponents_bf16(const uint8_t *q, size_t m, uint8_t *ret)
{
    exponents(q, m, 2, 7, 0xff, ret);
}
VECTORISED static void exponents_f16(const uint8_t *q, size_t m, uint8_t *ret)
{
    exponents(q, m, 2, 10, 0x1f, ret);
}

void delta_contexts(enum dtype t, const void *predicted, size_t m, uint8_t *ret,
                    uint32_t ret_count[DELTA_CONTEXTS])
{
    (t == DTYPE_F32 ? exponents_f32 : t == DTYPE_BF16 ? exponents_bf16 : exponents_f16)(predicted, m, ret);
    uint32_t count[4][256] = {{0}}; /* apart, so that equal neighbours do not wait for each other */
    for (size_t i = 0; i < m; i++)
        count[i & 3][ret[i]]++;
    uint8_t all = t == DTYPE_F16 ? 0x1f : 0xff, most = all - 1; /* infinities and NaN aside */
    while (most && count[0][most] + count[1][most] + count[2][most] + count[3][most] == 0)
        most--;
    memset(ret_count, 0, DELTA_CONTEXTS * sizeof *ret_count);
    for (unsigned e = 0; e <= all; e++)
        ret_count[distance((uint8_t)e, most)] += count[0][e] + count[1][e] + count[2][e] + count[3][e];
    distances(ret, m, most);
}

/* The class of z, and how many low bits it leaves. */
static inline unsigned class_of(uint32_t z, unsigned *ret_bits)
{
    unsigned e = 31 - (unsigned)__builtin_clz(z | 8), bits = e - 3; /* z below 16: e is 3, no bits */
    *ret_bits = bits;
    return z < DIRECT ? z : DIRECT + (e - 4) * 8 + (z >> bits & 7);
}

static inline size_t classes_of(int width, const uint8_t *restrict z, const uint8_t *restrict context,
                                uint8_t *at[DELTA_CONTEXTS], size_t m, uint8_t *restrict bits, size_t room)
{
    uint64_t held = 0;
    unsigned n = 0;
    size_t used = 0;
    for (size_t i = 0; i < m; i++) {
        unsigned more;
        uint32_t x = width == 2 ? load16(z, i) : load32(z, i);
        *at[context[i]]++ = (uint8_t)class_of(x, &more);
        held |= (uint64_t)(x & ((1u << (more & 31)) - 1)) << n; /* at most 31 + 28 bits */
        n += more;
        if (n >= 32) {
            if (room - used < 4)
                return SIZE_MAX;
            uint32_t low = (uint32_t)held;
            memcpy(bits + used, &low, 4);
            used += 4;
            held >>= 32;
            n -= 32;
        }
    }
    for (; n; held >>= 8, n = n > 8 ? n - 8 : 0) {
        if (used == room)
            return SIZE_MAX;
        bits[used++] = (uint8_t)held;
    }
    return used;
}

size_t delta_classes(enum dtype t, const void *z, const uint8_t *context,
                     const uint32_t count[DELTA_CONTEXTS], size_t m, uint8_t *classes, uint8_t *bits,
                     size_t room)
{
    uint8_t *at[DELTA_CONTEXTS];
    for (int k = 0; k < DELTA_CONTEXTS; k++) {
        at[k] = classes;
        classes += count[k];
    }
    return dtype_size(t) == 2 ? classes_of(2, z, context, at, m, bits, room)
                              : classes_of(4, z, context, at, m, bits, room);
}

static inline int values_of(int width, const uint8_t *restrict context, const uint8_t *at[DELTA_CONTEXTS],
                            size_t m, const uint8_t *restrict bits, size_t nbits, uint8_t *restrict z)
{
    uint32_t base[256]; /* of each class: its least z; those that no encoder makes are 0 without bits */
    uint8_t more[256];
    for (unsigned c = 0; c < 256; c++) {
        unsigned k = c - DIRECT;
        more[c] = (uint8_t)(c < DIRECT || c >= CLASSES ? 0 : k / 8 + 1);
        base[c] = c < DIRECT ? c : c >= CLASSES ? 0 : (8 + k % 8) << more[c];
    }
    const uint8_t *end = bits + nbits;
    uint64_t held = 0;
    unsigned n = 0;
    int bad = 0;
    for (size_t i = 0; i < m; i++) {
        unsigned c = *at[context[i]]++;
        if (n < 28) {
            if (end - bits >= 4) {
                held |= (uint64_t)load32(bits, 0) << n;
                bits += 4;
                n += 32;
            } else {
                for (; bits < end; n += 8)
                    held |= (uint64_t)*bits++ << n;
            }
        }
        bad |= more[c] > n;
        uint32_t x = base[c] + ((uint32_t)held & ((1u << more[c]) - 1));
        held >>= more[c];
        n -= more[c];
        if (width == 2) {
            uint16_t y = (uint16_t)x;
            memcpy(z + 2 * i, &y, 2);
        } else {
            memcpy(z + 4 * i, &x, 4);
        }
        if (bad)
            return -EBADMSG;
    }
    return bits != end || n >= 8 ? -EBADMSG : 0;
}

int delta_values(enum dtype t, const uint8_t *context, const uint8_t *const classes[DELTA_CONTEXTS], size_t m,
                 const uint8_t *bits, size_t nbits, void *z)
{
    const uint8_t *at[DELTA_CONTEXTS];
    memcpy(at, classes, sizeof at);
    return dtype_size(t) == 2 ? values_of(2, context, at, m, bits, nbits, z)
                              : values_of(4, context, at, m, bits, nbits, z);
}

/* Bits a symbol: the entropy, with Miller and Madow's correction for few samples. */
static double entropy(const uint32_t count[256], uint32_t n)
{
    double sum = 0;
    int seen = 0;
    for (int i = 0; i < 256; i++)
        if (count[i]) {
            seen++;
            sum -= (double)count[i] / n * log2((double)count[i] / n);
        }
    return sum + (seen - 1) / (2 * M_LN2 * n);
}

static size_t stride_of(size_t m)
{
    return m > SAMPLE ? m / SAMPLE : 1;
}

double delta_cost(enum dtype t, const void *p, const void *predicted, size_t n)
{
    uint32_t count[256] = {0}, seen = 0;
    uint64_t low = 0;
    size_t m = n / dtype_size(t);
    for (size_t i = 0, step = stride_of(m); i < m; i += step, seen++) {
        unsigned more;
        uint32_t z = dtype_size(t) == 2
                         ? zigzag16((uint16_t)(map16(load16(p, i)) - map16(load16(predicted, i))))
                         : zigzag32(map32(load32(p, i)) - map32(load32(predicted, i)));
        count[class_of(z, &more)]++;
        low += more;
    }
    return seen == 0 || count[0] == seen ? 0 : entropy(count, seen) + (double)low / seen;
}

double delta_cost_alone(enum dtype t, const void *p, size_t n)
{
    size_t width = dtype_size(t), m = n / width;
    double bits = 0;
    for (size_t k = 0; k < width; k++) {
        uint32_t count[256] = {0}, seen = 0;
        for (size_t i = 0, step = stride_of(m); i < m; i += step, seen++) {
            uint32_t x = width == 2 ? load16(p, i) : load32(p, i);
            x = width == 2 ? (x << 1 | x >> 15) & 0xffff : x << 1 | x >> 31;
            count[x >> 8 * k & 0xff]++;
        }
        bits += seen ? entropy(count, seen) : 0;
    }
    return bits < 8 * (double)width ? bits : 8 * (double)width;
}
