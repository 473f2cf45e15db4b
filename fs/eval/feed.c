/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/feed.h"
#include "fs/eval/array.h"
#include "store/base/fail.h"
#include <assert.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

void feed_port_text(const struct feed_port *p, struct out *o)
{
    out_printf(o, "\"%s\" %s [", p->name, p->dtype == DTYPE_NONE ? "string" : dtype_name(p->dtype));
    for (uint32_t i = 0; i < p->rank; i++) {
        if (i)
            out_char(o, ',');
        if (p->shape[i] < 0)
            out_char(o, '?');
        else
            out_printf(o, "%lld", (long long)p->shape[i]);
    }
    out_char(o, ']');
}

/* A key may itself hold dots, so the whole path is tried as one first. */
static const json_t *descend(const json_t *v, const char *path)
{
    const json_t *direct = json_object_get(v, path);
    if (direct)
        return direct;
    const char *dot = strchr(path, '.');
    if (!dot || !json_is_object(v))
        return NULL;
    char key[256];
    size_t n = (size_t)(dot - path);
    if (n >= sizeof key)
        return NULL;
    memcpy(key, path, n);
    key[n] = 0;
    return descend(json_object_get(v, key), dot + 1);
}

const json_t *feed_field(const json_t *input, const char *path)
{
    const json_t *v = descend(input, path);
    return !v && !strncmp(path, "input.", 6) ? descend(input, path + 6) : v;
}

/* round to nearest even; too large becomes infinite */
static uint16_t half(float x)
{
    uint32_t u;
    memcpy(&u, &x, 4);
    uint32_t sign = u >> 16 & 0x8000, mag = u & 0x7fffffff;
    if (mag > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (mag >= 0x477ff000)
        return (uint16_t)(sign | 0x7c00);
    if (mag < 0x38800000) { /* subnormal: let the adder round */
        float f;
        memcpy(&f, &mag, 4);
        f += 0.5f;
        memcpy(&mag, &f, 4);
        return (uint16_t)(sign | (mag - 0x3f000000));
    }
    return (uint16_t)(sign | ((mag - 0x38000000 + 0xfff + (mag >> 13 & 1)) >> 13));
}

struct integer_range {
    int64_t lo;
    double hi;
};

static struct integer_range range(enum dtype t)
{
    switch (t) {
    case DTYPE_BOOL:
        return (struct integer_range){0, 1};
    case DTYPE_U8:
        return (struct integer_range){0, UINT8_MAX};
    case DTYPE_I8:
        return (struct integer_range){INT8_MIN, INT8_MAX};
    case DTYPE_U16:
        return (struct integer_range){0, UINT16_MAX};
    case DTYPE_I16:
        return (struct integer_range){INT16_MIN, INT16_MAX};
    case DTYPE_U32:
        return (struct integer_range){0, UINT32_MAX};
    case DTYPE_I32:
        return (struct integer_range){INT32_MIN, INT32_MAX};
    default: /* rows hold integers up to 2^53 */
        return (struct integer_range){t == DTYPE_U64 ? 0 : -(1LL << 53), 9007199254740992.0};
    }
}

static const char *json_kind(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a text";
    case JSON_NULL:
        return "null";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true/false";
    default:
        return "a number";
    }
}

/* One number into element i of data. */
static int put_number(double x, const struct feed_port *port, void *data, size_t i)
{
    if (port->dtype == DTYPE_F64) {
        ((double *)data)[i] = x;
        return 0;
    }
    if (port->dtype == DTYPE_F32 || port->dtype == DTYPE_F16) {
        if (fabs(x) > (port->dtype == DTYPE_F32 ? (double)FLT_MAX : 65504))
            return fail(-EINVAL, "input \"%s\": %.9g does not fit %s", port->name, x,
                        dtype_name(port->dtype));
        if (port->dtype == DTYPE_F32)
            ((float *)data)[i] = (float)x;
        else
            ((uint16_t *)data)[i] = half((float)x);
        return 0;
    }
    struct integer_range r = range(port->dtype);
    if (x != floor(x) || x < (double)r.lo || x > r.hi)
        return fail(-EINVAL, "input \"%s\": %.9g does not fit %s", port->name, x, dtype_name(port->dtype));
    int64_t n = (int64_t)x;
    memcpy((char *)data + i * dtype_size(port->dtype), &n, dtype_size(port->dtype)); /* little-endian */
    return 0;
}

static int put(const json_t *v, const struct feed_port *port, int nan_ok, void *data, size_t i)
{
    double x = json_is_boolean(v) ? json_is_true(v) : json_is_null(v) ? NAN : json_number_value(v);
    int number = json_is_number(v) || json_is_boolean(v) || (json_is_null(v) && nan_ok);
    if (!number)
        return fail(-EINVAL, "input \"%s\": %s where a number is needed", port->name,
                    json_is_null(v) ? "null (a missing value)" : json_kind(v));
    return put_number(x, port, data, i);
}

static int fill(const json_t *v, const struct feed_port *port, int nan_ok, struct feed_value *ret, size_t *at)
{
    if (json_is_array(v)) {
        size_t i;
        json_t *item;
        json_array_foreach(v, i, item)
        {
            int err = fill(item, port, nan_ok, ret, at);
            if (err)
                return err;
        }
        return 0;
    }
    size_t i = (*at)++;
    if (port->dtype != DTYPE_NONE)
        return put(v, port, nan_ok, ret->data, i);
    if (!json_is_string(v))
        return fail(-EINVAL, "input \"%s\": %s where a text is needed", port->name, json_kind(v));
    ((const char **)ret->data)[i] = json_string_value(v);
    return 0;
}

/* The shape of nested lists, each level of one length. */
static int shape_of(const json_t *v, const struct feed_port *port, uint32_t depth, struct feed_value *ret,
                    int known)
{
    if (!json_is_array(v)) {
        if (known && depth != ret->rank)
            return fail(-EINVAL, "input \"%s\": lists of unequal depth", port->name);
        ret->rank = depth;
        return 0;
    }
    size_t n = json_array_size(v);
    if (depth >= FEED_MAX_RANK)
        return fail(-EINVAL, "input \"%s\": lists nested deeper than %d", port->name, FEED_MAX_RANK);
    if (known && (depth >= ret->rank || ret->shape[depth] != n))
        return fail(-EINVAL, "input \"%s\": lists of unequal length", port->name);
    ret->shape[depth] = n;
    if (!known && n == 0) {
        ret->rank = depth + 1;
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        int err = shape_of(json_array_get(v, i), port, depth + 1, ret, known || i > 0);
        if (err)
            return err;
    }
    return 0;
}

static int misfit(const struct feed_port *port, int batch, const struct feed_value *v)
{
    struct out o = {0}, got = {0};
    struct feed_port row = *port;
    row.rank -= (uint32_t)batch;
    for (uint32_t i = 0; i < row.rank; i++)
        row.shape[i] = port->shape[i + (uint32_t)batch];
    feed_port_text(&row, &o);
    for (uint32_t i = 0; i < v->rank; i++)
        out_printf(&got, "%s%llu", i ? "," : "", (unsigned long long)v->shape[i]);
    int err = fail(-EINVAL, "input %s: the row's value has shape [%s]", out_cstr(&o), out_cstr(&got));
    out_fini(&o);
    out_fini(&got);
    return err;
}

/* The value's shape against the port's: equal; or the right count for a fixed one, whose shape it takes then.
 */
static int fit(const struct feed_port *port, int batch, struct feed_value *v)
{
    const int64_t *want = port->shape + batch;
    uint32_t rank = port->rank - (uint32_t)batch;
    uint64_t count = 1, have = 1;
    int fixed = 1, equal = rank == v->rank;
    for (uint32_t i = 0; i < rank; i++) {
        fixed &= want[i] >= 0;
        if (want[i] >= 0 && __builtin_mul_overflow(count, (uint64_t)want[i], &count))
            return misfit(port, batch, v);
        equal &= i < v->rank && (want[i] < 0 || (uint64_t)want[i] == v->shape[i]);
    }
    for (uint32_t i = 0; i < v->rank; i++)
        if (__builtin_mul_overflow(have, v->shape[i], &have))
            return misfit(port, batch, v);
    if (!equal && !(fixed && v->rank <= 1 && have == count))
        return misfit(port, batch, v);
    if (!equal)
        for (uint32_t i = 0; i < rank; i++)
            v->shape[i] = (uint64_t)want[i];
    v->rank = rank;
    v->count = have;
    return 0;
}

static const struct spec_input *entry_for(const struct spec_model *m, const char *name)
{
    for (size_t i = 0; m && i < m->ninputs; i++)
        if (!strcmp(m->inputs[i].name, name))
            return &m->inputs[i];
    return NULL;
}

static int absent(const struct feed_port *port, const char *field)
{
    return fail(-EINVAL, "input \"%s\": the row has no \"%s\" (spec: models.inputs)", port->name, field);
}

/* Where the value is. It is only borrowed, its reference count left alone: threads share rows. */
static const json_t *find(const json_t *input, const struct spec_input *in, const struct feed_port *port,
                          int only)
{
    const json_t *v = feed_field(input, in ? in->fields[0] : port->name);
    if (v || in || !only)
        return v;
    if ((v = json_object_get(input, "x")))
        return v;
    if (json_object_size(input) == 1)
        return json_object_iter_value(json_object_iter((json_t *)input));
    return json_is_object(input) ? NULL : input;
}

static int allocate(const struct feed_port *port, struct feed_value *r)
{
    size_t each = port->dtype == DTYPE_NONE ? sizeof(char *) : dtype_size(port->dtype), bytes;
    if (__builtin_mul_overflow(r->count, each, &bytes) || !(r->data = malloc(bytes ? bytes : 1)))
        return -ENOMEM;
    return 0;
}

/* Several fields side by side, each one number (or text). */
static int stack(const json_t *input, const struct spec_input *in, const struct feed_port *port, int batch,
                 int nan_ok, struct feed_value *r)
{
    size_t at = 0;
    *r = (struct feed_value){.rank = 1, .shape = {in->nfields}};
    int err = fit(port, batch, r);
    if (!err)
        err = allocate(port, r);
    for (size_t i = 0; !err && i < in->nfields; i++) {
        const json_t *v = feed_field(input, in->fields[i]);
        if (!v)
            err = absent(port, in->fields[i]);
        else if (json_is_array(v))
            err = fail(-EINVAL, "input \"%s\": \"%s\" is a list", port->name, in->fields[i]);
        else
            err = fill(v, port, nan_ok, r, &at);
    }
    return err;
}

static_assert((int)ARRAY_MAX_RANK == (int)FEED_MAX_RANK, "an array is a value");

/* The bytes of a NumPy file stand where the array would (inputs.h). */
static int from_file(const json_t *v, const struct feed_port *port, int batch, int nan_ok,
                     struct feed_value *r)
{
    struct array a;
    int err = array_parse(json_string_value(v), json_string_length(v), &a);
    if (err)
        return err;
    if (port->dtype == DTYPE_NONE)
        return fail(-EINVAL, "input \"%s\": an array where a text is needed", port->name);
    *r = (struct feed_value){.rank = a.rank};
    memcpy(r->shape, a.shape, sizeof r->shape);
    if (!(err = fit(port, batch, r)))
        err = allocate(port, r);
    for (uint64_t i = 0; !err && i < a.count; i++) {
        double x = array_number(&a, i);
        err = isfinite(x) || (isnan(x) && nan_ok) ? put_number(x, port, r->data, i)
                                                  : fail(-EINVAL, "input \"%s\": element %llu is not finite",
                                                         port->name, (unsigned long long)i);
    }
    return err;
}

static int single(const json_t *input, const struct spec_input *in, const struct feed_port *port, int only,
                  int batch, int nan_ok, struct feed_value *r)
{
    size_t at = 0;
    const json_t *v = find(input, in, port, only);
    if (json_is_string(v) && array_is(json_string_value(v), json_string_length(v)))
        return from_file(v, port, batch, nan_ok, r);
    int err = v ? shape_of(v, port, 0, r, 0) : absent(port, in ? in->fields[0] : port->name);
    if (!err)
        err = fit(port, batch, r);
    if (!err)
        err = allocate(port, r);
    return err ? err : fill(v, port, nan_ok, r, &at);
}

int feed_convert(const json_t *input, const struct spec_model *m, const struct feed_port *port, int only,
                 int batch, int nan_ok, struct feed_value *ret)
{
    const struct spec_input *in = entry_for(m, port->name);
    struct feed_value r = {0};
    int err = in && in->stacked ? stack(input, in, port, batch, nan_ok, &r)
                                : single(input, in, port, only, batch, nan_ok, &r);
    if (err)
        free(r.data);
    else
        *ret = r;
    return err;
}
