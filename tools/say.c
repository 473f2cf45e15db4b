/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/say.h"
#include "store/base/fail.h"
#include "store/base/out.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *verb = "";

void say_verb(const char *v)
{
    verb = v;
}

const char *say_without(const char *fact, const char *object)
{
    size_t n = object ? strlen(object) : 0;
    return n && strncmp(fact, object, n) == 0 && strncmp(fact + n, ": ", 2) == 0 ? fact + n + 2 : fact;
}

/* One write, so that lines of several processes do not mix. */
static void line(const char *object, const char *fact, const char *hint)
{
    struct out o = {0};
    out_str(&o, "modelfs: ");
    out_str(&o, verb);
    if (object) {
        out_str(&o, *verb ? " " : "");
        out_text(&o, object, strlen(object), 0);
    }
    if (object || *verb)
        out_str(&o, ": ");
    out_text(&o, fact, strlen(fact), 0);
    out_char(&o, '\n');
    if (hint && *hint) {
        out_str(&o, "hint: ");
        out_text(&o, hint, strlen(hint), 0);
        out_char(&o, '\n');
    }
    fflush(stdout);
    if (out_error(&o) || write(STDERR_FILENO, o.p, o.n) < 0)
        errno = 0; /* there is nobody to tell */
    out_fini(&o);
}

int say_code(int err)
{
    switch (-err) {
    case 0:
        return SAY_DONE;
    case EINTR:
        return SAY_INTERRUPTED;
    case EBADMSG:
        return SAY_DAMAGED;
    case EINVAL:
    case EMSGSIZE:
    case ENOTSUP:
        return SAY_REFUSED;
    default:
        return SAY_FAILED;
    }
}

int say_code_open(int err)
{
    switch (-err) {
    case ENOENT:
    case ENOTDIR:
        return SAY_NO_STORE;
    case EBUSY:
        return SAY_IN_USE;
    case ENOTSUP:
        return SAY_NEWER;
    default:
        return say_code(err);
    }
}

int say_fail(const char *object, int err)
{
    if (err == -EINTR)
        line(object, "interrupted", NULL);
    else
        line(object, say_without(fail_describe(err), object), fail_hint_text());
    return say_code(err);
}

int say_fail_open(const char *repo, int err)
{
    char *path = realpath(repo, NULL);
    const char *fact = say_without(fail_describe(err), path);
    line(repo, err == -EINTR ? "interrupted" : say_without(fact, repo), fail_hint_text());
    free(path);
    return say_code_open(err);
}

int say_usage(const char *fmt, ...)
{
    char fact[512], hint[128];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(fact, sizeof fact, fmt, ap);
    va_end(ap);
    snprintf(hint, sizeof hint, "modelfs %s%s--help", verb, *verb ? " " : "");
    line(NULL, fact, hint);
    return SAY_USAGE;
}

void say_note(const char *object, const char *fmt, ...)
{
    char fact[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(fact, sizeof fact, fmt, ap);
    va_end(ap);
    line(object, fact, NULL);
}

const char *say_size(uint64_t bytes, char ret[SAY_SIZE])
{
    static const char unit[] = "kMGTPE";
    if (bytes < 1000) {
        snprintf(ret, SAY_SIZE, "%u B", (unsigned)bytes);
        return ret;
    }
    double x = (double)bytes;
    int u = -1;
    while (x >= 999.5 && unit[u + 1]) {
        x /= 1000;
        u++;
    }
    snprintf(ret, SAY_SIZE, "%.*f %cB", x < 99.95 ? 1 : 0, x, unit[u]);
    return ret;
}
