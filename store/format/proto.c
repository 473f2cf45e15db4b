/* SPDX-License-Identifier: Apache-2.0 */
#include "store/format/proto.h"
#include "store/base/fail.h"
#include <errno.h>
#include <pb_decode.h>

struct source {
    struct proto *p;
    uint64_t at;
};

static bool read_source(pb_istream_t *s, pb_byte_t *buf, size_t n)
{
    struct source *src = s->state;
    int r = input_buffered(&src->p->buffer, src->at, buf, n);
    src->at += n;
    if (r < 0)
        src->p->err = r;
    return r == 0;
}

static pb_istream_t stream_over(struct source *src, uint64_t len)
{
    return (pb_istream_t){.callback = read_source, .state = src, .bytes_left = (size_t)len};
}

static int bad(const struct proto *p, const char *what, uint64_t at)
{
    if (p->err)
        return p->err;
    fail(-EBADMSG, "%s: protobuf: %s (offset 0x%llx)", p->buffer.in->name, what, (unsigned long long)at);
    return -EBADMSG; /* itself, so that the compiler sees that it is negative */
}

static bool number(pb_istream_t *s, pb_wire_type_t wire, uint64_t *ret)
{
    uint32_t half = 0;
    bool ok = wire == PB_WT_VARINT  ? pb_decode_varint(s, ret)
              : wire == PB_WT_64BIT ? pb_decode_fixed64(s, ret)
                                    : pb_decode_fixed32(s, &half);
    if (wire == PB_WT_32BIT)
        *ret = half;
    return ok;
}

int proto_next(struct proto *p, struct proto_range *message, struct proto_field *ret)
{
    struct source src = {p, message->off};
    pb_istream_t s = stream_over(&src, message->len);
    pb_wire_type_t wire;
    uint32_t tag;
    uint64_t len;
    bool eof;
    if (!pb_decode_tag(&s, &wire, &tag, &eof))
        return eof && !p->err ? 0 : bad(p, "a broken tag", message->off);
    if (tag == 0)
        return bad(p, "field number 0", message->off);
    *ret = (struct proto_field){.number = tag};
    if (wire == PB_WT_STRING) {
        if (!pb_decode_varint(&s, &len) || len > s.bytes_left)
            return bad(p, "a length past the end of its message", message->off);
        ret->wire = PROTO_BYTES;
        ret->bytes = (struct proto_range){src.at, len};
        src.at += len;
        s.bytes_left -= (size_t)len;
    } else if (wire == PB_WT_VARINT || wire == PB_WT_64BIT || wire == PB_WT_32BIT) {
        if (!number(&s, wire, &ret->value))
            return bad(p, "a broken number", message->off);
    } else {
        return bad(p, "an unknown wire type", message->off);
    }
    *message = (struct proto_range){src.at, s.bytes_left};
    return 1;
}

int proto_varint(struct proto *p, struct proto_range *packed, uint64_t *ret)
{
    if (packed->len == 0)
        return 0;
    struct source src = {p, packed->off};
    pb_istream_t s = stream_over(&src, packed->len);
    if (!pb_decode_varint(&s, ret))
        return bad(p, "a broken number", packed->off);
    *packed = (struct proto_range){src.at, s.bytes_left};
    return 1;
}

int proto_last(struct proto *p, struct proto_range message, uint32_t which, struct proto_field *ret)
{
    struct proto_field f;
    int r, found = 0;
    while ((r = proto_next(p, &message, &f)) > 0)
        if (f.number == which) {
            *ret = f;
            found = 1;
        }
    return r < 0 ? r : found;
}

int proto_each(struct proto *p, struct proto_range message, uint32_t which,
               int (*fn)(void *ctx, const struct proto_field *f), void *ctx)
{
    struct proto_field f;
    int r;
    while ((r = proto_next(p, &message, &f)) > 0)
        if (f.number == which && (r = fn(ctx, &f)) != 0)
            return r;
    return r;
}

int proto_text(struct proto *p, struct proto_range bytes, struct out *o)
{
    char buf[4096];
    while (bytes.len) {
        size_t n = bytes.len < sizeof buf ? (size_t)bytes.len : sizeof buf;
        int r = input_buffered(&p->buffer, bytes.off, buf, n);
        if (r < 0)
            return r;
        out_write(o, buf, n);
        bytes.off += n;
        bytes.len -= n;
    }
    return 0;
}
