/* SPDX-License-Identifier: Apache-2.0 */
/* A command's arguments, over getopt_long: what it does not know is a usage error, said here. */
#pragma once
#include <getopt.h>

struct args {
    int argc;
    char **argv; /* permuted: the operands come last */
    const char *shorts;
    const struct option *longs;
    unsigned flags; /* enum client_flag, from the options all commands have */
    int bad;        /* the exit code, once something was wrong */
};

/* The next option's letter, or -1 when only operands are left (or on an error: look at bad). The options that
 * every command with a REPO has (ARGS_COMMON) set flags and are not returned. */
int args_next(struct args *a);
#define ARGS_COMMON                             \
    {                                           \
        "no-wait", no_argument, NULL, ARGS_WAIT \
    }
#define ARGS_END         \
    {                    \
        NULL, 0, NULL, 0 \
    }
#define ARGS_NO_WAIT "  --no-wait            exit 11 at once when another command is using REPO\n"
enum { ARGS_WAIT = 0x100 };

/* The operands, when there are at least min and at most max (-1: any number) of them, else NULL and a usage
 * error in bad. They are NULL-terminated. */
char **args_operands(struct args *a, int min, int max, int *ret_n);

/* The same, with the repo that the first of them names open; a failure is said, and bad is the exit code. */
struct client;
char **args_open(struct args *a, int min, int max, int *ret_n, struct client **ret);
