/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What went wrong, said once, where it arose.
 *
 * A function that meets an error calls fail() with the object, the fact and the place, and returns the code;
 * callers pass the code on and add nothing. Whoever faces the user (a command, the daemon's log) prints
 * fail_text(). The text is the calling thread's own and stands until its next fail() or fail_clear().
 */
#pragma once

/* Returns err (a negative errno), which makes `return fail(-EBADMSG, "…")` one line. Clears the hint. */
int fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Adds the one line that tells what to do, with a command that works; call it after fail(). */
void fail_hint(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void fail_clear(void);

/* The last text and hint of this thread; "" where there is none. For a code that came without a text
 * (an errno nobody explained) use fail_describe(err): the text when it belongs to err, else strerror's. */
const char *fail_text(void);
const char *fail_hint_text(void);
const char *fail_describe(int err);
