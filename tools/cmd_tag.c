/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/args.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/say.h"
#include <stdio.h>

static int list(struct client *c)
{
    json_t *all, *v, *tag;
    size_t i, k;
    int err = client_versions(c, "", 0, &all);
    if (err < 0)
        return err;
    json_array_foreach(all, i, v)
    {
        json_array_foreach(json_object_get(v, "tags"), k, tag)
        {
            printf("%s\t%s\n", json_string_value(tag), json_string_value(json_object_get(v, "version")));
        }
    }
    json_decref(all);
    return 0;
}

static int set(struct client *c, const char *tag, const char *version)
{
    struct out now = {0};
    struct request q = {.op = REQUEST_TAG, .name = tag, .other = version};
    int err = client_call(c, &q, NULL, &now);
    if (err == 0 && version)
        printf("%s -> %s\n", tag, out_cstr(&now));
    out_fini(&now);
    return err;
}

static int run(int argc, char **argv)
{
    static const struct option longs[] = {{"delete", required_argument, NULL, 'd'}, ARGS_COMMON, ARGS_END};
    struct args a = {argc, argv, ":d:", longs, 0, 0};
    const char *remove = NULL;
    int n;
    while (args_next(&a) != -1)
        remove = optarg;
    char **op = args_operands(&a, 1, remove ? 1 : 3, &n);
    if (!op)
        return a.bad;
    if (n == 2)
        return say_usage("%s: to which version?", op[1]);
    struct client *c;
    int err = client_open(op[0], a.flags, &c);
    if (err < 0)
        return say_fail_open(op[0], err);
    if (remove)
        err = set(c, remove, NULL);
    else
        err = n == 3 ? set(c, op[1], op[2]) : list(c);
    client_close(c);
    return err < 0 ? say_fail(remove ? remove : n == 3 ? op[1] : op[0], err) : SAY_DONE;
}

const struct command cmd_tag = {"tag", "REPO [TAG VERSION | -d TAG]", "set, move, remove or list tags",
                                "  -d, --delete TAG     remove it; its history stays\n" ARGS_NO_WAIT, run};
