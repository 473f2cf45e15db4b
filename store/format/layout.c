/* SPDX-License-Identifier: Apache-2.0 */
#include "store/format/layout.h"
#include "store/base/canon.h"
#include "store/base/fail.h"
#include "store/base/utf8.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int layout_nomem(const struct input *in)
{
    return fail(-ENOMEM, "%s: out of memory", in->name);
}

/* A long one before a short one at the same place, so that the short one is the view. */
static int by_extent(const void *a, const void *b)
{
    const struct tensor *x = a, *y = b;
    if (x->off != y->off)
        return x->off < y->off ? -1 : 1;
    if (x->len != y->len)
        return x->len > y->len ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int by_place(const void *a, const void *b)
{
    const struct tensor *x = a, *y = b;
    return x->off != y->off ? (x->off < y->off ? -1 : 1) : strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

/* Marks who is a segment (bytes of its own, of a type that is known) and counts the segments, or (with
 * segments) writes them down. */
static size_t cut(struct tensor *t, size_t n, uint64_t size, struct segment *s)
{
    uint64_t pos = 0;
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (t[i].flags & (TENSOR_STRIDED | TENSOR_EXTERNAL | TENSOR_INLINE))
            continue;
        if (t[i].len == 0 || t[i].off < pos || dtype_size(t[i].dtype) == 0) {
            t[i].flags |= TENSOR_VIEW;
            continue;
        }
        if (t[i].off > pos && s)
            s[k] = (struct segment){pos, t[i].off - pos, UINT32_MAX};
        k += t[i].off > pos;
        if (s)
            s[k] = (struct segment){t[i].off, t[i].len, UINT32_MAX};
        t[i].flags |= TENSOR_SEGMENT;
        t[i].segment = (uint32_t)k++;
        pos = t[i].off + t[i].len;
    }
    if (pos < size && s)
        s[k] = (struct segment){pos, size - pos, UINT32_MAX};
    return k + (pos < size);
}

int layout_finish(const struct input *in, struct arena *a, const struct out *list, struct layout *ret)
{
    if (list->err)
        return layout_nomem(in);
    size_t n = list->n / sizeof(struct tensor);
    if (n > FORMAT_MAX_TENSORS)
        return fail(-EBADMSG, "%s: more than %u tensors", in->name, FORMAT_MAX_TENSORS);
    struct tensor *t = arena_array(a, n, sizeof *t);
    if (!t)
        return layout_nomem(in);
    if (n)
        memcpy(t, list->p, list->n);
    for (size_t i = 0; i < n; i++)
        if (!(t[i].flags & TENSOR_EXTERNAL) && (t[i].off > in->size || t[i].len > in->size - t[i].off))
            return fail(-EBADMSG, "%s: tensor \"%s\": bytes %llu to %llu are past the end", in->name,
                        t[i].name, (unsigned long long)t[i].off, (unsigned long long)(t[i].off + t[i].len));
    qsort(t, n, sizeof *t, by_name);
    for (size_t i = 1; i < n; i++)
        if (strcmp(t[i - 1].name, t[i].name) == 0)
            return fail(-EBADMSG, "%s: two tensors are named \"%s\"", in->name, t[i].name);
    qsort(t, n, sizeof *t, by_extent);
    ret->nsegments = cut(t, n, in->size, NULL);
    if (!(ret->segments = arena_array(a, ret->nsegments, sizeof *ret->segments)))
        return layout_nomem(in);
    cut(t, n, in->size, ret->segments);
    qsort(t, n, sizeof *t, by_place);
    for (size_t i = 0; i < n; i++)
        if (t[i].flags & TENSOR_SEGMENT)
            ret->segments[t[i].segment].tensor = (uint32_t)i;
    ret->tensors = t;
    ret->ntensors = n;
    return 0;
}

int layout_opaque(const struct input *in, struct arena *a, struct layout *ret)
{
    static const struct out none;
    ret->structure = NULL;
    ret->structure_len = 0;
    return layout_finish(in, a, &none, ret);
}

int layout_count(const struct input *in, const char *name, const uint64_t *shape, uint32_t rank,
                 uint64_t *ret_count)
{
    uint64_t count = 1, nonzero = 1; /* a zero must not hide that the others overflow */
    for (uint32_t i = 0; i < rank; i++) {
        count *= shape[i];
        if (__builtin_mul_overflow(nonzero, shape[i] ? shape[i] : 1, &nonzero) || nonzero > INT64_MAX)
            return fail(-EBADMSG, "%s: tensor \"%s\": the product of its shape exceeds 63 bits", in->name,
                        name);
    }
    *ret_count = count;
    return 0;
}

int layout_structure(struct arena *a, struct out *o, struct layout *ret)
{
    const char *s = out_cstr(o);
    if (out_error(o))
        return fail(-ENOMEM, "out of memory");
    if (!(ret->structure = arena_strndup(a, s, o->n)))
        return fail(-ENOMEM, "out of memory");
    ret->structure_len = o->n;
    return 0;
}

void layout_string(struct out *o, const char *s, size_t n)
{
    out_char(o, '"');
    for (size_t i = 0, k; i < n; i += k) {
        uint32_t c = 0;
        k = utf8_next(s + i, n - i, &c);
        if (k == 0 || c == 0) { /* a NUL is valid JSON, but no string of C's */
            out_str(o, "\xef\xbf\xbd");
            k = 1;
        } else if (c == '"' || c == '\\') {
            out_char(o, '\\');
            out_char(o, (char)c);
        } else if (c < 0x20) {
            out_printf(o, "\\u%04x", c);
        } else {
            out_write(o, s + i, k);
        }
    }
    out_char(o, '"');
}

void layout_number(struct out *o, double x)
{
    char buf[40];
    if (!isfinite(x)) {
        out_str(o, "null");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(buf, sizeof buf, "%.*g", digits, x);
        if (strtod(buf, NULL) == x)
            break;
    }
    out_str(o, buf);
}

static void members(struct out *o, const json_t *v)
{
    const char *key, *comma = "";
    json_t *item;
    json_object_foreach((json_t *)v, key, item)
    {
        out_str(o, comma);
        layout_string(o, key, strlen(key));
        out_char(o, ':');
        layout_value(o, item);
        comma = ",";
    }
}

void layout_value(struct out *o, const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        out_char(o, '{');
        members(o, v);
        out_char(o, '}');
        break;
    case JSON_ARRAY:
        out_char(o, '[');
        for (size_t i = 0; i < json_array_size(v); i++) {
            if (i)
                out_char(o, ',');
            layout_value(o, json_array_get(v, i));
        }
        out_char(o, ']');
        break;
    case JSON_STRING:
        layout_string(o, json_string_value(v), json_string_length(v));
        break;
    case JSON_INTEGER:
        out_printf(o, "%lld", (long long)json_integer_value(v));
        break;
    case JSON_REAL:
        layout_number(o, json_real_value(v));
        break;
    default:
        out_str(o, json_is_null(v) ? "null" : json_is_true(v) ? "true" : "false");
    }
}

/* What jansson 2.14 takes from malloc for each: an object and its first buckets, an array and its first
 * table, a key with its hash entry, a value in a table that doubles. */
static size_t json_cost(char c)
{
    return c == '{' ? 208 : c == '[' ? 112 : c == ':' ? 72 : c == ',' ? 48 : 0;
}

int layout_json(const struct input *in, const char *p, size_t n, json_t **ret)
{
    size_t cost = n;
    int in_string = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '"')
            in_string = !in_string;
        else if (in_string)
            i += p[i] == '\\';
        else
            cost += json_cost(p[i]);
    }
    if (cost > FORMAT_MAX_MEMORY)
        return fail(-EBADMSG, "%s: JSON of %zu bytes needs more than %u MiB to be read", in->name, n,
                    FORMAT_MAX_MEMORY >> 20);
    return canon_parse(in->name, p, n, FORMAT_MAX_DEPTH, ret);
}
