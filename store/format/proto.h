/* SPDX-License-Identifier: Apache-2.0 */
/* Protocol Buffers read in place: a message is a range of the file, a field of bytes is its offset and
 * length. */
#pragma once
#include "store/base/out.h"
#include "store/format/input.h"

struct proto {
    struct input_buffer buffer; /* initialise with {.buffer.in = in} */
    int err;                    /* a failed read that is not the message's fault */
};

struct proto_range {
    uint64_t off, len;
};

enum proto_wire { PROTO_NUMBER, PROTO_BYTES }; /* varint, fixed32 and fixed64 are numbers */

struct proto_field {
    uint32_t number;
    enum proto_wire wire;
    uint64_t value;           /* of a number, its bits */
    struct proto_range bytes; /* of bytes: a string, a message, packed numbers */
};

/* Takes the next field off the front of *message: 1, 0 at its end, -EBADMSG "…(offset O)" or a read's error.
 */
int proto_next(struct proto *p, struct proto_range *message, struct proto_field *ret);
/* Takes a varint off the front of packed numbers; as above. */
int proto_varint(struct proto *p, struct proto_range *packed, uint64_t *ret);

/* The last field of that number (the one that counts): 1, 0 when there is none, or an error. */
int proto_last(struct proto *p, struct proto_range message, uint32_t number, struct proto_field *ret);

/* Calls fn for each field of that number; a value other than 0 stops and is returned. */
int proto_each(struct proto *p, struct proto_range message, uint32_t number,
               int (*fn)(void *ctx, const struct proto_field *f), void *ctx);

/* Appends the bytes; errors of reading. */
int proto_text(struct proto *p, struct proto_range bytes, struct out *o);
