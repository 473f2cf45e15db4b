/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/args.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/progress.h"
#include "tools/say.h"
#include <stdio.h>
#include <stdlib.h>

/* "10%" or "10": a share of the chunks in millionths; 0 when it is none */
static uint64_t share(const char *s)
{
    char *end;
    double percent = strtod(s, &end);
    if (end == s || !(percent > 0 && percent <= 100) || (*end == '%' ? end[1] : *end))
        return 0;
    uint64_t n = (uint64_t)(percent * 10000 + .5);
    return n ? n : 1;
}

static int print(void *ctx, const void *p, size_t n)
{
    progress_end(ctx);
    return fwrite(p, 1, n, stdout) == n ? 0 : -errno;
}

static int run(int argc, char **argv)
{
    static const struct option longs[] = {{"read-data", optional_argument, NULL, 'r'}, ARGS_COMMON, ARGS_END};
    struct args a = {argc, argv, ":", longs, CLIENT_READ_ONLY, 0};
    uint64_t part = 0;
    while (args_next(&a) != -1)
        if ((part = share(optarg ? optarg : "100")) == 0)
            return say_usage("--read-data=%s: not a share of the data between 0 and 100 %%", optarg);
    struct client *c;
    char **op = args_open(&a, 1, 1, NULL, &c);
    if (!op)
        return a.bad;
    struct progress bar;
    struct out result = {0};
    struct reply to = {.data = print, .progress = progress_reply, .ctx = &bar};
    struct request q = {.op = REQUEST_CHECK, .flags = part};
    progress_begin(&bar, "check", PROGRESS_BYTES);
    int err = client_call(c, &q, &to, &result);
    progress_end(&bar);
    client_close(c);
    struct wire w = wire_read(result.p, result.n);
    unsigned long long damages = wire_u64(&w);
    out_fini(&result);
    if (err < 0)
        return say_fail(op[0], err);
    if (damages) {
        say_note(op[0], "damaged in %llu places", damages);
        return SAY_DAMAGED;
    }
    if (part)
        printf("%s: whole; %.6g %% of the data read\n", op[0], (double)part / 1e4);
    else
        printf("%s: whole; data not read (--read-data)\n", op[0]);
    return SAY_DONE;
}

const struct command cmd_check = {
    "check", "REPO [--read-data[=N%]]", "walk every record; exit 4 and a line for each damage",
    "  --read-data[=N%]     read, decode and compare all data, or a share of it\n" ARGS_NO_WAIT, run};
