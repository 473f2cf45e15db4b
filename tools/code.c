/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/code.h"
#include "store/base/hash.h"
#include "tools/fact.h"
#include "tools/spawn.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PATCH (64u << 20) /* bytes of an uncommitted change that is hashed */

/* git -C dir ARGS…, its output less the last newline: 1, or 0 when it has no answer; -EINTR, -ENOMEM. Nothing
 * that the tree's configuration names is run (monitors, hooks; see also --no-ext-diff). */
static int git(const char *dir, struct out *ret, size_t most, const char *const *args)
{
    const char *argv[24] = {"git", "-C", dir, "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"};
    size_t n = 7;
    while (*args && n < 23)
        argv[n++] = *args++;
    out_reset(ret);
    int status = spawn_read(argv, most, ret);
    if (status == -EINTR || status == -ENOMEM)
        return status;
    if (status == 0 && ret->n && ret->p[ret->n - 1] == '\n')
        ret->n--;
    return status == 0;
}
#define GIT(dir, ret, most, ...) git(dir, ret, most, (const char *const[]){__VA_ARGS__, NULL})

static json_t *text(struct out *o)
{
    return json_string(out_cstr(o)); /* NULL when it is not UTF-8: then it is left out */
}

/* https://user:secret@host/x -> https://host/x */
static json_t *remote(struct out *o)
{
    char *s = (char *)(uintptr_t)out_cstr(o), *scheme = strstr(s, "://");
    if (!scheme)
        return json_string(s);
    char *host = scheme + 3, *at = host + strcspn(host, "/@");
    if (*at == '@')
        memmove(host, at + 1, strlen(at + 1) + 1);
    return json_string(s);
}

static int is_commit(const char *s)
{
    size_t n = strspn(s, "0123456789abcdef");
    return (n == 40 || n == 64) && s[n] == 0;
}

/* "3 files changed, 81 insertions(+), 20 deletions(-)": the number before the word */
static json_t *count(const char *stat, const char *word)
{
    const char *p = strstr(stat, word);
    if (!p)
        return json_integer(0);
    while (p > stat && (p[-1] == ' ' || (p[-1] >= '0' && p[-1] <= '9')))
        p--;
    return json_integer(strtoll(p, NULL, 10));
}

static int since_parent(json_t *record, const char *dir, const char *since, struct out *o)
{
    char range[160];
    if (!is_commit(since))
        return 0;
    snprintf(range, sizeof range, "%s..HEAD", since);
    int r = GIT(dir, o, 64, "rev-list", "--count", range, "--");
    if (r <= 0) /* that commit is not here */
        return r;
    fact_put(record, "code", "commits", json_integer(strtoll(out_cstr(o), NULL, 10)), FACT_OBSERVED);
    if ((r = GIT(dir, o, 65536, "log", "--format=%s", "-n", "50", range, "--")) > 0) {
        json_t *subjects = json_array();
        for (char *line = (char *)(uintptr_t)out_cstr(o), *end; *line; line = end) {
            end = line + strcspn(line, "\n");
            json_array_append_new(subjects, json_stringn(line, (size_t)(end - line)));
            end += *end == '\n';
        }
        fact_put(record, "code", "subjects", subjects, FACT_OBSERVED);
    }
    if (r >= 0 && (r = GIT(dir, o, 4096, "diff", "--shortstat", "--no-ext-diff", "--no-textconv", since,
                           "HEAD", "--")) > 0) {
        fact_put(record, "code", "files", count(out_cstr(o), " file"), FACT_OBSERVED);
        fact_put(record, "code", "added", count(out_cstr(o), " insertion"), FACT_OBSERVED);
        fact_put(record, "code", "removed", count(out_cstr(o), " deletion"), FACT_OBSERVED);
    }
    return r;
}

/* Changes of tracked files that no commit holds; what git does not know is not the code's. */
static int uncommitted(json_t *record, const char *dir, struct out *o)
{
    int r = GIT(dir, o, PATCH, "diff", "--no-ext-diff", "--no-textconv", "--binary", "HEAD", "--");
    if (r <= 0)
        return r;
    fact_put(record, "code", "dirty", json_boolean(o->n > 0), FACT_OBSERVED);
    if (o->n) {
        struct digest d;
        char hex[HASH_HEX];
        hash_sha256(o->p, o->n, &d);
        hash_hex(&d, hex);
        fact_put(record, "code", "patch_digest", json_sprintf("sha256:%s", hex), FACT_OBSERVED);
    }
    return r;
}

int code_observe(json_t *record, const char *dir, const char *since, struct out *ret_top)
{
    struct out o = {0};
    int r = GIT(dir, ret_top, 16384, "rev-parse", "--show-toplevel");
    if (r == 0)
        r = GIT(dir = ".", ret_top, 16384, "rev-parse", "--show-toplevel");
    if (r <= 0) {
        out_reset(ret_top);
        return r;
    }
    if ((r = GIT(dir, &o, 4096, "config", "--get", "remote.origin.url")) > 0)
        fact_put(record, "code", "repo", remote(&o), FACT_OBSERVED);
    if (r >= 0 && (r = GIT(dir, &o, 4096, "symbolic-ref", "--short", "-q", "HEAD")) > 0)
        fact_put(record, "code", "branch", text(&o), FACT_OBSERVED);
    if (r >= 0 && (r = GIT(dir, &o, 4096, "rev-parse", "--verify", "-q", "HEAD")) > 0) {
        fact_put(record, "code", "commit", text(&o), FACT_OBSERVED);
        r = uncommitted(record, dir, &o);
        if (r >= 0 && since)
            r = since_parent(record, dir, since, &o);
    }
    out_fini(&o);
    return r < 0 ? r : 0;
}
