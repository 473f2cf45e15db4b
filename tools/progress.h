/* SPDX-License-Identifier: Apache-2.0 */
/* A bar on stderr for work that takes more than a moment; nothing at all when stderr is no terminal. */
#pragma once
#include <stdint.h>

enum progress_unit { PROGRESS_BYTES, PROGRESS_ROWS, PROGRESS_VERSIONS };
struct progress {
    const char *what; /* "commit", "eval v3"; borrowed */
    enum progress_unit unit;
    int on;                /* a terminal is there */
    int shown;             /* a bar stands on the screen */
    uint64_t began, drawn; /* ms, monotonic */
};

void progress_begin(struct progress *p, const char *what, enum progress_unit unit);
/* Draws at most ten times a second, and only what has lasted half a second. all 0: not known. */
void progress_show(struct progress *p, uint64_t done, uint64_t all);
/* The same for a struct progress behind ctx: the form of a reply's callback. */
void progress_reply(void *ctx, uint64_t done, uint64_t all, const char *what);
void progress_end(struct progress *p); /* takes the bar off the screen */
