/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/args.h"
#include "tools/client.h"
#include "tools/say.h"

int args_next(struct args *a)
{
    opterr = 0;
    for (int c; (c = getopt_long(a->argc, a->argv, a->shorts, a->longs, NULL)) != -1;) {
        const char *given = a->argv[optind - 1];
        if (c == ARGS_WAIT) {
            a->flags |= CLIENT_NO_WAIT;
        } else if (c == '?' || c == ':') {
            if (c == ':')
                a->bad = say_usage("option %s needs a value", given);
            else if (optopt && optopt < 0x100)
                a->bad = say_usage("unknown option -%c", optopt);
            else
                a->bad = say_usage("unknown option %s", given);
            return -1;
        } else {
            return c;
        }
    }
    return -1;
}

char **args_operands(struct args *a, int min, int max, int *ret_n)
{
    int n = a->argc - optind;
    if (a->bad)
        return NULL;
    if (n < min)
        a->bad = say_usage(n == 0 ? "no operands given" : "too few operands");
    else if (max >= 0 && n > max)
        a->bad = say_usage("too many operands, from %s on", a->argv[optind + max]);
    if (a->bad)
        return NULL;
    if (ret_n)
        *ret_n = n;
    return a->argv + optind;
}

char **args_open(struct args *a, int min, int max, int *ret_n, struct client **ret)
{
    char **op = args_operands(a, min, max, ret_n);
    int err = op ? client_open(op[0], a->flags, ret) : 0;
    if (err < 0)
        a->bad = say_fail_open(op[0], err);
    return err < 0 ? NULL : op;
}
