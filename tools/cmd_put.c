/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/append.h"
#include "tools/args.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/input_file.h"
#include "tools/say.h"
#include <string.h>

static int run(int argc, char **argv)
{
    static const struct option longs[] = {ARGS_COMMON, ARGS_END};
    struct args a = {argc, argv, ":", longs, 0, 0};
    while (args_next(&a) != -1)
        ;
    char **op = args_operands(&a, 3, 3, NULL);
    if (!op)
        return a.bad;
    const char *path = op[1] + strspn(op[1], "/");
    if (strncmp(path, "eval/", 5) != 0)
        return say_usage("%s: only files of eval/ are written", op[1]);
    struct out text = {0};
    struct client *c;
    int code = SAY_DONE, err = input_file_read(op[2], REQUEST_BODY, &text);
    if (err < 0)
        return say_fail(op[2], err);
    if (strcmp(path, "eval/outcomes.csv") == 0) { /* appended, as in the mount */
        struct request q = {.op = REQUEST_APPEND, .name = path + 5, .body = text.p, .nbody = text.n};
        code = append_lines(op[0], a.flags, op[2], "kept", q);
        out_fini(&text);
        return code;
    }
    if ((err = client_open(op[0], a.flags, &c)) < 0) {
        code = say_fail_open(op[0], err);
    } else {
        struct request q = {.op = REQUEST_CONFIG, .name = path + 5, .body = text.p, .nbody = text.n};
        if ((err = client_call(c, &q, NULL, NULL)) < 0)
            code = say_fail(op[1], err);
        client_close(c);
    }
    out_fini(&text);
    return code;
}

const struct command cmd_put = {"put", "REPO PATH FILE",
                                "write a file of eval/ that says what \"evaluate\" means (eval/spec.json)",
                                ARGS_NO_WAIT, run};
