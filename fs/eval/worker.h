/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another program that answers questions, one line each. It is started without fork (a database is open),
 * gets no descriptor but a socket as stdin and stdout, stderr, and 3: a pipe that nobody writes to, whose
 * other end is this process's alone; who asks the kernel to signal its end (F_SETOWN, O_ASYNC) dies with us.
 *
 * One caller at a time.
 */
#pragma once
#include "store/base/out.h"

struct worker;

/* more: "NAME=value" for its environment, ended by NULL; replaces what is inherited. -ENOENT: no such
 * program. */
int worker_start(const char *const *argv, const char *const *more, struct worker **ret);

struct worker_patience {
    double seconds;         /* then it is killed */
    int (*stop)(void *ctx); /* asked ten times a second: non-zero, then it is killed too; or NULL */
    void *ctx;
};
/* Sends the line (its newline is added), or nothing with line NULL, and appends the next line it says,
 * without its newline. After a failure it is dead, and fail_text() says how it ended: -EPIPE it ended itself,
 * -ETIMEDOUT, -EINTR stop said so, -EMSGSIZE a line without end. */
int worker_ask(struct worker *w, const char *line, size_t n, const struct worker_patience *p,
               struct out *ret);
/* Kills it and whatever it started that is still in its group. NULL is fine. */
void worker_close(struct worker *w);
