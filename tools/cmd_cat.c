/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/args.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/say.h"

static int run(int argc, char **argv)
{
    static const struct option longs[] = {ARGS_COMMON, ARGS_END};
    struct args a = {argc, argv, ":", longs, 0, 0};
    while (args_next(&a) != -1)
        ;
    struct client *c;
    char **op = args_open(&a, 2, -1, NULL, &c);
    if (!op)
        return a.bad;
    int err, code = SAY_DONE;
    for (char **path = op + 1; *path && code == SAY_DONE; path++) {
        struct request q = {.op = REQUEST_CAT, .name = *path};
        if ((err = client_print(c, &q, NULL)) < 0)
            code = say_fail(*path, err);
    }
    client_close(c);
    return code;
}

const struct command cmd_cat = {"cat", "REPO PATH...", "print files of the mount's tree, mounted or not",
                                ARGS_NO_WAIT, run};
