/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/fail.h"
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
    char **op = args_operands(&a, 2, -1, NULL);
    if (!op)
        return a.bad;
    if (!reason || !*reason)
        return say_usage("--reason is missing: the set's history tells why each row left");
    json_t *orders = json_array();
    for (char **id = op + 1; *id; id++)
        json_array_append_new(orders, json_pack("{s:s s:s}", "id", *id, "reason", reason));
    return order_send(op[0], a.flags, "retire", orders);
}

const struct command cmd_retire = {"retire", "REPO ID... --reason TEXT",
                                   "take rows out of the evaluation set; older revisions keep them",
                                   "  -r, --reason TEXT    why; kept in eval/retire\n" ARGS_NO_WAIT, run};
