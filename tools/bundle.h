/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A review in one file, which any carrier moves: two versions and what judges them. Integers are
 * little-endian.
 *
 *   file    = "modelfs bundle 1\n" section* end
 *   section = u8 type, u64 length, bytes
 *   end     = 'Z', u64 32, SHA-256 of all bytes before it
 *
 *   'C'  str name, bytes to the end    a file of eval/ ("gates", "spec.json", …)
 *   'V'  digest, version record        the record's body has that digest; its files follow
 *   'F'  as FRAME_FILE                 mode, time, size, SHA-256, path
 *   'D'  bytes                         of the file before, at most BUNDLE_PIECE
 *   'R'  lines of examples.jsonl
 *   'P'  digest, CSV                   what that version answers
 *
 * A reader takes nothing before all of it was read once and the end's digest found right.
 */
#pragma once
#include "store/base/hash.h"
#include "store/base/out.h"
#include <stdio.h>

enum bundle_type {
    BUNDLE_CONFIG = 'C',
    BUNDLE_VERSION = 'V',
    BUNDLE_FILE = 'F',
    BUNDLE_DATA = 'D',
    BUNDLE_ROWS = 'R',
    BUNDLE_PREDICTIONS = 'P',
    BUNDLE_END = 'Z'
};
#define BUNDLE_PIECE 65536u
#define BUNDLE_MOST  (256u << 20) /* bytes of any other section */

struct bundle {
    FILE *f; /* borrowed */
    struct hash *hash;
    int err; /* sticky */
};
/* Writing: begin, put each section, end. Errors are kept and returned by end. */
int bundle_begin(struct bundle *b, FILE *f);
void bundle_put(struct bundle *b, enum bundle_type type, const void *p, size_t n);
int bundle_end(struct bundle *b);

/*
 * Calls each for every section but the end, in order; a non-zero return stops and is returned. -EBADMSG: not
 * a bundle, cut short, longer than it says, or its digest is wrong (known only at the end).
 */
int bundle_each(FILE *f, int (*each)(void *ctx, enum bundle_type type, const void *p, size_t n), void *ctx);
