/* SPDX-License-Identifier: Apache-2.0 */
/* Who keeps a directory tree in use, as far as /proc shows it to this user. */
#pragma once
#include <sys/types.h>

/* Calls each once a process: how is "open file", "working directory", "root", "program" or "mapping". Looks
 * at names alone: a hung file system is not touched. */
void holders_each(const char *dir, void (*each)(void *ctx, pid_t pid, const char *comm, const char *how),
                  void *ctx);
