/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place where a command speaks of failure: one line `modelfs: VERB OBJECT: fact` on stderr, at most
 * one `hint:` line, and the exit code. Text from users is escaped.
 */
#pragma once
#include <stdint.h>

enum say_code {
    SAY_DONE = 0,
    SAY_FAILED = 1,  /* I/O, full disk, no such version */
    SAY_USAGE = 2,   /* the command line is wrong */
    SAY_PARTLY = 3,  /* done but for what was listed */
    SAY_DAMAGED = 4, /* the store */
    SAY_REFUSED = 5, /* the input is not acceptable; nothing changed */
    SAY_NO_STORE = 10,
    SAY_IN_USE = 11, /* by another process */
    SAY_NEWER = 12,  /* the store was made by a newer modelfs */
    SAY_BUSY = 13,   /* the mountpoint is stale or busy */
    SAY_INTERRUPTED = 130,
};

void say_verb(const char *verb); /* of the lines to come; kept, not copied */

/* The fact is fail_describe(err), the hint fail_hint_text(). object may be NULL. Return the exit code. */
int say_fail(const char *object, int err);
int say_fail_open(const char *repo, int err); /* err came from opening a repo: codes 4, 10, 11, 12 */
int say_code(int err);
int say_code_open(int err);

/* A wrong command line: the fact, and where its help is. */
int say_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A line of the same form that is no failure ("waiting …"), or one item of several that failed. */
void say_note(const char *object, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A fact less "OBJECT: " at its beginning, which a line that names its object would say twice. */
const char *say_without(const char *fact, const char *object);

/* "812 B", "1.2 MB": decimal units, three digits. */
#define SAY_SIZE 16
const char *say_size(uint64_t bytes, char ret[SAY_SIZE]);
