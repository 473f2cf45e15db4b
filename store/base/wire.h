/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Little-endian records: written to a struct out, read through a cursor whose error is sticky. Every stored
 * record and every message between the two halves of a command is made of these.
 *
 * str and bytes are a u32 length and the bytes. A reader past the end, or of a length that does not fit, sets
 * bad and yields zeros; look at wire_done() once at the end.
 */
#pragma once
#include "store/base/hash.h"
#include "store/base/out.h"
#include <errno.h>

static inline void wire_put(struct out *o, const void *p, size_t n)
{
    out_write(o, p, n);
}
static inline void wire_put_u8(struct out *o, uint8_t x)
{
    out_write(o, &x, 1);
}
static inline void wire_put_uint(struct out *o, uint64_t x, int bytes)
{
    uint8_t b[8];
    for (int i = 0; i < bytes; i++)
        b[i] = (uint8_t)(x >> 8 * i);
    out_write(o, b, (size_t)bytes);
}
static inline void wire_put_u16(struct out *o, uint16_t x)
{
    wire_put_uint(o, x, 2);
}
static inline void wire_put_u32(struct out *o, uint32_t x)
{
    wire_put_uint(o, x, 4);
}
static inline void wire_put_u64(struct out *o, uint64_t x)
{
    wire_put_uint(o, x, 8);
}
static inline void wire_put_f64(struct out *o, double x)
{
    uint64_t u;
    memcpy(&u, &x, 8);
    wire_put_u64(o, u);
}
static inline void wire_put_digest(struct out *o, const struct digest *d)
{
    out_write(o, d->b, 32);
}
static inline void wire_put_bytes(struct out *o, const void *p, size_t n)
{
    if (n > UINT32_MAX) {
        o->err = -EMSGSIZE;
        return;
    }
    wire_put_u32(o, (uint32_t)n);
    out_write(o, p, n);
}
static inline void wire_put_str(struct out *o, const char *s)
{
    wire_put_bytes(o, s, strlen(s));
}

struct wire {
    const uint8_t *p, *end;
    int bad;
};
static inline struct wire wire_read(const void *p, size_t n)
{
    return (struct wire){(const uint8_t *)p, (const uint8_t *)p + n, 0};
}
static inline size_t wire_left(const struct wire *w)
{
    return w->bad ? 0 : (size_t)(w->end - w->p);
}
/* n bytes inside the record, or NULL */
static inline const void *wire_get(struct wire *w, size_t n)
{
    if (n > wire_left(w)) {
        w->bad = 1;
        return NULL;
    }
    const void *p = w->p;
    w->p += n;
    return p;
}
static inline uint64_t wire_uint(struct wire *w, int bytes)
{
    const uint8_t *b = (const uint8_t *)wire_get(w, (size_t)bytes);
    uint64_t x = 0;
    for (int i = 0; b && i < bytes; i++)
        x |= (uint64_t)b[i] << 8 * i;
    return x;
}
static inline uint8_t wire_u8(struct wire *w)
{
    return (uint8_t)wire_uint(w, 1);
}
static inline uint16_t wire_u16(struct wire *w)
{
    return (uint16_t)wire_uint(w, 2);
}
static inline uint32_t wire_u32(struct wire *w)
{
    return (uint32_t)wire_uint(w, 4);
}
static inline uint64_t wire_u64(struct wire *w)
{
    return wire_uint(w, 8);
}
static inline double wire_f64(struct wire *w)
{
    uint64_t u = wire_u64(w);
    double x;
    memcpy(&x, &u, 8);
    return x;
}
static inline void wire_digest(struct wire *w, struct digest *ret)
{
    const void *p = wire_get(w, 32);
    if (p)
        memcpy(ret, p, 32);
    else
        memset(ret, 0, 32);
}
/* A view of the bytes inside the record (not NUL-terminated; valid as long as it); "" and *ret_n = 0 when
 * bad. */
static inline const char *wire_bytes(struct wire *w, size_t *ret_n)
{
    size_t n = wire_u32(w);
    const char *p = (const char *)wire_get(w, n);
    *ret_n = p ? n : 0;
    return p ? p : "";
}
/* 0 when everything was there and nothing is left over */
static inline int wire_done(const struct wire *w)
{
    return w->bad || w->p != w->end ? -EBADMSG : 0;
}

/* big-endian integers for keys, so that byte order is number order */
static inline void wire_put_be32(struct out *o, uint32_t x)
{
    wire_put_u32(o, __builtin_bswap32(x));
}
static inline void wire_put_be64(struct out *o, uint64_t x)
{
    wire_put_u64(o, __builtin_bswap64(x));
}
static inline uint32_t wire_be32(struct wire *w)
{
    return __builtin_bswap32(wire_u32(w));
}
static inline uint64_t wire_be64(struct wire *w)
{
    return __builtin_bswap64(wire_u64(w));
}
