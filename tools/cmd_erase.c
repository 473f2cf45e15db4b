/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/args.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/say.h"
#include <stdio.h>

static int run(int argc, char **argv)
{
    static const struct option longs[] = {{"reason", required_argument, NULL, 'r'}, ARGS_COMMON, ARGS_END};
    struct args a = {argc, argv, ":r:", longs, 0, 0};
    const char *reason = NULL;
    while (args_next(&a) != -1)
        reason = optarg;
    char **op = args_operands(&a, 2, 2, NULL);
    if (!op)
        return a.bad;
    if (!reason || !*reason)
        return say_usage("--reason is missing: it is all that will tell why");
    struct client *c;
    struct out result = {0};
    int err = client_open(op[0], a.flags, &c);
    if (err < 0)
        return say_fail_open(op[0], err);
    struct request q = {.op = REQUEST_ERASE, .name = op[1], .other = reason};
    err = client_call(c, &q, NULL, &result);
    client_close(c);
    if (err == 0) {
        struct wire w = wire_read(result.p, result.n);
        uint64_t rows = wire_u64(&w), lines = wire_u64(&w);
        printf("erased %llu row%s", (unsigned long long)rows, rows == 1 ? "" : "s");
        if (lines)
            printf(" and %llu refused line%s", (unsigned long long)lines, lines == 1 ? "" : "s");
        putchar('\n');
    }
    out_fini(&result);
    return err < 0 ? say_fail(op[1], err) : SAY_DONE;
}

const struct command cmd_erase = {
    "erase", "REPO ID --reason TEXT", "remove a row's content from every revision, report and file, for good",
    "  -r, --reason TEXT    why; kept in eval/log.jsonl with the row's digest\n" ARGS_NO_WAIT, run};
