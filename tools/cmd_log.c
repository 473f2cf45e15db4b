/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/args.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/say.h"
#include <stdio.h>
#include <stdlib.h>

static const char *text(const json_t *v, const char *key)
{
    const char *s = json_string_value(json_object_get(v, key));
    return s ? s : "";
}

static uint64_t number(const json_t *v, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(v, key));
}

static void put_names(struct out *o, const json_t *names, const char *before, const char *after)
{
    size_t i;
    json_t *name;
    json_array_foreach((json_t *)(uintptr_t)names, i, name)
    {
        out_str(o, i ? " " : before);
        const char *s = json_string_value(name);
        out_text(o, s ? s : "", s ? strlen(s) : 0, 0);
    }
    if (json_array_size(names))
        out_str(o, after);
}

/* v4  2026-11-24T10:11:12Z  1.2 MB  +0.4 MB  amy  [prod] message's first line */
static void put_version(struct out *o, const json_t *v)
{
    char bytes[SAY_SIZE], fresh[SAY_SIZE];
    const char *author = text(v, "author"), *message = text(v, "message");
    out_printf(o, "%-5s %s %8s %8s  ", text(v, "version"), text(v, "time"),
               say_size(number(v, "bytes"), bytes), say_size(number(v, "bytes_new"), fresh));
    out_text(o, author, strlen(author), 0);
    out_str(o, "  ");
    put_names(o, json_object_get(v, "tags"), "[", "] ");
    out_text(o, message, strcspn(message, "\n"), 0);
    out_char(o, '\n');
}

static int run(int argc, char **argv)
{
    static const struct option longs[] = {{"json", no_argument, NULL, 'j'}, ARGS_COMMON, ARGS_END};
    struct args a = {argc, argv, ":", longs, 0, 0};
    int json = 0;
    while (args_next(&a) != -1)
        json = 1;
    struct client *c;
    char **op = args_open(&a, 1, 1, NULL, &c);
    if (!op)
        return a.bad;
    int err;
    struct out lines = {0};
    json_t *all = NULL, *v;
    size_t i;
    struct request q = {.op = REQUEST_VERSIONS, .flags = REQUEST_LINEAGE};
    if (json)
        err = client_collect(c, &q, &lines);
    else
        err = client_versions(c, "", 0, &all);
    client_close(c);
    json_array_foreach(all, i, v)
    {
        put_version(&lines, v);
    }
    if (err == 0)
        err = out_error(&lines);
    if (err == 0)
        fputs(out_cstr(&lines), stdout);
    out_fini(&lines);
    json_decref(all);
    return err < 0 ? say_fail(op[0], err) : SAY_DONE;
}

const struct command cmd_log = {
    "log", "REPO [--json]", "every version, newest first: when, size, bytes new, who, tags, message",
    "  --json               one object a line, with parents, digest and lineage\n" ARGS_NO_WAIT, run};
