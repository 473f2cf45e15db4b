/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/args.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/say.h"
#include <string.h>

static int run(int argc, char **argv)
{
    static const struct option longs[] = {ARGS_COMMON, ARGS_END};
    struct args a = {argc, argv, ":", longs, 0, 0};
    while (args_next(&a) != -1)
        ;
    struct client *c;
    char **op = args_open(&a, 2, 2, NULL, &c);
    if (!op)
        return a.bad;
    struct request q = {.op = REQUEST_CARD, .name = op[1]};
    int err = client_print(c, &q, NULL);
    client_close(c);
    return err < 0 ? say_fail(op[1], err) : SAY_DONE;
}

const struct command cmd_card = {"card", "REPO VERSION",
                                 "a version as sorted facts, to keep beside the code (info/<v>/card.txt)",
                                 ARGS_NO_WAIT, run};
