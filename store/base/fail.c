/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/fail.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local struct {
    int err;
    char text[1024];
    char hint[512];
} last;

int fail(int err, const char *fmt, ...)
{
    char text[sizeof last.text]; /* the arguments may be the previous text */
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    memcpy(last.text, text, sizeof text);
    last.hint[0] = 0;
    last.err = err;
    return err;
}

void fail_hint(const char *fmt, ...)
{
    char hint[sizeof last.hint];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(hint, sizeof hint, fmt, ap);
    va_end(ap);
    memcpy(last.hint, hint, sizeof hint);
}

void fail_clear(void)
{
    last.err = 0;
    last.text[0] = last.hint[0] = 0;
}

const char *fail_text(void)
{
    return last.text;
}

const char *fail_hint_text(void)
{
    return last.hint;
}

const char *fail_describe(int err)
{
    if (last.err == err && last.text[0])
        return last.text;
    static _Thread_local char buf[128];
    return strerror_r(-err, buf, sizeof buf);
}
