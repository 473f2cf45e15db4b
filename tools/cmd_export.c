/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/args.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/progress.h"
#include "tools/say.h"
#include "tools/unpack.h"
#include <stdio.h>

struct export
{
    struct unpack *unpack;
    struct progress bar;
    uint64_t all; /* bytes to come */
};

static int file(void *ctx, const struct reply_file *f)
{
    struct export *x = ctx;
    return unpack_file(x->unpack, f);
}

static int data(void *ctx, const void *p, size_t n)
{
    struct export *x = ctx;
    int err = unpack_data(x->unpack, p, n);
    progress_show(&x->bar, unpack_done(x->unpack), x->all);
    return err;
}

static int export(struct client *c, const char *version, const char *dir)
{
    struct export x = {0};
    struct out name = {0};
    json_t *all;
    int err = client_versions(c, version, 0, &all);
    if (err < 0)
        return err;
    x.all = (uint64_t)json_integer_value(json_object_get(json_array_get(all, 0), "bytes"));
    json_decref(all);
    if ((err = unpack_open(dir, &x.unpack)) < 0)
        return err;
    struct reply to = {.data = data, .file = file, .ctx = &x};
    struct request q = {.op = REQUEST_EXPORT, .name = version};
    progress_begin(&x.bar, "export", PROGRESS_BYTES);
    err = client_call(c, &q, &to, &name);
    if (err == 0)
        err = unpack_finish(x.unpack);
    progress_end(&x.bar);
    if (err == 0) {
        char bytes[SAY_SIZE];
        printf("%s in %s: %s\n", out_cstr(&name), dir, say_size(unpack_done(x.unpack), bytes));
    }
    unpack_close(x.unpack);
    out_fini(&name);
    return err;
}

static int run(int argc, char **argv)
{
    static const struct option longs[] = {ARGS_COMMON, ARGS_END};
    struct args a = {argc, argv, ":", longs, 0, 0};
    while (args_next(&a) != -1)
        ;
    struct client *c;
    char **op = args_open(&a, 3, 3, NULL, &c);
    if (!op)
        return a.bad;
    int err = export(c, op[1], op[2]);
    client_close(c);
    return err < 0 ? say_fail(op[1], err) : SAY_DONE;
}

const struct command cmd_export = {"export", "REPO VERSION DIR",
                                   "write a version's files, byte for byte, into a new or empty directory",
                                   ARGS_NO_WAIT, run};
