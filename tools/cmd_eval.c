/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/fail.h"
#include "tools/args.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/progress.h"
#include "tools/say.h"
#include <errno.h>
#include <stdio.h>

struct tally {
    int json, python;
    int done, skipped;
    int code; /* of the last failure */
};

/* One version: its line of JSON, or a word about why it could not be evaluated. */
static void evaluate(struct client *c, const char *name, struct tally *t)
{
    struct progress bar;
    char what[80];
    struct out line = {0};
    struct reply to = {.progress = progress_reply, .ctx = &bar};
    struct request q = {.op = REQUEST_EVALUATE, .name = name, .flags = t->python ? REQUEST_PYTHON : 0};
    json_t *result = NULL;
    snprintf(what, sizeof what, "eval %s", name);
    progress_begin(&bar, what, PROGRESS_ROWS);
    int err = client_call(c, &q, &to, &line);
    progress_end(&bar);
    if (err == 0)
        err = canon_parse("the owner's answer", line.p, line.n, 8, &result);
    const char *problem = json_string_value(json_object_get(result, "problem"));
    if (err == 0 && t->json)
        fwrite(line.p, 1, line.n, stdout);
    if (err == 0 && problem) {
        const char *hint = json_string_value(json_object_get(result, "hint"));
        err = fail(-EINVAL, "%s", problem);
        if (hint && !t->skipped) /* once: it is the same for all */
            fail_hint("%s", hint);
    }
    if (err < 0)
        t->code = say_fail(name, err);
    *(err < 0 ? &t->skipped : &t->done) += 1;
    json_decref(result);
    out_fini(&line);
}

static void evaluate_all(struct client *c, const json_t *versions, struct tally *t)
{
    for (size_t i = json_array_size(versions); i-- > 0 && t->code != SAY_INTERRUPTED;)
        evaluate(c, json_string_value(json_object_get(json_array_get(versions, i), "version")), t);
}

static int run(int argc, char **argv)
{
    static const struct option longs[] = {
        {"json", no_argument, NULL, 'j'}, {"allow-python", no_argument, NULL, 'p'}, ARGS_COMMON, ARGS_END};
    struct args a = {argc, argv, ":", longs, 0, 0};
    struct tally t = {0};
    for (int o; (o = args_next(&a)) != -1;) {
        t.json |= o == 'j';
        t.python |= o == 'p';
    }
    struct client *c;
    char **op = args_open(&a, 1, -1, NULL, &c);
    if (!op)
        return a.bad;
    json_t *all = NULL;
    int err = 0;
    for (char **name = op + 1; *name && t.code != SAY_INTERRUPTED; name++)
        evaluate(c, *name, &t);
    if (!op[1] && (err = client_versions(c, "", 0, &all)) == 0)
        evaluate_all(c, all, &t);
    struct request q = {.op = REQUEST_CAT, .name = "eval/summary.txt"};
    if (err == 0 && !t.json && t.code != SAY_INTERRUPTED)
        err = client_print(c, &q, NULL);
    json_decref(all);
    client_close(c);
    if (err < 0)
        return say_fail(op[0], err);
    return t.skipped && t.done && t.code != SAY_INTERRUPTED ? SAY_PARTLY : t.code;
}

const struct command cmd_eval = {
    "eval", "REPO [VERSION...]", "compute the predictions that are missing, then print eval/summary.txt",
    "  --json               a line of JSON for each version instead of the summary\n"
    "  --allow-python       eval/predict.py, which is code, may run\n" ARGS_NO_WAIT,
    run};
