/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/args.h"
#include "tools/command.h"
#include "tools/order.h"
#include "tools/say.h"

static int run(int argc, char **argv)
{
    static const struct option longs[] = {{"reason", required_argument, NULL, 'r'}, ARGS_COMMON, ARGS_END};
    struct args a = {argc, argv, ":r:", longs, 0, 0};
    const char *reason = NULL;
    while (args_next(&a) != -1)
        reason = optarg;
    char **op = args_operands(&a, 3, 3, NULL);
    if (!op)
        return a.bad;
    if (!reason || !*reason)
        return say_usage("--reason is missing: the set's history tells why each label changed");
    return order_send(
        op[0], a.flags, "relabel",
        json_pack("[{s:s s:o s:s}]", "id", op[1], "label", order_label(op[2]), "reason", reason));
}

const struct command cmd_relabel = {
    "relabel", "REPO ID LABEL --reason TEXT",
    "give a row of the evaluation set another label, or the one it waits for",
    "A LABEL that is a JSON number, true or false is one; any other is text (\"3\" in quotes too).\n\n"
    "  -r, --reason TEXT    why; kept in eval/relabel\n" ARGS_NO_WAIT,
    run};
