/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/out.h"
#include "store/base/utf8.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void out_fini(struct out *o)
{
    if (!o)
        return;
    free(o->p);
    memset(o, 0, sizeof *o);
}

void out_reset(struct out *o)
{
    o->n = 0;
    o->err = 0;
}

static int grow(struct out *o, size_t more)
{
    if (o->err)
        return o->err;
    size_t need;
    if (__builtin_add_overflow(o->n, more, &need) || __builtin_add_overflow(need, 1, &need))
        return o->err = -ENOMEM;
    if (need <= o->cap)
        return 0;
    size_t cap = o->cap ? o->cap : 256;
    while (cap < need)
        if (__builtin_mul_overflow(cap, (size_t)2, &cap))
            return o->err = -ENOMEM;
    char *p = realloc(o->p, cap);
    if (!p)
        return o->err = -ENOMEM;
    o->p = p;
    o->cap = cap;
    return 0;
}

void out_write(struct out *o, const void *p, size_t n)
{
    if (n == 0 || grow(o, n))
        return;
    memcpy(o->p + o->n, p, n);
    o->n += n;
}

void out_str(struct out *o, const char *s)
{
    out_write(o, s, strlen(s));
}

void out_char(struct out *o, char c)
{
    out_write(o, &c, 1);
}

void out_printf(struct out *o, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n >= 0 && grow(o, (size_t)n) == 0) {
        vsnprintf(o->p + o->n, (size_t)n + 1, fmt, again);
        o->n += (size_t)n;
    }
    va_end(again);
}

const char *out_cstr(struct out *o)
{
    if (grow(o, 0))
        return "";
    o->p[o->n] = 0;
    return o->p;
}

char *out_take(struct out *o, size_t *ret_n)
{
    if (grow(o, 0)) {
        out_fini(o);
        return NULL;
    }
    o->p[o->n] = 0;
    char *p = o->p;
    if (ret_n)
        *ret_n = o->n;
    memset(o, 0, sizeof *o);
    return p;
}

/* Characters that would act on a terminal, or turn the reading direction, instead of showing. */
static int acts(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f || c == 0x061c || c == 0x2028 ||
           c == 0x2029;
}

void out_text(struct out *o, const char *s, size_t n, size_t max)
{
    size_t cols = 0, mark = o->n;
    int cut = 0;
    for (size_t i = 0; i < n;) {
        uint32_t c;
        size_t k = utf8_next(s + i, n - i, &c), before = o->n, width = 1;
        if (k == 0) {
            out_printf(o, "\\x%02x", (unsigned char)s[i]);
            k = 1;
            width = 4;
        } else if (c == '\n') {
            out_char(o, ' ');
        } else if (acts(c)) {
            for (size_t j = 0; j < k; j++)
                out_printf(o, "\\x%02x", (unsigned char)s[i + j]);
            width = 4 * k;
        } else {
            out_write(o, s + i, k);
        }
        if (max && cols + width > max) {
            o->n = o->err ? o->n : before;
            cut = 1;
            break;
        }
        cols += width;
        if (cols + 1 <= max)
            mark = o->n;
        i += k;
    }
    if (cut && !o->err) {
        o->n = mark;
        out_char(o, '~');
    }
}

/* A colon that a word follows may begin a link or be a picture's name. */
static int marks(const char *p, const char *end)
{
    return (*p && strchr("\\`*_[]<>#|~&@\"'$", *p)) || (*p == ':' && p + 1 < end && p[1] != ' ');
}

void out_markup(struct out *o, const char *s, size_t n, size_t max)
{
    struct out plain = {0};
    out_text(&plain, s, n, max);
    for (size_t i = 0; i < plain.n; i++)
        if (marks(plain.p + i, plain.p + plain.n))
            out_printf(o, "&#%d;", plain.p[i]);
        else
            out_char(o, plain.p[i]);
    if (plain.err)
        o->err = plain.err;
    out_fini(&plain);
}

static void comma(struct out *o)
{
    if (o->n && o->p[o->n - 1] != '\n')
        out_char(o, ',');
}

static int is_number(const char *s, size_t n)
{
    char buf[64];
    if (n == 0 || n >= sizeof buf || memchr(s, 0, n) || strspn(s, "0123456789+-.eE") < n)
        return 0;
    memcpy(buf, s, n);
    buf[n] = 0;
    char *end;
    double x = strtod(buf, &end);
    return *end == 0 && isfinite(x);
}

void out_csv_n(struct out *o, const char *s, size_t n)
{
    comma(o);
    int formula = n && strchr("=+-@\t\r", s[0]) && s[0] && !is_number(s, n);
    if (n >= 3 && (!memcmp(s, "\xef\xbc\x9d", 3) || !memcmp(s, "\xef\xbc\x8b", 3) ||
                   !memcmp(s, "\xef\xbc\x8d", 3) || !memcmp(s, "\xef\xbc\xa0", 3)))
        formula = 1; /* the full-width forms of = + - @ */
    int quote = formula || n == 0;
    for (size_t i = 0; i < n && !quote; i++)
        quote = strchr(",\"\r\n", s[i]) != NULL;
    if (n == 0)
        quote = o->n == 0 || o->p[o->n - 1] == '\n'; /* an empty first field must still be seen */
    if (!quote) {
        out_text(o, s, n, 0);
        return;
    }
    out_char(o, '"');
    if (formula)
        out_char(o, '\'');
    size_t from = 0;
    for (size_t i = 0; i <= n; i++)
        if (i == n || s[i] == '"') {
            out_text(o, s + from, i - from, 0);
            if (i < n)
                out_str(o, "\"\"");
            from = i + 1;
        }
    out_char(o, '"');
}

void out_csv(struct out *o, const char *s)
{
    out_csv_n(o, s ? s : "", s ? strlen(s) : 0);
}

void out_csv_num(struct out *o, double x)
{
    char buf[32];
    if (isnan(x)) {
        out_csv_empty(o);
        return;
    }
    comma(o);
    snprintf(buf, sizeof buf, "%.9g", x == 0 ? 0.0 : x);
    out_str(o, buf);
}

void out_csv_u64(struct out *o, uint64_t x)
{
    comma(o);
    out_printf(o, "%llu", (unsigned long long)x);
}

void out_csv_i64(struct out *o, int64_t x)
{
    comma(o);
    out_printf(o, "%lld", (long long)x);
}

void out_csv_empty(struct out *o)
{
    out_csv_n(o, "", 0);
}

void out_csv_end(struct out *o)
{
    out_char(o, '\n');
}
