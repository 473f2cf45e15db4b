/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/fail.h"
#include "tools/args.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/say.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What would be removed, or why it would not. */
static int preview(struct client *c, const char *name, int force)
{
    json_t *all;
    int err = client_versions(c, name, 0, &all);
    if (err < 0)
        return err;
    const json_t *v = json_array_get(all, 0);
    const char *version = json_string_value(json_object_get(v, "version"));
    const char *tag = json_string_value(json_array_get(json_object_get(v, "tags"), 0));
    if (tag && !force) {
        err = fail(-EBUSY, "%s is tagged %s", version, tag);
        fail_hint("--force removes it with its tags");
    } else {
        char bytes[SAY_SIZE], room[SAY_SIZE];
        struct gc_result with, g;
        err = client_gc(c, version, 1, NULL, NULL, &with);
        if (err == 0)
            err = client_gc(c, "", 1, NULL, NULL, &g); /* what is free to go anyway does not count */
        if (err == 0)
            printf("would remove %s (%s); gc would then free %s\n", version,
                   say_size((uint64_t)json_integer_value(json_object_get(v, "bytes")), bytes),
                   say_size(with.bytes - g.bytes, room));
    }
    json_decref(all);
    return err;
}

static int remove_one(struct client *c, const char *name, int force)
{
    struct out version = {0};
    struct request q = {.op = REQUEST_REMOVE, .name = name, .flags = force ? REQUEST_FORCE : 0};
    int err = client_call(c, &q, NULL, &version);
    if (err == 0)
        printf("removed %s (modelfs gc gives its room back)\n", out_cstr(&version));
    out_fini(&version);
    return err;
}

static int run(int argc, char **argv)
{
    static const struct option longs[] = {
        {"dry-run", no_argument, NULL, 'n'}, {"force", no_argument, NULL, 'f'}, ARGS_COMMON, ARGS_END};
    struct args a = {argc, argv, ":nf", longs, 0, 0};
    int dry = 0, force = 0, done = 0, code = SAY_DONE;
    for (int o; (o = args_next(&a)) != -1;)
        *(o == 'n' ? &dry : &force) = 1;
    struct client *c;
    char **op = args_open(&a, 2, -1, NULL, &c);
    if (!op)
        return a.bad;
    int err;
    for (char **name = op + 1; *name && code != SAY_INTERRUPTED; name++) {
        err = dry ? preview(c, *name, force) : remove_one(c, *name, force);
        if (err < 0)
            code = say_fail(*name, err);
        else
            done++;
    }
    client_close(c);
    return code && code != SAY_INTERRUPTED && done ? SAY_PARTLY : code;
}

const struct command cmd_rm = {"rm", "REPO VERSION... [--dry-run] [--force]",
                               "remove versions; their numbers are never given again",
                               "  -n, --dry-run        say what would be removed\n"
                               "  -f, --force          also what is tagged, with its tags\n" ARGS_NO_WAIT,
                               run};
