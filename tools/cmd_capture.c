/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/fail.h"
#include "tools/args.h"
#include "tools/command.h"
#include "tools/input_file.h"
#include "tools/order.h"
#include "tools/say.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The JSON itself, when it is no file's name and begins as JSON does. */
static int is_text(const char *s)
{
    return strchr("{[\"", s[strspn(s, " \t\n")]) && access(s, F_OK) != 0;
}

static int read_input(const char *from, json_t **ret)
{
    struct out o = {0};
    int err = 0;
    if (is_text(from))
        out_str(&o, from);
    else
        err = input_file_read(from, REQUEST_BODY, &o);
    json_error_t why;
    if (err >= 0 && !(*ret = json_loadb(o.p ? o.p : "", o.n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &why)))
        err = fail(-EINVAL, "not JSON: %s (line %d)", why.text, why.line);
    out_fini(&o);
    return err < 0 ? err : 0;
}

static void show(const char *repo, const json_t *r)
{
    const char *id = json_string_value(json_object_get(r, "id"));
    const char *pred = json_string_value(json_object_get(r, "pred"));
    const char *became = json_string_value(json_object_get(r, "became"));
    const json_t *p = json_object_get(r, "p");
    json_int_t right = json_integer_value(json_object_get(r, "right"));
    struct out o = {0};
    out_str(&o, json_string_value(json_object_get(r, "version")));
    if (pred) {
        out_str(&o, " says ");
        out_text(&o, pred, strlen(pred), 0);
        if (p)
            out_printf(&o, " (p %.2f)", json_number_value(p));
        out_str(&o, right == 1 ? ": right\n" : right == 0 ? ": wrong\n" : "\n");
    } else {
        const char *why = json_string_value(json_object_get(r, "problem"));
        out_str(&o, " was not run: ");
        out_text(&o, why ? why : "?", why ? strlen(why) : 1, 0);
        out_char(&o, '\n');
    }
    out_text(&o, id ? id : "?", id ? strlen(id) : 1, 0);
    out_str(&o, became && !strcmp(became, "merged")       ? " was there already\n"
                : became && !strcmp(became, "unlabelled") ? " waits for a label\n"
                : right == 1                              ? " is added (curated)\n"
                                                          : " is added (failure)\n");
    if (became && !strcmp(became, "unlabelled"))
        out_printf(&o, "hint: modelfs relabel %s %s LABEL --reason TEXT\n", repo, id ? id : "?");
    fputs(out_cstr(&o), stdout);
    out_fini(&o);
}

static int send(const char *repo, unsigned flags, const char *version, const json_t *row)
{
    struct client *c;
    struct out body = {0}, result = {0};
    json_t *r = NULL;
    int err = client_open(repo, flags, &c);
    if (err < 0)
        return say_fail_open(repo, err);
    canon_format(row, &body);
    struct request q = {.op = REQUEST_CAPTURE, .name = version, .body = body.p, .nbody = body.n};
    err = out_error(&body);
    if (!err)
        err = client_call(c, &q, NULL, &result);
    if (!err)
        err = canon_parse("the owner's answer", result.p, result.n, 8, &r);
    if (!err)
        show(repo, r);
    json_decref(r);
    client_close(c);
    out_fini(&body);
    out_fini(&result);
    return err < 0 ? say_fail(version, err) : SAY_DONE;
}

static int run(int argc, char **argv)
{
    static const struct option longs[] = {{"reason", required_argument, NULL, 'r'},
                                          {"label", required_argument, NULL, 'l'},
                                          ARGS_COMMON,
                                          ARGS_END};
    struct args a = {argc, argv, ":r:l:", longs, 0, 0};
    const char *reason = NULL, *label = NULL;
    for (int o; (o = args_next(&a)) != -1;)
        *(o == 'r' ? &reason : &label) = optarg;
    char **op = args_operands(&a, 3, 3, NULL);
    if (!op)
        return a.bad;
    if (!reason || !*reason)
        return say_usage("--reason is missing: the row tells why it is in the set");
    json_t *input = NULL;
    int err = read_input(op[2], &input);
    if (err < 0)
        return say_fail(op[2], err);
    json_t *row = json_pack("{s:o s:s}", "input", input, "reason", reason);
    if (row && label)
        json_object_set_new(row, "label", order_label(label));
    int code = row ? send(op[0], a.flags, op[1], row) : say_fail(op[2], -ENOMEM);
    json_decref(row);
    return code;
}

const struct command cmd_capture = {
    "capture", "REPO VERSION INPUT --reason TEXT [--label LABEL]",
    "run a version on an input from the wild and add it to the evaluation set",
    "INPUT is a file of JSON, - for stdin, or the JSON itself. Without a label the row waits for one.\n\n"
    "  -r, --reason TEXT    why it is in the set, say an incident's number\n"
    "  -l, --label LABEL    what would have been right\n" ARGS_NO_WAIT,
    run};
