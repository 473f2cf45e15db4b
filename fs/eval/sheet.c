/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/sheet.h"
#include "store/base/fail.h"
#include "store/base/out.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int sheet_bad(const struct sheet *s, const char *fmt, ...)
{
    char what[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return fail(-EINVAL, "%s: line %u: %s", s->name, s->line, what);
}

static int at_end(const struct sheet *s)
{
    return s->p == s->end || *s->p == '\n' || (*s->p == '\r' && s->p + 1 < s->end && s->p[1] == '\n');
}

static int quoted(struct sheet *s, struct out *o)
{
    for (s->p++; s->p < s->end; s->p++) {
        if (*s->p == '"' && (s->p + 1 == s->end || s->p[1] != '"')) {
            s->p++;
            return 0;
        }
        s->p += *s->p == '"';
        s->next_line += *s->p == '\n';
        out_char(o, *s->p);
    }
    return sheet_bad(s, "a quote has no end");
}

/* Blanks around a bare cell are no part of it: people align columns. */
static const char *trimmed(struct sheet *s, const struct out *o, int bare)
{
    size_t from = 0, to = o->n;
    while (bare && from < to && (o->p[from] == ' ' || o->p[from] == '\t'))
        from++;
    while (bare && to > from && (o->p[to - 1] == ' ' || o->p[to - 1] == '\t'))
        to--;
    return arena_strndup(s->arena, o->p ? o->p + from : "", to - from);
}

static int record(struct sheet *s, struct out *o)
{
    for (;;) {
        int bare = s->p == s->end || *s->p != '"', err;
        out_reset(o);
        if (s->n == SHEET_COLUMNS)
            return sheet_bad(s, "more than %d cells", SHEET_COLUMNS);
        if (!bare && (err = quoted(s, o)) < 0)
            return err;
        while (bare && !at_end(s) && *s->p != ',')
            out_char(o, *s->p++);
        if (o->n && memchr(o->p, 0, o->n))
            return sheet_bad(s, "a NUL byte");
        if (out_error(o) || !(s->cell[s->n++] = trimmed(s, o, bare)))
            return fail(-ENOMEM, "out of memory");
        if (at_end(s))
            return 1;
        if (*s->p++ != ',')
            return sheet_bad(s, "text after a closing quote");
    }
}

static int next(struct sheet *s)
{
    while (s->p < s->end && at_end(s)) {
        s->next_line += *s->p == '\n';
        s->p++;
    }
    s->line = s->next_line;
    s->n = 0;
    if (s->p == s->end)
        return 0;
    struct out o = {0};
    int r = record(s, &o);
    out_fini(&o);
    return r;
}

int sheet_open(const char *name, const char *p, size_t n, const char *const *columns, size_t required,
               struct arena *arena, struct sheet *ret)
{
    struct sheet s = {.name = name, .p = p, .end = p + n, .next_line = 1, .arena = arena};
    if (n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
        s.p += 3;
    int err = next(&s);
    if (err <= 0)
        return err < 0 ? err
                       : fail(-EINVAL, "%s: no header line (\"%s,%s,…\")", name, columns[0], columns[1]);
    for (size_t i = 0; i < SHEET_COLUMNS; i++)
        s.at[i] = -1;
    for (size_t k = 0; k < s.n; k++) {
        size_t i = 0;
        while (columns[i] && strcmp(columns[i], s.cell[k]) != 0)
            i++;
        if (!columns[i])
            return sheet_bad(&s, "no column \"%.40s\" is known", s.cell[k]);
        if (s.at[i] >= 0)
            return sheet_bad(&s, "column \"%.40s\" twice", s.cell[k]);
        s.at[i] = (int)k;
    }
    for (size_t i = 0; i < required; i++)
        if (s.at[i] < 0)
            return sheet_bad(&s, "no column \"%s\"", columns[i]);
    *ret = s;
    return 0;
}

int sheet_next(struct sheet *s)
{
    size_t columns = 0;
    for (size_t i = 0; i < SHEET_COLUMNS; i++)
        columns += s->at[i] >= 0;
    int r = next(s);
    if (r > 0 && s->n != columns)
        return sheet_bad(s, "%zu cells, where the header has %zu", s->n, columns);
    return r;
}

const char *sheet_text(const struct sheet *s, size_t column)
{
    return s->at[column] < 0 ? "" : s->cell[s->at[column]];
}

int sheet_number(const struct sheet *s, size_t column, const char *what, double empty, double *ret)
{
    const char *text = sheet_text(s, column);
    char *end;
    double x = *text ? strtod(text, &end) : empty;
    if (*text && (*end || !isfinite(x) || strspn(text, "0123456789+-.eE") != strlen(text)))
        return sheet_bad(s, "%s: \"%.40s\" is no number", what, text);
    *ret = x;
    return 0;
}

int sheet_line(const char *name, unsigned number, const char *p, size_t n, const char *const *columns,
               struct arena *arena, struct sheet *ret)
{
    struct sheet s = {.name = name, .p = p, .end = p + n, .next_line = number, .arena = arena};
    size_t known = 0;
    int r = next(&s);
    while (columns[known])
        known++;
    if (r > 0 && s.p < s.end && !at_end(&s))
        return sheet_bad(&s, "more than one line");
    if (r > 0 && s.n > known)
        return sheet_bad(&s, "%zu cells, more than the %zu columns", s.n, known);
    for (size_t i = 0; i < SHEET_COLUMNS; i++)
        s.at[i] = i < s.n ? (int)i : -1;
    if (r > 0)
        *ret = s;
    return r;
}
