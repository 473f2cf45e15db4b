/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/rules.h"
#include "tools/args.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/pair.h"
#include "tools/say.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* An error is never a pass: 0 to 4 are verdicts, and 2 is trouble. */
static int trouble(int code)
{
    return code == SAY_DONE || code == SAY_INTERRUPTED ? code : 2;
}

static int exit_of(const char *word)
{
    static const struct {
        const char *word;
        int code;
    } words[] = {
        {"PASS\n", 0}, {"FAIL\n", 1}, {"UNDECIDED\n", 3}, {"NOT_MEASURED\n", 3}, {"NOT_COMPARABLE\n", 4}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].word, word) == 0)
            return words[i].code;
    return 2;
}

/* The first lines of the review: the verdict and what it rests on. */
static int print_table(struct client *c, const char *pair)
{
    struct out text = {0};
    int err = pair_file(c, pair, "summary.txt", &text);
    const char *p = out_cstr(&text), *end = err < 0 ? p : strstr(p, "\n\n");
    fwrite(p, 1, end ? (size_t)(end - p) + 1 : strlen(p), err < 0 ? stderr : stdout);
    out_reset(&text);
    if (err >= 0 && (err = pair_file(c, pair, "gate.csv", &text)) >= 0) {
        fputc('\n', stdout);
        pair_columns(out_cstr(&text), stdout);
    }
    out_fini(&text);
    return err;
}

static int run_init(char **op, unsigned flags)
{
    struct client *c;
    struct out old = {0};
    const char *text = rules_default();
    int err = client_open(op[0], flags, &c);
    if (err < 0)
        return trouble(say_fail_open(op[0], err));
    struct request there = {.op = REQUEST_CAT, .name = "eval/gates"};
    struct request put = {.op = REQUEST_CONFIG, .name = "gates", .body = text, .nbody = strlen(text)};
    int code = SAY_DONE;
    if (client_collect(c, &there, &old) >= 0) {
        say_note("eval/gates", "exists; nothing was changed");
        code = 2;
    } else if ((err = client_call(c, &put, NULL, NULL)) < 0) {
        code = trouble(say_fail("eval/gates", err));
    } else {
        fputs("eval/gates\n", stdout);
    }
    out_fini(&old);
    client_close(c);
    return code;
}

static int run_gate(char **op, unsigned flags, int csv)
{
    struct client *c;
    struct out word = {0}, text = {0};
    int err = client_open(op[0], flags, &c);
    if (err < 0)
        return trouble(say_fail_open(op[0], err));
    if ((err = pair_file(c, op[1], "verdict", &word)) >= 0)
        err = csv ? pair_file(c, op[1], "gate.csv", &text) : print_table(c, op[1]);
    fwrite(text.p ? text.p : "", 1, text.n, stdout);
    int code = err < 0 ? trouble(say_fail(op[1], err)) : exit_of(out_cstr(&word));
    out_fini(&word);
    out_fini(&text);
    client_close(c);
    return code;
}

static int run(int argc, char **argv)
{
    static const struct option longs[] = {ARGS_COMMON,
                                          {"init", no_argument, NULL, 'i'},
                                          {"csv", no_argument, NULL, 'c'},
                                          {"table", no_argument, NULL, 't'},
                                          ARGS_END};
    struct args a = {argc, argv, ":", longs, 0, 0};
    int init = 0, csv = !isatty(STDOUT_FILENO);
    for (int o; (o = args_next(&a)) != -1;) {
        init |= o == 'i';
        csv = o == 'c' ? 1 : o == 't' ? 0 : csv;
    }
    char **op = args_operands(&a, init ? 1 : 2, init ? 1 : 2, NULL);
    if (!op)
        return trouble(a.bad);
    return init ? run_init(op, a.flags) : run_gate(op, a.flags, csv);
}

const struct command cmd_gate = {
    "gate", "REPO A..B | --init REPO",
    "may B follow A? exit 0 PASS, 1 FAIL, 2 error, 3 UNDECIDED or NOT MEASURED, 4 NOT COMPARABLE",
    "  --init               write the default rules, with comments, as eval/gates\n"
    "  --csv                print gate.csv, as where the output is no terminal\n"
    "  --table              print a table, as on a terminal\n" ARGS_NO_WAIT,
    run};
