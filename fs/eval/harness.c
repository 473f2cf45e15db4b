/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/harness.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int harness_is_sample(const json_t *line)
{
    return json_object_get(line, "filtered_resps") && !json_object_get(line, "prediction");
}

/* The text of ["text"] and [["text"]]; NULL: it is something else. */
static const char *generated(const json_t *resps)
{
    const json_t *v = resps;
    for (int depth = 0; depth < 2 && json_is_array(v) && json_array_size(v) == 1; depth++)
        v = json_array_get(v, 0);
    return json_string_value(v);
}

static json_t *trimmed(const char *s)
{
    s += strspn(s, " \t\r\n");
    size_t n = strlen(s);
    while (n && strchr(" \t\r\n", s[n - 1]))
        n--;
    return json_stringn(s, n);
}

/* [log likelihood, is greedy]; either may have been written as text. */
static int likelihood(const json_t *pair, double *ret)
{
    const json_t *v = json_array_get(pair, 0);
    const char *s = json_string_value(v);
    char *end = NULL;
    *ret = s ? strtod(s, &end) : json_number_value(v);
    return (s ? *s && !*end : json_is_number(v)) && isfinite(*ret);
}

static int choices(const json_t *resps, json_t *o)
{
    size_t n = json_array_size(resps), best = 0;
    double top = -INFINITY, sum = 0, x;
    for (size_t i = 0; i < n; i++) {
        if (!likelihood(json_array_get(resps, i), &x))
            return fail(-EINVAL, "filtered_resps: neither a text nor a log likelihood for each choice");
        if (x > top) {
            top = x;
            best = i;
        }
    }
    for (size_t i = 0; i < n; i++) {
        likelihood(json_array_get(resps, i), &x);
        sum += exp(x - top);
    }
    int err = json_object_set_new(o, "prediction", json_integer((json_int_t)best));
    for (size_t i = 0; !err && i < n; i++) {
        char key[32];
        snprintf(key, sizeof key, "p_%zu", i);
        likelihood(json_array_get(resps, i), &x);
        err = json_object_set_new(o, key, json_real(exp(x - top) / sum));
    }
    return err ? -ENOMEM : 0;
}

int harness_convert(const json_t *line, json_t **ret)
{
    json_t *id = json_object_get(line, "doc_id"), *o = json_object();
    const json_t *resps = json_object_get(line, "filtered_resps");
    const char *text = generated(resps);
    int err = o ? 0 : -ENOMEM;
    if (!err && !json_is_string(id) && !json_is_integer(id))
        err = fail(-EINVAL, "doc_id: is missing");
    if (!err && json_object_set(o, "id", id))
        err = -ENOMEM;
    if (!err && text)
        err = json_object_set_new(o, "prediction", trimmed(text)) ? -ENOMEM : 0;
    else if (!err && json_array_size(resps) < 2)
        err = fail(-EINVAL, "filtered_resps: neither a text nor a log likelihood for each choice");
    else if (!err)
        err = choices(resps, o);
    if (err)
        json_decref(o);
    else
        *ret = o;
    return err;
}
