/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes to be looked into: a file being committed, or one in the store. Read at offsets, never mapped. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct input {
    /* Reads exactly n bytes at off into p (off + n <= size, the caller's duty); 0, or -errno through fail()
     */
    int (*read)(void *ctx, uint64_t off, void *p, size_t n);
    void *ctx;
    uint64_t size;
    const char *name; /* for messages: the path inside the version */
};

/* Checked: -EBADMSG "NAME: ends at byte S, needed N bytes at offset O" when the range is not inside. */
int input_read(const struct input *in, uint64_t off, void *p, size_t n);

struct input_memory {
    const void *p;
};
/* An input over n bytes of memory that outlive it. */
struct input input_over(const char *name, const void *p, size_t n, struct input_memory *ctx);

/* For readers that take a few bytes at a time: keeps the block last read. Initialise with {.in = in}. */
struct input_buffer {
    const struct input *in;
    uint64_t off; /* of the n bytes kept */
    size_t n;
    uint8_t bytes[4096];
};
int input_buffered(struct input_buffer *b, uint64_t off, void *p, size_t n); /* as input_read */

int input_ends(const struct input *in, const char *suffix); /* does the name end so? */
