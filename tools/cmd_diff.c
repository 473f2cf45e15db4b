/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/args.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/say.h"

/* As diff(1): 0 the same, 1 they differ, 2 trouble. */
static int trouble(int code)
{
    return code == SAY_DONE || code == SAY_INTERRUPTED ? code : 2;
}

static int run(int argc, char **argv)
{
    static const struct option longs[] = {ARGS_COMMON, ARGS_END};
    struct args a = {argc, argv, ":", longs, 0, 0};
    while (args_next(&a) != -1)
        ;
    struct client *c;
    char **op = args_open(&a, 2, 2, NULL, &c);
    if (!op)
        return trouble(a.bad);
    struct out result = {0};
    struct request q = {.op = REQUEST_DIFF, .name = op[1]};
    int err = client_print(c, &q, &result);
    client_close(c);
    int differ = result.n && result.p[0];
    out_fini(&result);
    return err < 0 ? trouble(say_fail(op[1], err)) : differ;
}

const struct command cmd_diff = {
    "diff", "REPO A..B", "one version against another (diff/<a>..<b>/summary.txt); exit 0 same, 1 differ",
    ARGS_NO_WAIT, run};
