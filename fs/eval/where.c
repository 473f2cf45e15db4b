/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/where.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t"

int where_is(const char *text)
{
    return text[strcspn(text, "=<>")] != 0;
}

static char *trimmed(struct arena *a, const char *p, size_t n)
{
    while (n && strchr(BLANKS, *p))
        p++, n--;
    while (n && strchr(BLANKS, p[n - 1]))
        n--;
    return arena_strndup(a, p, n);
}

/* Takes the comparison off *at. */
static int comparison(const char **at, struct where_test *t)
{
    static const struct {
        const char *text;
        int op;
    } all[] = {{"==", WHERE_EQ}, {"!=", WHERE_NE}, {"<=", WHERE_LE}, {">=", WHERE_GE},
               {"=", WHERE_EQ},  {"<", WHERE_LT},  {">", WHERE_GT}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        size_t n = strlen(all[i].text);
        if (strncmp(*at, all[i].text, n) == 0) {
            t->op = all[i].op;
            *at += n;
            return 0;
        }
    }
    return -1;
}

/* The value and what follows it: up to "&" or the end. */
static int value(const char *whole, const char **at, struct arena *a, struct where_test *t)
{
    const char *p = *at + strspn(*at, BLANKS);
    char *end;
    if (*p == '"') {
        size_t n = strcspn(++p, "\"");
        if (!p[n])
            return fail(-EINVAL, "slice \"%.80s\": a quote has no end", whole);
        t->quoted = 1;
        t->text = arena_strndup(a, p, n);
        p += n + 1;
        p += strspn(p, BLANKS);
    } else {
        size_t n = strcspn(p, "&");
        t->text = trimmed(a, p, n);
        p += n;
    }
    if (!t->text)
        return fail(-ENOMEM, "out of memory");
    if (*p && *p != '&')
        return fail(-EINVAL, "slice \"%.80s\": text after a closing quote", whole);
    if (!*t->text && !t->quoted)
        return fail(-EINVAL, "slice \"%.80s\": a value is missing", whole);
    t->number = strtod(t->text, &end);
    if (t->quoted || *end || !isfinite(t->number))
        t->number = NAN;
    t->boolean = t->quoted ? -1 : !strcmp(t->text, "true") ? 1 : !strcmp(t->text, "false") ? 0 : -1;
    if (t->op >= WHERE_LT && isnan(t->number))
        return fail(-EINVAL, "slice \"%.80s\": < and > need a number", whole);
    *at = p;
    return 0;
}

static int one(const char *whole, const char **at, struct arena *a, struct where_test *t)
{
    size_t n = strcspn(*at, "=<>!&");
    if (!(t->field = trimmed(a, *at, n)))
        return fail(-ENOMEM, "out of memory");
    *at += n;
    if (comparison(at, t))
        return fail(-EINVAL, "slice \"%.80s\": no comparison (field=value, field>=number …)", whole);
    if (strncmp(t->field, "input.", 6) == 0)
        t->field += 6;
    if (!*t->field)
        return fail(-EINVAL, "slice \"%.80s\": a field's name is missing", whole);
    return value(whole, at, a, t);
}

int where_parse(const char *text, struct arena *a, struct where *ret)
{
    size_t most = 1;
    for (const char *p = text; *p; p++)
        most += *p == '&';
    struct where w = {.name = arena_strdup(a, text), .tests = arena_array(a, most, sizeof *w.tests)};
    if (!w.name || !w.tests)
        return fail(-ENOMEM, "out of memory");
    const char *at = text;
    for (;;) {
        int err = one(text, &at, a, &w.tests[w.n]);
        if (err)
            return err;
        w.n++;
        if (!*at)
            break;
        at++;
    }
    *ret = w;
    return 0;
}

/* By the whole name first: a field's own name may hold a dot. */
static const json_t *find(const json_t *in, const char *field)
{
    const json_t *v = json_object_get(in, field);
    for (const char *dot = strchr(field, '.'); !v && dot; dot = strchr(dot + 1, '.')) {
        const json_t *inner = json_object_getn(in, field, (size_t)(dot - field));
        if (inner)
            v = find(inner, dot + 1);
    }
    return v;
}

static int compare(int op, double x, double y)
{
    switch (op) {
    case WHERE_EQ:
        return x == y;
    case WHERE_NE:
        return x != y;
    case WHERE_LT:
        return x < y;
    case WHERE_LE:
        return x <= y;
    case WHERE_GT:
        return x > y;
    default:
        return x >= y;
    }
}

static int holds(const struct where_test *t, const json_t *v)
{
    if (json_is_number(v))
        return !isnan(t->number) && compare(t->op, json_number_value(v), t->number);
    if (json_is_boolean(v))
        return t->boolean >= 0 && t->op <= WHERE_NE && compare(t->op, json_is_true(v), t->boolean);
    if (json_is_string(v) && t->op <= WHERE_NE)
        return (strcmp(json_string_value(v), t->text) == 0) == (t->op == WHERE_EQ);
    return 0;
}

int where_holds(const struct where *w, const json_t *input)
{
    for (size_t i = 0; i < w->n; i++)
        if (!holds(&w->tests[i], find(input, w->tests[i].field)))
            return 0;
    return 1;
}
