/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   value  = type payload           no-ops 'N' before a type are skipped
 *   type   = Z | T | F | i | U | I | l | L | d | D | H | C | S | '[' | '{'
 *   string = count bytes            of S, H (a number as text) and of keys, which have no 'S' before them
 *   array  = ['$' type] ['#' count] values [']' when without count]
 *   object = ['$' type] ['#' count] (string value)* ['}' when without count]
 *   count  = an integer value (i U I l L), big-endian as all numbers
 */
#include "store/format/ubj.h"
#include "store/base/fail.h"
#include "store/base/utf8.h"
#include "store/format/layout.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* what jansson takes for a value and its place in a container, and for a container */
#define VALUE_COST     72
#define CONTAINER_COST 208

struct ubj {
    const struct input *in;
    const char *p;
    size_t n, at, cost;
    int depth;
};

static int value(struct ubj *u, char type, json_t **ret);

static int bad(const struct ubj *u, const char *what)
{
    fail(-EBADMSG, "%s: UBJSON: %s (byte %zu)", u->in->name, what, u->at);
    return -EBADMSG; /* itself, so that the compiler sees that it is negative */
}

static const char *take(struct ubj *u, uint64_t n)
{
    if (n > u->n - u->at)
        return NULL;
    const char *p = u->p + u->at;
    u->at += (size_t)n;
    return p;
}

/* The next byte that is no no-op, not taken; -1 at the end. */
static int peek(struct ubj *u)
{
    while (u->at < u->n && u->p[u->at] == 'N')
        u->at++;
    return u->at < u->n ? (unsigned char)u->p[u->at] : -1;
}

static int take_type(struct ubj *u, char *ret)
{
    int c = peek(u);
    if (c < 0)
        return bad(u, "ends inside a value");
    *ret = (char)c;
    u->at++;
    return 0;
}

static int spend(struct ubj *u, size_t cost)
{
    u->cost += cost;
    if (u->cost > FORMAT_MAX_MEMORY)
        return fail(-EBADMSG, "%s: UBJSON of %zu bytes needs more than %u MiB to be read", u->in->name, u->n,
                    FORMAT_MAX_MEMORY >> 20);
    return 0;
}

static int big_endian(struct ubj *u, int bytes, uint64_t *ret)
{
    const char *p = take(u, (uint64_t)bytes);
    if (!p)
        return bad(u, "ends inside a number");
    *ret = 0;
    for (int i = 0; i < bytes; i++)
        *ret = *ret << 8 | (unsigned char)p[i];
    return 0;
}

static int integer_bytes(char type)
{
    return type == 'i' || type == 'U' ? 1 : type == 'I' ? 2 : type == 'l' ? 4 : type == 'L' ? 8 : 0;
}

static int integer(struct ubj *u, char type, int64_t *ret)
{
    uint64_t x;
    int bytes = integer_bytes(type), r = bytes ? big_endian(u, bytes, &x) : bad(u, "no integer");
    if (r < 0)
        return r;
    *ret = type == 'i' ? (int8_t)x : type == 'I' ? (int16_t)x : type == 'l' ? (int32_t)x : (int64_t)x;
    return 0;
}

static int count(struct ubj *u, size_t *ret)
{
    char type;
    int64_t x;
    int r = take_type(u, &type);
    if (r == 0)
        r = integer(u, type, &x);
    if (r == 0 && x < 0)
        r = bad(u, "a negative length");
    if (r == 0)
        *ret = (size_t)x;
    return r;
}

static int string(struct ubj *u, const char **ret, size_t *ret_n)
{
    int r = count(u, ret_n);
    if (r < 0)
        return r;
    if (!(*ret = take(u, *ret_n)))
        return bad(u, "a length past the end");
    if (memchr(*ret, 0, *ret_n) || !utf8_valid(*ret, *ret_n))
        return bad(u, "a string that is not UTF-8, or holds a NUL");
    return spend(u, *ret_n);
}

static int made(const struct ubj *u, json_t *v, json_t **ret)
{
    if (!v)
        return layout_nomem(u->in);
    *ret = v;
    return 0;
}

static int real(struct ubj *u, char type, json_t **ret)
{
    uint64_t bits;
    double x;
    int r = big_endian(u, type == 'd' ? 4 : 8, &bits);
    if (r < 0)
        return r;
    if (type == 'd') {
        uint32_t half = (uint32_t)bits;
        float f;
        memcpy(&f, &half, 4);
        x = f;
    } else {
        memcpy(&x, &bits, 8);
    }
    return made(u, isfinite(x) ? json_real(x) : json_string(isnan(x) ? "?" : x > 0 ? "inf" : "-inf"), ret);
}

static int text(struct ubj *u, json_t **ret)
{
    const char *s;
    size_t n;
    int r = string(u, &s, &n);
    return r < 0 ? r : made(u, json_stringn_nocheck(s, n), ret);
}

static int character(struct ubj *u, json_t **ret)
{
    const char *c = take(u, 1);
    if (!c || *c <= 0)
        return bad(u, "no character");
    return made(u, json_stringn_nocheck(c, 1), ret);
}

/* $type and #count of a container; type 0: each value has its own; *counted 0: an end mark closes it */
static int header(struct ubj *u, char *type, int *counted, size_t *ret_n)
{
    int r = 0;
    *type = 0;
    if (peek(u) == '$') {
        u->at++;
        if ((r = take_type(u, type)) == 0 && peek(u) != '#')
            r = bad(u, "a type without a count");
    }
    if (r == 0 && (*counted = peek(u) == '#')) {
        u->at++;
        r = count(u, ret_n);
    }
    return r;
}

static int item(struct ubj *u, char type, json_t **ret)
{
    int r = type ? 0 : take_type(u, &type);
    return r < 0 ? r : value(u, type, ret);
}

/* Is there one more? 1, 0 (the end mark is taken), or malformed */
static int more(struct ubj *u, int counted, size_t *n, char end)
{
    if (counted)
        return *n ? (*n)--, 1 : 0;
    int c = peek(u);
    if (c == end)
        u->at++;
    return c < 0 ? bad(u, "ends inside a container") : c != end;
}

static int array(struct ubj *u, json_t *to)
{
    char type;
    int counted;
    size_t n;
    int r = header(u, &type, &counted, &n);
    while (r == 0 && (r = more(u, counted, &n, ']')) > 0) {
        json_t *v;
        if ((r = item(u, type, &v)) == 0 && json_array_append_new(to, v) != 0)
            r = layout_nomem(u->in);
    }
    return r;
}

static int object(struct ubj *u, json_t *to)
{
    char type;
    int counted;
    size_t n;
    int r = header(u, &type, &counted, &n);
    while (r == 0 && (r = more(u, counted, &n, '}')) > 0) {
        const char *key;
        size_t key_n;
        json_t *v;
        if ((r = string(u, &key, &key_n)) < 0)
            return r;
        if (json_object_getn(to, key, key_n))
            return bad(u, "a duplicate key");
        if ((r = item(u, type, &v)) == 0 && json_object_setn_new_nocheck(to, key, key_n, v) != 0)
            r = layout_nomem(u->in);
    }
    return r;
}

static int container(struct ubj *u, char type, json_t **ret)
{
    json_t *to = NULL;
    int r = spend(u, CONTAINER_COST);
    if (r == 0 && ++u->depth > FORMAT_MAX_DEPTH)
        r = bad(u, "nested deeper than 64 levels");
    if (r == 0)
        r = made(u, type == '[' ? json_array() : json_object(), &to);
    if (r < 0)
        return r;
    r = type == '[' ? array(u, to) : object(u, to);
    u->depth--;
    if (r < 0)
        json_decref(to);
    else
        *ret = to;
    return r;
}

static int value(struct ubj *u, char type, json_t **ret)
{
    int64_t i;
    int r = spend(u, VALUE_COST);
    if (r < 0)
        return r;
    switch (type) {
    case 'Z':
        return made(u, json_null(), ret);
    case 'T':
    case 'F':
        return made(u, json_boolean(type == 'T'), ret);
    case 'd':
    case 'D':
        return real(u, type, ret);
    case 'S':
    case 'H':
        return text(u, ret);
    case 'C':
        return character(u, ret);
    case '[':
    case '{':
        return container(u, type, ret);
    default:
        if (!integer_bytes(type))
            return bad(u, "an unknown type");
        return (r = integer(u, type, &i)) < 0 ? r : made(u, json_integer(i), ret);
    }
}

int ubj_parse(const struct input *in, const char *p, size_t n, json_t **ret)
{
    struct ubj u = {.in = in, .p = p, .n = n, .cost = n};
    json_t *v;
    int r = item(&u, 0, &v);
    if (r < 0)
        return r;
    if (peek(&u) >= 0) {
        r = bad(&u, "bytes after the value");
        json_decref(v);
        return r;
    }
    *ret = v;
    return 0;
}
