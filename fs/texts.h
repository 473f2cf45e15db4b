/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The texts of reports: made at most once at a time however many ask, kept in memory and as plain files under
 * the digest of what decides them. Knows no report.
 *
 * A file is DIR/<64 hex of the key>-<16 hex of its bytes' XXH3>: a text that is not what was written is
 * dropped and made again. Files may be deleted at any time; the least recently used go first when there are
 * too many. Any thread may call.
 */
#pragma once
#include "fs/repo.h"

struct texts;

enum {
    TEXTS_MEMORY = 32 << 20, /* bytes kept in memory */
    TEXTS_DISK = 256 << 20,  /* bytes kept as files */
    TEXTS_FILES = 10000,
    TEXTS_AT_ONCE = 2,   /* texts made at once by the asynchronous way */
    TEXTS_QUEUE = 1000,  /* asked for and not begun; more are -EBUSY */
    TEXTS_FAILURES = 64, /* remembered */
};

/* dir NULL: nothing is kept as files. */
int texts_open(const char *dir, struct texts **ret);
void texts_close(struct texts *t); /* stops what runs; whoever waits gets -EINTR */

/* How long a text stays: it is only handed to those who wait (what decides it changed while it was made, so
 * that it may be of a later state than its key says), kept in memory, or as a file as well. */
enum texts_keep { TEXTS_PASS, TEXTS_HOLD, TEXTS_FILE };

/* How a text is made. keep: an enum texts_keep, asked after it was made. drop ends ctx and is called once,
 * made or not. */
struct text_maker {
    int (*make)(void *ctx, int (*stop)(void *), void *stop_ctx, struct out *o);
    int (*keep)(void *ctx);
    void (*drop)(void *ctx);
    void *ctx;
    struct digest subject; /* a failure is remembered under it, until a text of this subject is made */
};

int texts_find(struct texts *t, const struct digest *key, const struct text **ret); /* -ENOENT */
/* In the caller's thread, or by waiting for the one that is at it. */
int texts_make(struct texts *t, const struct digest *key, struct text_maker m, int (*stop)(void *ctx),
               void *stop_ctx, const struct text **ret);
/* On a thread of the texts' own: see repo_text_ask. */
int texts_ask(struct texts *t, const struct digest *key, struct text_maker m, struct text_ask *ask,
              const struct text **ret);
int texts_cancel(struct texts *t, struct text_ask *ask);
/* A text that exists already: kept in memory under its own SHA-256. */
int texts_put(struct texts *t, struct out *o, const struct text **ret);

/* Forgets every text and failure, and removes the files. */
void texts_clear(struct texts *t);

/* The last failure of a subject; `why` NULL forgets it. */
void texts_set_failure(struct texts *t, const struct digest *subject, const char *why);
int texts_failure(struct texts *t, const struct digest *subject, const struct text **ret); /* -ENOENT */
