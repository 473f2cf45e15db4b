/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/canon.h"
#include "store/base/fail.h"
#include "store/base/utf8.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* jansson's own depth limit is a compile-time 2048; a smaller one is a scan over the brackets outside
 * strings. */
static int depth_exceeds(const char *p, size_t n, int depth, size_t *ret_at)
{
    int d = 0, in_string = 0;
    for (size_t i = 0; i < n; i++) {
        char c = p[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = 0;
        } else if (c == '"') {
            in_string = 1;
        } else if (c == '[' || c == '{') {
            if (++d > depth) {
                *ret_at = i;
                return 1;
            }
        } else if (c == ']' || c == '}') {
            d--;
        }
    }
    return 0;
}

/* Reals that are integers below 2^53 become integers again; takes v. */
static json_t *integers(json_t *v)
{
    const char *key;
    json_t *item;
    void *next;
    double x = json_real_value(v); /* 0 of anything else */
    if (json_is_real(v) && x == trunc(x) && fabs(x) <= 9007199254740992.0 &&
        (item = json_integer((json_int_t)x))) {
        json_decref(v);
        return item;
    }
    for (size_t i = 0; i < json_array_size(v); i++)
        json_array_set_new(v, i, integers(json_incref(json_array_get(v, i))));
    json_object_foreach_safe(v, next, key, item) json_object_set_new(v, key, integers(json_incref(item)));
    return v;
}

int canon_parse(const char *what, const char *p, size_t n, int depth, json_t **ret)
{
    size_t at;
    if (depth_exceeds(p, n, depth, &at))
        return fail(-EBADMSG, "%s: JSON nested deeper than %d levels (byte %zu)", what, depth, at);
    json_error_t e;
    json_t *v = json_loadb(p, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    if (!v && json_error_code(&e) == json_error_numeric_overflow) {
        v = json_loadb(p, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &e);
        v = v ? integers(v) : NULL;
    }
    if (!v)
        return fail(-EBADMSG, "%s: JSON: %s (byte %d)", what, e.text, e.position);
    *ret = v;
    return 0;
}

/* ECMA-262 Number::toString: the shortest digits that read back as x, laid out plainly for exponents -7..20.
 */
static void number(struct out *o, double x)
{
    if (x == 0) {
        out_char(o, '0');
        return;
    }
    char buf[40];
    int prec = 1;
    for (; prec <= 17; prec++) {
        snprintf(buf, sizeof buf, "%.*e", prec - 1, x);
        if (strtod(buf, NULL) == x)
            break;
    }
    char digits[24];
    size_t k = 0;
    const char *e = strchr(buf, 'e');
    for (const char *c = buf; c < e; c++)
        if (*c >= '0' && *c <= '9')
            digits[k++] = *c;
    while (k > 1 && digits[k - 1] == '0')
        k--;
    int n = atoi(e + 1) + 1; /* the decimal point stands after n digits */
    if (x < 0)
        out_char(o, '-');
    if ((int)k <= n && n <= 21) {
        out_write(o, digits, k);
        for (int i = (int)k; i < n; i++)
            out_char(o, '0');
    } else if (0 < n && n <= 21) {
        out_write(o, digits, (size_t)n);
        out_char(o, '.');
        out_write(o, digits + n, k - (size_t)n);
    } else if (-6 < n && n <= 0) {
        out_str(o, "0.");
        for (int i = n; i < 0; i++)
            out_char(o, '0');
        out_write(o, digits, k);
    } else {
        out_char(o, digits[0]);
        if (k > 1) {
            out_char(o, '.');
            out_write(o, digits + 1, k - 1);
        }
        out_printf(o, "e%c%d", n - 1 < 0 ? '-' : '+', abs(n - 1));
    }
}

static void string(struct out *o, const char *s, size_t n)
{
    out_char(o, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        const char *two = c == '"'    ? "\\\""
                          : c == '\\' ? "\\\\"
                          : c == '\b' ? "\\b"
                          : c == '\f' ? "\\f"
                          : c == '\n' ? "\\n"
                          : c == '\r' ? "\\r"
                          : c == '\t' ? "\\t"
                                      : NULL;
        if (two)
            out_str(o, two);
        else if (c < 0x20)
            out_printf(o, "\\u%04x", c);
        else
            out_char(o, (char)c);
    }
    out_char(o, '"');
}

/* UTF-16 order differs from UTF-8's only where a code point past U+FFFF meets one in U+E000..U+FFFF. */
static int by_utf16(const void *a, const void *b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    while (*x && *x == *y)
        x++, y++;
    unsigned char u = (unsigned char)*x, v = (unsigned char)*y;
    if (u >= 0xee && v >= 0xee && (u >= 0xf0) != (v >= 0xf0))
        return u >= 0xf0 ? -1 : 1;
    return (int)u - (int)v;
}

static void object(const json_t *v, struct out *o)
{
    size_t n = json_object_size(v), i = 0;
    const char **keys = calloc(n ? n : 1, sizeof *keys);
    if (!keys) {
        o->err = -ENOMEM;
        return;
    }
    const char *key;
    json_t *item;
    json_object_foreach((json_t *)v, key, item) keys[i++] = key;
    qsort(keys, n, sizeof *keys, by_utf16);
    out_char(o, '{');
    for (i = 0; i < n; i++) {
        if (i)
            out_char(o, ',');
        string(o, keys[i], strlen(keys[i]));
        out_char(o, ':');
        canon_format(json_object_get(v, keys[i]), o);
    }
    out_char(o, '}');
    free(keys);
}

void canon_format(const json_t *v, struct out *o)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        object(v, o);
        break;
    case JSON_ARRAY:
        out_char(o, '[');
        for (size_t i = 0; i < json_array_size(v); i++) {
            if (i)
                out_char(o, ',');
            canon_format(json_array_get(v, i), o);
        }
        out_char(o, ']');
        break;
    case JSON_STRING:
        string(o, json_string_value(v), json_string_length(v));
        break;
    case JSON_INTEGER: /* RFC 8785 knows doubles only: past 2^53 the value is rounded as there */
        number(o, (double)json_integer_value(v));
        break;
    case JSON_REAL:
        number(o, json_real_value(v));
        break;
    case JSON_TRUE:
        out_str(o, "true");
        break;
    case JSON_FALSE:
        out_str(o, "false");
        break;
    case JSON_NULL:
        out_str(o, "null");
        break;
    }
}

int canon_digest(const json_t *v, struct digest *ret)
{
    struct out o = {0};
    canon_format(v, &o);
    if (!o.err)
        hash_sha256(o.p, o.n, ret);
    int err = o.err;
    out_fini(&o);
    return err;
}
