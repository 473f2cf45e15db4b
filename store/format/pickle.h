/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walker of pickles: reads the opcodes and keeps what PyTorch's checkpoints are made of (dicts, lists,
 * scalars, tensors). It never executes: a global outside an exact list of names ends the walk with -EBADMSG
 * and "unsafe global MODULE.NAME at offset 0x…", and the calls of those on the list are understood here.
 */
#pragma once
#include "store/base/arena.h"
#include "store/format/dtype.h"
#include "store/format/input.h"

enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_FLOAT,
    PICKLE_STR,
    PICKLE_LIST, /* list, tuple, set */
    PICKLE_DICT,
    PICKLE_GLOBAL,
    PICKLE_STORAGE,
    PICKLE_TENSOR,
    PICKLE_OTHER, /* bytes, integers of more than 64 bits */
};

struct pickle;
struct pickle_item {
    struct pickle_item *next;
    const struct pickle *key; /* of a dict's item, else NULL */
    const struct pickle *value;
};

struct pickle_storage {
    const char *key; /* key_len bytes: the member data/KEY */
    size_t key_len;
    enum dtype dtype;
    uint64_t count; /* elements of dtype */
};

struct pickle_tensor {
    const struct pickle_storage *storage;
    enum dtype dtype;
    uint32_t rank;
    uint64_t offset;                /* elements of dtype */
    const uint64_t *shape, *stride; /* (rank), (rank) elements */
};

struct pickle {
    enum pickle_kind kind;
    union {
        int64_t i; /* BOOL, INT */
        double f;
        struct {
            const char *s; /* inside the bytes walked; n bytes */
            size_t n;
        } str;
        struct {
            struct pickle_item *first, *last;
            size_t n;
        } list; /* LIST, DICT; may hold itself, and one value may be reached by very many paths */
        const struct pickle_global *global;
        const struct pickle_storage *storage;
        const struct pickle_tensor *tensor;
    } u;
};

/* Walks the pickle at p up to its STOP; the values live in the arena and point into p. base: where p is in
 * the file, for messages, which name in->name. */
int pickle_walk(const struct input *in, struct arena *a, const char *p, size_t n, uint64_t base,
                const struct pickle **ret);

/* The i-th value of a list, or NULL. */
const struct pickle *pickle_at(const struct pickle *list, size_t i);
int pickle_is(const struct pickle *v, enum pickle_kind kind); /* v may be NULL */
/* Appends to a LIST or (with a key) a DICT; -ENOMEM. */
int pickle_add(struct arena *a, struct pickle *to, const struct pickle *key, const struct pickle *value);
