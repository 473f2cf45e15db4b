/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"
#include "tools/args.h"
#include "tools/command.h"
#include "tools/say.h"
#include <stdio.h>

static int run(int argc, char **argv)
{
    static const struct option longs[] = {ARGS_END};
    struct args a = {argc, argv, ":", longs, 0, 0};
    while (args_next(&a) != -1)
        ;
    char **op = args_operands(&a, 1, 1, NULL);
    if (!op)
        return a.bad;
    int err = store_init(op[0]);
    return err < 0 ? say_fail(op[0], err) : SAY_DONE;
}

const struct command cmd_init = {"init", "REPO", "make an empty repo", "", run};
