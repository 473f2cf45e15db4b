/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/args.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/say.h"
#include <stdio.h>

static uint64_t number(const json_t *v, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(v, key));
}

static void print(const json_t *u)
{
    static const struct {
        const char *key, *doc;
    } lines[] = {
        {"logical", "of files in all versions"},
        {"raw_unique", "of which distinct"},
        {"stored", "of those, coded"},
        {"disk", "below the repo, everything counted"},
        {"cache", "of which may be deleted any time"},
    };
    char size[SAY_SIZE], raw[SAY_SIZE];
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        printf("%8s  %s\n", say_size(number(u, lines[i].key), size), lines[i].doc);
    printf("%8llu  versions, %llu files, %llu chunks\n", (unsigned long long)number(u, "versions"),
           (unsigned long long)number(u, "files"), (unsigned long long)number(u, "chunks"));
    if (number(u, "stored"))
        printf("%8.2f  times smaller than the versions as plain files\n",
               (double)number(u, "logical") / (double)number(u, "stored"));
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(u, "codecs"), i, c)
    {
        printf("%8s  codec %s: %llu chunks of %s\n", say_size(number(c, "stored"), size),
               json_string_value(json_object_get(c, "codec")), (unsigned long long)number(c, "chunks"),
               say_size(number(c, "raw"), raw));
    }
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
    struct out line = {0};
    struct request q = {.op = REQUEST_USAGE};
    json_t *u = NULL;
    int err = client_call(c, &q, NULL, &line);
    client_close(c);
    if (err == 0 && json)
        fwrite(line.p, 1, line.n, stdout);
    else if (err == 0 && (err = canon_parse("the owner's answer", line.p, line.n, 8, &u)) == 0)
        print(u);
    json_decref(u);
    out_fini(&line);
    return err < 0 ? say_fail(op[0], err) : SAY_DONE;
}

const struct command cmd_du = {"du", "REPO [--json]",
                               "what the versions take, and what they would take as files",
                               "  --json               the same in bytes\n" ARGS_NO_WAIT, run};
