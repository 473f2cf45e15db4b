/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/tree.h"
#include "tools/args.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/describe.h"
#include "tools/say.h"
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

/* Names as they are into a pipe, escaped on a terminal. */
static void print_name(const char *name)
{
    struct out o = {0};
    if (isatty(STDOUT_FILENO)) {
        out_text(&o, name, strlen(name), 0);
        name = out_cstr(&o);
    }
    fputs(name, stdout);
    out_fini(&o);
}

static void print_entry(const struct request_entry *e, int full)
{
    if (full) {
        char mode[11] = "----------", when[DESCRIBE_TIME];
        mode[0] = e->kind == PLACE_DIR ? 'd' : e->kind == PLACE_LINK ? 'l' : '-';
        for (int i = 0; i < 9; i++)
            if (e->mode >> (8 - i) & 1)
                mode[i + 1] = "rwx"[i % 3];
        printf("%s %12" PRIu64 "%c %s ", mode, e->size, e->guess ? '~' : ' ',
               describe_time(e->mtime_ns, when));
    }
    print_name(e->name);
    if (full && *e->link) {
        fputs(" -> ", stdout);
        print_name(e->link);
    }
    putchar('\n');
}

static int list(struct client *c, const char *path, int full)
{
    struct out entries = {0};
    struct arena arena = {0};
    struct request q = {.op = REQUEST_LIST, .name = path, .flags = full ? REQUEST_LONG : 0};
    int err = client_collect(c, &q, &entries);
    struct wire w = wire_read(entries.p, entries.n);
    while (err == 0 && wire_left(&w)) {
        struct request_entry e;
        err = request_parse_entry(&w, &arena, &e);
        if (err == 0)
            print_entry(&e, full);
        arena_fini(&arena);
    }
    out_fini(&entries);
    return err;
}

static int run(int argc, char **argv)
{
    static const struct option longs[] = {{"long", no_argument, NULL, 'l'}, ARGS_COMMON, ARGS_END};
    struct args a = {argc, argv, ":l", longs, 0, 0};
    int full = 0, n;
    while (args_next(&a) != -1)
        full = 1;
    struct client *c;
    char **op = args_open(&a, 1, 2, &n, &c);
    if (!op)
        return a.bad;
    int err = list(c, n == 2 ? op[1] : "", full);
    client_close(c);
    return err < 0 ? say_fail(n == 2 ? op[1] : op[0], err) : SAY_DONE;
}

const struct command cmd_ls = {
    "ls", "[-l] REPO [PATH]", "list a directory of the mount's tree, mounted or not",
    "  -l, --long           with modes, sizes (~: not known yet) and times\n" ARGS_NO_WAIT, run};
