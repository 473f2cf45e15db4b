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
    char **op = args_operands(&a, 3, 3, NULL);
    if (!op)
        return a.bad;
    return append_file(op[0], a.flags, op[2], TABLE_PREDICTIONS,
                       (struct request){.op = REQUEST_IMPORT, .name = op[1]});
}

const struct command cmd_predictions = {"predictions", "REPO VERSION FILE",
                                        "import predictions made elsewhere (JSON lines or CSV; - is stdin)",
                                        "Fields or columns: id, prediction; where known probability, or "
                                        "p_<label> for each label.\n\n" ARGS_NO_WAIT,
                                        run};
