/* SPDX-License-Identifier: Apache-2.0 */
#include "store/format/input.h"
#include "store/base/fail.h"
#include <errno.h>
#include <string.h>

int input_read(const struct input *in, uint64_t off, void *p, size_t n)
{
    if (off > in->size || n > in->size - off)
        return fail(-EBADMSG, "%s: ends at byte %llu, needed %zu bytes at offset %llu", in->name,
                    (unsigned long long)in->size, n, (unsigned long long)off);
    return n ? in->read(in->ctx, off, p, n) : 0;
}

static int memory_read(void *ctx, uint64_t off, void *p, size_t n)
{
    const struct input_memory *m = ctx;
    memcpy(p, (const char *)m->p + off, n);
    return 0;
}

struct input input_over(const char *name, const void *p, size_t n, struct input_memory *ctx)
{
    ctx->p = p;
    return (struct input){memory_read, ctx, n, name};
}

int input_buffered(struct input_buffer *b, uint64_t off, void *p, size_t n)
{
    if (n > sizeof b->bytes)
        return input_read(b->in, off, p, n);
    if (off < b->off || off - b->off > b->n || n > b->n - (off - b->off)) {
        uint64_t left = off < b->in->size ? b->in->size - off : 0;
        size_t k = left < sizeof b->bytes ? (size_t)left : sizeof b->bytes;
        b->n = 0;
        int r = input_read(b->in, off, b->bytes, k < n ? n : k);
        if (r < 0)
            return r;
        b->off = off;
        b->n = k;
    }
    memcpy(p, b->bytes + (off - b->off), n);
    return 0;
}

int input_ends(const struct input *in, const char *suffix)
{
    size_t n = strlen(in->name), k = strlen(suffix);
    return n >= k && strcmp(in->name + n - k, suffix) == 0;
}
