/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/diff/kernel.h"
#include <math.h>
#include <string.h>

typedef double f64x8 __attribute__((vector_size(64)));
typedef int64_t i64x8 __attribute__((vector_size(64)));
typedef float f32x8 __attribute__((vector_size(32)));
typedef uint32_t u32x8 __attribute__((vector_size(32)));
typedef uint16_t u16x8 __attribute__((vector_size(16)));

/* ---- the loop, once; compiled below for each type and instruction set ---- */

/* Eight elements at p: *ret_bits gets their bits (widened), the result their values. */
#define LOAD_F64(p, x, bits) \
    memcpy(&(x), p, 64);     \
    bits = (i64x8)(x)
#define LOAD_F32(p, x, bits) \
    memcpy(&(bits), p, 32);  \
    x = __builtin_convertvector((f32x8)(bits), f64x8)
#define LOAD_BF16(p, x, bits)                              \
    do {                                                   \
        u16x8 h;                                           \
        memcpy(&h, p, sizeof h);                           \
        bits = __builtin_convertvector(h, u32x8) << 16;    \
        x = __builtin_convertvector((f32x8)(bits), f64x8); \
    } while (0)
/* binary16 by moving the fields; 2^112 rebiases the exponent, exactly for subnormals too */
#define LOAD_F16(p, x, bits)                                                                    \
    do {                                                                                        \
        u16x8 h;                                                                                \
        memcpy(&h, p, sizeof h);                                                                \
        bits = __builtin_convertvector(h, u32x8);                                               \
        u32x8 rest = ((bits)&0x7fff) << 13, special = (u32x8)(rest >= 0x0f800000) & 0x7f800000; \
        rest = (u32x8)((f32x8)rest * 0x1p112f) | special | ((bits)&0x8000) << 16;               \
        x = __builtin_convertvector((f32x8)rest, f64x8);                                        \
    } while (0)

#define LOOP(name, isa, attribute, load, size, ints)                                                       \
    attribute static void name##_##isa(const uint8_t *a, const uint8_t *b, size_t n,                       \
                                       struct kernel_sums *ret)                                            \
    {                                                                                                      \
        f64x8 aa = {0}, bb = {0}, dd = {0}, ab = {0}, x, y;                                                \
        i64x8 max = {0}, differ = {0};                                                                     \
        ints bits = {0}, u, v;                                                                             \
        for (size_t i = 0; i < n; i += 8) {                                                                \
            load(a + i * (size), x, u);                                                                    \
            load(b + i * (size), y, v);                                                                    \
            f64x8 d = y - x;                                                                               \
            aa += x * x;                                                                                   \
            bb += y * y;                                                                                   \
            dd += d * d;                                                                                   \
            ab += x * y;                                                                                   \
            bits += (ints)(u != v); /* -1 where they do */                                                 \
            differ += x != y;                                                                              \
            i64x8 m = (i64x8)d & INT64_MAX, larger = (f64x8)m > (f64x8)max; /* never for NaN */            \
            max = (m & larger) | (max & ~larger);                                                          \
        }                                                                                                  \
        f64x8 s[4] = {aa, bb, dd, ab};                                                                     \
        double *to[4] = {&ret->aa, &ret->bb, &ret->dd, &ret->ab};                                          \
        for (int k = 0; k < 4; k++)                                                                        \
            *to[k] =                                                                                       \
                ((s[k][0] + s[k][1]) + (s[k][2] + s[k][3])) + ((s[k][4] + s[k][5]) + (s[k][6] + s[k][7])); \
        ret->max = 0;                                                                                      \
        ret->n_val = ret->n_bits = 0;                                                                      \
        for (int l = 0; l < 8; l++) {                                                                      \
            double m = ((f64x8)max)[l];                                                                    \
            ret->max = m > ret->max ? m : ret->max;                                                        \
            ret->n_val += (uint64_t)-differ[l];                                                            \
            ret->n_bits += (uint32_t)-bits[l];                                                             \
        }                                                                                                  \
    }

typedef void loop(const uint8_t *a, const uint8_t *b, size_t n, struct kernel_sums *ret);
struct loops {
    loop *f64, *f32, *bf16, *f16;
};
#define LOOPS(isa, attribute)                       \
    LOOP(f64, isa, attribute, LOAD_F64, 8, i64x8)   \
    LOOP(f32, isa, attribute, LOAD_F32, 4, u32x8)   \
    LOOP(bf16, isa, attribute, LOAD_BF16, 2, u32x8) \
    LOOP(f16, isa, attribute, LOAD_F16, 2, u32x8)   \
    static const struct loops loops_##isa = {f64_##isa, f32_##isa, bf16_##isa, f16_##isa};

LOOPS(plain, )
#ifdef __x86_64__
LOOPS(avx2, __attribute__((target("avx2"))))
LOOPS(avx512, __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))))
#endif

static const struct loops *loops(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return &loops_avx512;
    if (__builtin_cpu_supports("avx2"))
        return &loops_avx2;
#endif
    return &loops_plain;
}

/* ---- what the rest of the engine calls ---- */

void kernel_compare(enum dtype t, const void *a, const void *b, size_t n, struct kernel_sums *ret)
{
    const struct loops *l = loops();
    loop *run = t == DTYPE_F64 ? l->f64 : t == DTYPE_F32 ? l->f32 : t == DTYPE_BF16 ? l->bf16 : l->f16;
    size_t size = dtype_size(t), whole = n / 8 * 8 * size, rest = n * size - whole;
    struct kernel_sums tail;
    uint8_t pad[2][64] = {{0}};
    run(a, b, n / 8 * 8, ret);
    if (rest == 0)
        return;
    memcpy(pad[0], (const uint8_t *)a + whole, rest);
    memcpy(pad[1], (const uint8_t *)b + whole, rest);
    run(pad[0], pad[1], 8, &tail);
    ret->aa += tail.aa;
    ret->bb += tail.bb;
    ret->dd += tail.dd;
    ret->ab += tail.ab;
    ret->max = tail.max > ret->max ? tail.max : ret->max;
    ret->n_val += tail.n_val;
    ret->n_bits += tail.n_bits;
}

#define COUNT(type)                                              \
    for (size_t i = 0; i < n; i++) {                             \
        type x, y;                                               \
        memcpy(&x, (const uint8_t *)a + i * sizeof x, sizeof x); \
        memcpy(&y, (const uint8_t *)b + i * sizeof y, sizeof y); \
        differ += x != y;                                        \
    }                                                            \
    break

uint64_t kernel_bits(const void *a, const void *b, size_t n, size_t size)
{
    uint32_t differ = 0; /* n <= KERNEL_BLOCK */
    if (memcmp(a, b, n * size) == 0)
        return 0;
    switch (size) {
    case 1:
        COUNT(uint8_t);
    case 2:
        COUNT(uint16_t);
    case 4:
        COUNT(uint32_t);
    case 8:
        COUNT(uint64_t);
    default:
        for (size_t i = 0; i < n; i++)
            differ += memcmp((const uint8_t *)a + i * size, (const uint8_t *)b + i * size, size) != 0;
    }
    return differ;
}

void kernel_round(enum dtype t, double *x, size_t n)
{
    int p = dtype_precision(t), emin = -126;
    double top = 0x1.fffffep127, past = INFINITY;
    if (p == 0 || t == DTYPE_F64)
        return;
    if (t == DTYPE_BF16)
        top = 0x1.fep127;
    if (t == DTYPE_F16)
        emin = -14, top = 65504;
    if (t == DTYPE_F8_E5M2)
        emin = -14, top = 57344;
    if (t == DTYPE_F8_E4M3)
        emin = -6, top = 448, past = NAN;
    const double normal = ldexp(1, emin);
    const double magic = ldexp(1.5, 52 + emin - (p - 1)); /* its last bit is the smallest subnormal */
    const int cut = 53 - p;
    for (size_t i = 0; i < n; i++) {
        double v = fabs(x[i]);
        if (v >= normal && v < INFINITY) {
            uint64_t u;
            memcpy(&u, &v, 8);
            u += (1ull << (cut - 1)) - 1 + (u >> cut & 1); /* half, and the last bit that stays for ties */
            u &= ~((1ull << cut) - 1);
            memcpy(&v, &u, 8);
        } else if (v < normal) {
            v = (v + magic) - magic;
        }
        x[i] = copysign(v > top ? past : v, x[i]);
    }
}
