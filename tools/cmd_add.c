/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/append.h"
#include "tools/args.h"
#include "tools/command.h"

static int run(int argc, char **argv)
{
    static const struct option longs[] = {ARGS_COMMON, ARGS_END};
    struct args a = {argc, argv, ":", longs, 0, 0};
    while (args_next(&a) != -1)
        ;
    char **op = args_operands(&a, 2, 2, NULL);
    if (!op)
        return a.bad;
    return append_file(op[0], a.flags, op[1], TABLE_ROWS, (struct request){.op = REQUEST_APPEND});
}

const struct command cmd_add = {
    "add", "REPO FILE", "append rows (JSON lines or CSV; - is stdin) to the evaluation set",
    "CSV columns: id, label, slices and tags (separated by ;), weight, group, reason, added_by,\n"
    "value.X, source.X, input (as JSON); any other X, or input.X, is the field X of the "
    "input.\n\n" ARGS_NO_WAIT,
    run};
