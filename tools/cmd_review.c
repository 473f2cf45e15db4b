/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/fail.h"
#include "tools/args.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/forge.h"
#include "tools/pair.h"
#include "tools/say.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int write_file(const char *path, const struct out *text)
{
    FILE *f = fopen(path, "we");
    if (!f)
        return fail(-errno, "%s", strerror(errno));
    size_t n = fwrite(text->p ? text->p : "", 1, text->n, f);
    int bad = n != text->n, closed = fclose(f);
    return bad || closed ? fail(-EIO, "%s", strerror(errno)) : 0;
}

/* Up to the revision of the set, which may grow between two reviews of one pair: "<!-- modelfs:review v3..v4
 * ". */
static void key_of(const char *path, char *ret, size_t n)
{
    FILE *f = fopen(path, "re");
    *ret = 0;
    if (f && fgets(ret, (int)n, f)) {
        char *end = strstr(ret, "..");
        end = end ? strchr(end, ' ') : NULL;
        if (end)
            end[1] = 0;
    }
    if (f)
        fclose(f);
}

static int post(const char *path)
{
    char key[128];
    key_of(path, key, sizeof key);
    fail_clear();
    int err = forge_post(path, key);
    if (err < 0)
        return say_fail("post", err);
    puts(err ? "comment replaced" : "comment added");
    return SAY_DONE;
}

static int run(int argc, char **argv)
{
    static const struct option longs[] = {
        ARGS_COMMON, {"output", required_argument, NULL, 'o'}, {"post", no_argument, NULL, 'p'}, ARGS_END};
    static const char *const files[] = {"review.md", "report.html"};
    struct args a = {argc, argv, ":o:", longs, 0, 0};
    const char *dir = ".";
    int posts = 0, code = SAY_DONE;
    for (int o; (o = args_next(&a)) != -1;) {
        dir = o == 'o' ? optarg : dir;
        posts |= o == 'p';
    }
    struct client *c;
    char **op = args_open(&a, 2, 2, NULL, &c);
    if (!op)
        return a.bad;
    struct out path[2] = {{0}};
    for (int i = 0; i < 2 && code == SAY_DONE; i++) {
        struct out text = {0};
        out_printf(&path[i], "%s/%s", dir, files[i]);
        int err = pair_file(c, op[1], files[i], &text);
        if (err < 0)
            code = say_fail(op[1], err);
        else if ((err = write_file(out_cstr(&path[i]), &text)) < 0)
            code = say_fail(out_cstr(&path[i]), err);
        else
            puts(out_cstr(&path[i]));
        out_fini(&text);
    }
    client_close(c);
    if (posts && code == SAY_DONE)
        code = post(out_cstr(&path[0]));
    out_fini(&path[0]);
    out_fini(&path[1]);
    return code;
}

const struct command cmd_review = {
    "review", "REPO A..B [-o DIR] [--post]",
    "write review.md and report.html, and comment on the pull request",
    "  -o, --output DIR     where to, else here\n"
    "      --post           put review.md on the pull or merge request of this branch, through gh or glab;\n"
    "                       the comment of an earlier review of the pair is replaced\n" ARGS_NO_WAIT,
    run};
