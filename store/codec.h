/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From bytes to fewer bytes and back, bit for bit.
 *
 * A chunk of numbers is split into byte planes (byte k of every element is plane k), floats with the sign
 * rotated to the low end first so that the top plane is pure exponent; each plane is one stream. Other bytes
 * are one stream. Weights hold no repeated strings: zstd is used for its entropy coder alone on planes, and
 * with matching on other bytes. A stream that does not shrink stays as it is.
 *
 * A chunk of floats that another one predicts (cast.h) is kept as the difference: nothing at all where it is
 * as predicted (exact), byte planes (delta: fast), or classes by the prediction's exponent and low bits (ctx:
 * fewest bytes; delta.h).
 */
#pragma once
#include "store/format/dtype.h"
#include <stddef.h>
#include <stdint.h>

/* Stored: never change a number, only add. */
enum codec {
    CODEC_RAW = 0,
    CODEC_ZSTD = 1,
    CODEC_PLANES = 2,
    CODEC_DELTA = 3,
    CODEC_CTX = 4,
    CODEC_EXACT = 5,
    CODEC_MAX
};
enum coder { CODER_RAW = 0, CODER_ZSTD = 1, CODER_MAX };

#define CODEC_MAX_STREAMS 17
#define CODEC_MAX_RAW     (4u << 20)

const char *codec_name(unsigned codec);           /* "raw", "zstd", "planes", …; "?" when unknown */
static inline int codec_predicted(unsigned codec) /* is it of no use without a prediction */
{
    return codec == CODEC_DELTA || codec == CODEC_CTX || codec == CODEC_EXACT;
}

struct codec_stream {
    uint8_t coder;
    uint32_t n;
};
struct codec_result {
    uint8_t codec, width, rotated; /* width: bytes an element, 1 where there are no planes */
    uint8_t nstreams;
    struct codec_stream stream[CODEC_MAX_STREAMS];
};

/* A thread's working memory; not shared. */
struct codec_state;
struct codec_state *codec_new(void); /* NULL: out of memory */
void codec_free(struct codec_state *c);

/* Encodes n <= CODEC_MAX_RAW bytes of elements of type t (DTYPE_NONE: plain bytes) into out (at least n
 * bytes); the number of bytes written, at most n, or -errno. */
int64_t codec_encode(struct codec_state *c, enum dtype t, const void *p, size_t n, void *out,
                     struct codec_result *ret);

/* The same as a difference from what is predicted (n bytes) of a type that delta_of() knows; fast: in planes.
 * n when it is not worth it. */
int64_t codec_encode_delta(struct codec_state *c, enum dtype t, int fast, const void *p,
                           const void *predicted, size_t n, void *out, struct codec_result *ret);

/* Decodes the streams at p (np bytes, exactly) into out (n bytes, exactly). predicted: n bytes for the codecs
 * that need it, not out; else NULL. -EBADMSG; -ENOTSUP a coder or codec of a newer version. */
int codec_decode(struct codec_state *c, enum dtype t, const struct codec_result *how, const void *p,
                 size_t np, const void *predicted, void *out, size_t n);

/* Room for a prediction, CODEC_MAX_RAW bytes, that lasts through one call of the above. */
void *codec_room(struct codec_state *c);
void *codec_spare(struct codec_state *c); /* the same again, made at the first call; NULL: out of memory */
