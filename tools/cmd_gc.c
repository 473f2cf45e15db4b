/* SPDX-License-Identifier: Apache-2.0 */
#include "store/gc.h"
#include "tools/args.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/progress.h"
#include "tools/say.h"
#include <stdio.h>

static void tell(const struct gc_result *g, int dry)
{
    char bytes[SAY_SIZE], more[SAY_SIZE];
    printf("%s %s in %llu chunk%s", dry ? "would free" : "freed", say_size(g->bytes + g->orphans, bytes),
           (unsigned long long)g->chunks, g->chunks == 1 ? "" : "s");
    if (g->orphans)
        printf(" and what commits that were cut off left (%s)", say_size(g->orphans, more));
    if (!dry && g->rewritten)
        printf("; %s written again", say_size(g->rewritten, more));
    putchar('\n');
}

static int run(int argc, char **argv)
{
    static const struct option longs[] = {
        {"dry-run", no_argument, NULL, 'n'}, {"json", no_argument, NULL, 'j'}, ARGS_COMMON, ARGS_END};
    struct args a = {argc, argv, ":n", longs, 0, 0};
    int dry = 0, json = 0;
    for (int o; (o = args_next(&a)) != -1;)
        *(o == 'n' ? &dry : &json) = 1;
    struct client *c;
    char **op = args_open(&a, 1, 1, NULL, &c);
    if (!op)
        return a.bad;
    struct progress bar;
    struct gc_result g;
    progress_begin(&bar, "gc", PROGRESS_VERSIONS);
    int err = client_gc(c, "", dry, progress_reply, &bar, &g);
    progress_end(&bar);
    client_close(c);
    if (err < 0)
        return say_fail(op[0], err);
    if (json)
        printf("{\"dry_run\":%s,\"chunks\":%llu,\"bytes\":%llu,\"orphans\":%llu,\"records\":%llu,"
               "\"rewritten\":%llu}\n",
               dry ? "true" : "false", (unsigned long long)g.chunks, (unsigned long long)g.bytes,
               (unsigned long long)g.orphans, (unsigned long long)g.records, (unsigned long long)g.rewritten);
    else
        tell(&g, dry);
    return SAY_DONE;
}

const struct command cmd_gc = {"gc", "REPO [--dry-run] [--json]",
                               "give back the room of what no version needs",
                               "  -n, --dry-run        say what would be freed\n"
                               "  --json               the result as JSON\n" ARGS_NO_WAIT,
                               run};
