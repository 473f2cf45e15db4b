/* SPDX-License-Identifier: Apache-2.0 */
#define ZSTD_STATIC_LINKING_ONLY
#include "store/codec.h"
#include "store/delta.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

struct codec_state {
    ZSTD_CCtx *planes, *match1, *match3; /* entropy coding alone; levels 1 and 3 */
    ZSTD_DCtx *d;
    uint8_t *buf;     /* CODEC_MAX_RAW: planes before coding, or after decoding */
    uint8_t *try;     /* CODEC_MAX_RAW: a second attempt, or contexts */
    uint8_t *classes; /* CODEC_MAX_RAW / 2 */
    uint8_t *spare;   /* CODEC_MAX_RAW, or NULL */
    uint8_t *room;    /* CODEC_MAX_RAW: what is predicted, in the care of the caller */
};

const char *codec_name(unsigned codec)
{
    static const char *const names[CODEC_MAX] = {"raw", "zstd", "planes", "delta", "ctx", "exact"};
    return codec < CODEC_MAX ? names[codec] : "?";
}

/* Frames carry neither magic, nor content size, nor checksum: the chunk record says all of it. */
static ZSTD_CCtx *compressor(int level, int entropy_only)
{
    ZSTD_CCtx *z = ZSTD_createCCtx();
    if (!z)
        return NULL;
    size_t bad = ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_format, ZSTD_f_zstd1_magicless)) |
                 ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_contentSizeFlag, 0)) |
                 ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, level));
    if (entropy_only)
        bad |= ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_literalCompressionMode, ZSTD_ps_enable));
    if (bad) {
        ZSTD_freeCCtx(z);
        return NULL;
    }
    return z;
}

struct codec_state *codec_new(void)
{
    struct codec_state *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->planes = compressor(-10000, 1);
    c->match1 = compressor(1, 0);
    c->match3 = compressor(3, 0);
    c->d = ZSTD_createDCtx();
    c->buf = malloc(CODEC_MAX_RAW);
    c->try = malloc(CODEC_MAX_RAW);
    c->classes = malloc(CODEC_MAX_RAW / 2);
    c->room = malloc(CODEC_MAX_RAW);
    if (!c->planes || !c->match1 || !c->match3 || !c->d || !c->buf || !c->try || !c->classes || !c->room ||
        ZSTD_isError(ZSTD_DCtx_setParameter(c->d, ZSTD_d_format, ZSTD_f_zstd1_magicless))) {
        codec_free(c);
        return NULL;
    }
    return c;
}

void codec_free(struct codec_state *c)
{
    if (!c)
        return;
    ZSTD_freeCCtx(c->planes);
    ZSTD_freeCCtx(c->match1);
    ZSTD_freeCCtx(c->match3);
    ZSTD_freeDCtx(c->d);
    free(c->buf);
    free(c->try);
    free(c->classes);
    free(c->room);
    free(c->spare);
    free(c);
}

void *codec_spare(struct codec_state *c)
{
    if (!c->spare)
        c->spare = malloc(CODEC_MAX_RAW);
    return c->spare;
}

void *codec_room(struct codec_state *c)
{
    return c->room;
}

/*
 * Splitting and joining, one function a width. Written as plain loops over restrict pointers; O3 lets the
 * compiler turn them into shuffles. `by` is 1 for floats (rotate left by one bit), 0 for integers.
 */
#define VECTORISED __attribute__((optimize("O3")))

VECTORISED static void split2(const uint8_t *restrict p, size_t n, unsigned by, uint8_t *restrict a,
                              uint8_t *restrict b)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t x;
        memcpy(&x, p + 2 * i, 2);
        x = (uint16_t)(by ? x << 1 | x >> 15 : x);
        a[i] = (uint8_t)x;
        b[i] = (uint8_t)(x >> 8);
    }
}

VECTORISED static void join2(uint8_t *restrict p, size_t n, unsigned by, const uint8_t *restrict a,
                             const uint8_t *restrict b)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t x = (uint16_t)(a[i] | b[i] << 8);
        x = (uint16_t)(by ? x >> 1 | x << 15 : x);
        memcpy(p + 2 * i, &x, 2);
    }
}

VECTORISED static void split4(const uint8_t *restrict p, size_t n, unsigned by, uint8_t *restrict a,
                              uint8_t *restrict b, uint8_t *restrict c, uint8_t *restrict d)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t x;
        memcpy(&x, p + 4 * i, 4);
        x = by ? x << 1 | x >> 31 : x;
        a[i] = (uint8_t)x;
        b[i] = (uint8_t)(x >> 8);
        c[i] = (uint8_t)(x >> 16);
        d[i] = (uint8_t)(x >> 24);
    }
}

VECTORISED static void join4(uint8_t *restrict p, size_t n, unsigned by, const uint8_t *restrict a,
                             const uint8_t *restrict b, const uint8_t *restrict c, const uint8_t *restrict d)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t x = (uint32_t)a[i] | (uint32_t)b[i] << 8 | (uint32_t)c[i] << 16 | (uint32_t)d[i] << 24;
        x = by ? x >> 1 | x << 31 : x;
        memcpy(p + 4 * i, &x, 4);
    }
}

VECTORISED static void split8(const uint8_t *restrict p, size_t n, unsigned by, uint8_t *restrict q)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t x;
        memcpy(&x, p + 8 * i, 8);
        x = by ? x << 1 | x >> 63 : x;
        for (int k = 0; k < 8; k++)
            q[(size_t)k * n + i] = (uint8_t)(x >> 8 * k);
    }
}

VECTORISED static void join8(uint8_t *restrict p, size_t n, unsigned by, const uint8_t *restrict q)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t x = 0;
        for (int k = 0; k < 8; k++)
            x |= (uint64_t)q[(size_t)k * n + i] << 8 * k;
        x = by ? x >> 1 | x << 63 : x;
        memcpy(p + 8 * i, &x, 8);
    }
}

/* More than 40 % of (every eighth of) the bytes are one symbol. */
static int skewed(const uint8_t *p, size_t n)
{
    uint32_t count[256] = {0}, most = 0, seen = 0;
    for (size_t i = 0; i < n; i += 8, seen++)
        count[p[i]]++;
    for (int i = 0; i < 256; i++)
        if (count[i] > most)
            most = count[i];
    return (uint64_t)most * 5 > (uint64_t)seen * 2;
}

/* One stream into out (room for n): bytes written. */
static size_t put_stream(struct codec_state *c, int plane, const uint8_t *p, size_t n, uint8_t *out,
                         struct codec_stream *ret)
{
    size_t best = n;
    ret->coder = CODER_RAW;
    if (n > 16) {
        size_t k = ZSTD_compress2(plane ? c->planes : c->match3, out, n - 1, p, n);
        if (!ZSTD_isError(k)) {
            best = k;
            ret->coder = CODER_ZSTD;
        }
        if (plane && skewed(p, n)) {
            k = ZSTD_compress2(c->match1, c->try, best - 1, p, n);
            if (!ZSTD_isError(k) && k < best) {
                memcpy(out, c->try, k);
                best = k;
                ret->coder = CODER_ZSTD;
            }
        }
    }
    if (ret->coder == CODER_RAW)
        memcpy(out, p, n);
    ret->n = (uint32_t)best;
    return best;
}

static void split(const void *p, size_t width, size_t m, unsigned by, uint8_t *b)
{
    if (width == 2)
        split2(p, m, by, b, b + m);
    else if (width == 4)
        split4(p, m, by, b, b + m, b + 2 * m, b + 3 * m);
    else
        split8(p, m, by, b);
}

int64_t codec_encode(struct codec_state *c, enum dtype t, const void *p, size_t n, void *out,
                     struct codec_result *ret)
{
    if (n > CODEC_MAX_RAW)
        return -EINVAL;
    size_t width = dtype_size(t);
    int planes = width >= 2 && width <= 8 && (width & (width - 1)) == 0 && n % width == 0;
    struct codec_result r = {.width = 1};
    size_t used = 0;
    if (!planes) { /* one-byte elements are already one plane */
        r.codec = CODEC_ZSTD;
        r.nstreams = 1;
        used = put_stream(c, width == 1, p, n, out, &r.stream[0]);
    } else {
        size_t m = n / width;
        uint8_t *b = c->buf;
        r.codec = CODEC_PLANES;
        r.width = r.nstreams = (uint8_t)width;
        r.rotated = (uint8_t)dtype_is_float(t);
        split(p, width, m, r.rotated, b);
        for (size_t k = 0; k < width; k++)
            used += put_stream(c, 1, b + k * m, m, (uint8_t *)out + used, &r.stream[k]);
    }
    if (used >= n) {
        r = (struct codec_result){.codec = CODEC_RAW, .width = 1, .nstreams = 1};
        r.stream[0] = (struct codec_stream){CODER_RAW, (uint32_t)n};
        memcpy(out, p, n);
        used = n;
    }
    *ret = r;
    return (int64_t)used;
}

/* Stream 0: low bits, as they are; then the classes of each context. */
static size_t put_ctx(struct codec_state *c, enum dtype t, const void *predicted, size_t n, uint8_t *out,
                      struct codec_result *r)
{
    uint32_t count[DELTA_CONTEXTS];
    size_t m = n / r->width;
    const uint8_t *from = c->classes;
    delta_contexts(t, predicted, m, c->try, count);
    size_t used = delta_classes(t, c->buf, c->try, count, m, c->classes, out, n);
    if (used == SIZE_MAX)
        return n;
    r->nstreams = 1 + DELTA_CONTEXTS;
    r->stream[0] = (struct codec_stream){CODER_RAW, (uint32_t)used};
    for (int k = 0; k < DELTA_CONTEXTS; from += count[k++]) {
        if (count[k] > n - used)
            return n;
        used += put_stream(c, 1, from, count[k], out + used, &r->stream[1 + k]);
    }
    return used;
}

int64_t codec_encode_delta(struct codec_state *c, enum dtype t, int fast, const void *p,
                           const void *predicted, size_t n, void *out, struct codec_result *ret)
{
    size_t width = dtype_size(t), m, used = 0;
    if (n > CODEC_MAX_RAW || !delta_of(t) || n % width)
        return -EINVAL;
    m = n / width;
    struct codec_result r = {.codec = CODEC_EXACT, .width = (uint8_t)width};
    if (memcmp(p, predicted, n) == 0) {
        *ret = r;
        return 0;
    }
    if (fast) {
        delta_split(t, p, predicted, m, c->try);
        split(c->try, width, m, 0, c->buf);
        r.codec = CODEC_DELTA;
        r.nstreams = r.width;
        for (size_t k = 0; k < width; k++)
            used += put_stream(c, 1, c->buf + k * m, m, (uint8_t *)out + used, &r.stream[k]);
    } else {
        delta_split(t, p, predicted, m, c->buf);
        r.codec = CODEC_CTX;
        used = put_ctx(c, t, predicted, n, out, &r);
    }
    if (used < n)
        *ret = r;
    return (int64_t)used;
}

/* One stream of n raw bytes: a pointer to them, either where they lie or in room. */
static int get_stream(struct codec_state *c, const struct codec_stream *s, const uint8_t *p, size_t n,
                      uint8_t *room, const uint8_t **ret)
{
    if (s->coder == CODER_RAW) {
        if (s->n != n)
            return -EBADMSG;
        *ret = p;
        return 0;
    }
    if (s->coder != CODER_ZSTD)
        return -ENOTSUP;
    size_t k = ZSTD_decompressDCtx(c->d, room, n, p, s->n);
    if (ZSTD_isError(k) || k != n)
        return -EBADMSG;
    *ret = room;
    return 0;
}

static void join(void *out, size_t width, size_t m, unsigned by, const uint8_t *const *plane, uint8_t *buf)
{
    if (width == 2) {
        join2(out, m, by, plane[0], plane[1]);
    } else if (width == 4) {
        join4(out, m, by, plane[0], plane[1], plane[2], plane[3]);
    } else {
        for (size_t k = 0; k < 8; k++) /* join8 wants them side by side */
            if (plane[k] != buf + k * m)
                memcpy(buf + k * m, plane[k], m);
        join8(out, m, by, buf);
    }
}

/* Decodes one stream after the other, raw[k] bytes each, into room. */
static int get_streams(struct codec_state *c, const struct codec_stream *s, size_t n, const uint8_t *p,
                       size_t np, const uint32_t *raw, uint8_t *room, const uint8_t **ret)
{
    for (size_t k = 0; k < n; k++) {
        if (s[k].n > np)
            return -EBADMSG;
        int r = get_stream(c, &s[k], p, raw[k], room, &ret[k]);
        if (r < 0)
            return r;
        p += s[k].n;
        np -= s[k].n;
        room += raw[k];
    }
    return np ? -EBADMSG : 0;
}

static int get_ctx(struct codec_state *c, enum dtype t, const struct codec_result *how, const uint8_t *p,
                   size_t np, const void *predicted, void *out, size_t n)
{
    uint32_t count[DELTA_CONTEXTS];
    const uint8_t *classes[DELTA_CONTEXTS];
    size_t m = n / how->width, nbits = how->stream[0].n;
    if (how->stream[0].coder != CODER_RAW || nbits > np)
        return -EBADMSG;
    delta_contexts(t, predicted, m, c->try, count);
    int r =
        get_streams(c, how->stream + 1, DELTA_CONTEXTS, p + nbits, np - nbits, count, c->classes, classes);
    if (r == 0)
        r = delta_values(t, c->try, classes, m, p, nbits, out);
    if (r == 0)
        delta_join(t, out, predicted, m, out);
    return r;
}

/* How many streams a record of this form has; 0: there is no such form. */
static size_t streams_of(enum dtype t, const struct codec_result *how, const void *predicted, size_t n)
{
    size_t width = how->width;
    if (how->codec == CODEC_RAW || how->codec == CODEC_ZSTD)
        return 1;
    if (how->codec == CODEC_PLANES)
        return (width == 2 || width == 4 || width == 8) && n % width == 0 ? width : 0;
    if (!predicted || !delta_of(t) || width != dtype_size(t) || n % width)
        return 0;
    return how->codec == CODEC_CTX ? 1 + DELTA_CONTEXTS : width;
}

int codec_decode(struct codec_state *c, enum dtype t, const struct codec_result *how, const void *p,
                 size_t np, const void *predicted, void *out, size_t n)
{
    const uint8_t *plane[CODEC_MAX_STREAMS];
    uint32_t raw[CODEC_MAX_STREAMS];
    if (how->codec >= CODEC_MAX)
        return -ENOTSUP;
    if (n > CODEC_MAX_RAW)
        return -EBADMSG;
    if (how->codec == CODEC_EXACT) {
        if (!predicted || np || how->nstreams)
            return -EBADMSG;
        memcpy(out, predicted, n);
        return 0;
    }
    size_t streams = streams_of(t, how, predicted, n);
    if (streams == 0 || how->nstreams != streams ||
        (how->codec == CODEC_RAW && how->stream[0].coder != CODER_RAW))
        return -EBADMSG;
    if (how->codec == CODEC_CTX)
        return get_ctx(c, t, how, p, np, predicted, out, n);
    for (size_t k = 0; k < streams; k++)
        raw[k] = (uint32_t)(n / streams);
    int r = get_streams(c, how->stream, streams, p, np, raw, streams == 1 ? out : c->buf, plane);
    if (r < 0)
        return r;
    if (streams == 1) {
        if (plane[0] != out)
            memcpy(out, plane[0], n);
        return 0;
    }
    join(out, how->width, n / streams, how->codec == CODEC_PLANES && how->rotated, plane, c->buf);
    if (how->codec == CODEC_DELTA)
        delta_join(t, out, predicted, n / streams, out);
    return 0;
}
