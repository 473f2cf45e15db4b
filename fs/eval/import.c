/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/import.h"
#include "fs/eval/harness.h"
#include "fs/eval/view.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

struct batch {
    struct stored_prediction *p; /* (n) the bytes are in the arena */
    size_t n;
    struct arena arena;
};

static int probability(const char *key, const json_t *v)
{
    double x = json_number_value(v);
    return json_is_number(v) && x >= 0 && x <= 1 ? 0
                                                 : fail(-EINVAL, "%.60s: must be a probability, 0 to 1", key);
}

/* What is kept of a line: {"p":{label:…},"prediction":…} or {"confidence":…,"prediction":…}. */
static int shorten(const json_t *line, json_t **ret)
{
    json_t *prediction = json_object_get(line, "prediction"), *one = json_object_get(line, "probability"), *v;
    const char *key;
    if (!json_is_string(prediction) && !json_is_number(prediction) && !json_is_boolean(prediction))
        return fail(-EINVAL, "prediction: must be text, a number or true/false");
    json_t *o = json_pack("{s:O}", "prediction", prediction), *p = json_object();
    int err = 0;
    json_object_foreach((json_t *)line, key, v)
    {
        if (err || strncmp(key, "p_", 2) != 0)
            continue;
        if (!(err = probability(key, v)) && json_object_set(p, key + 2, v))
            err = -ENOMEM;
    }
    if (!err && one && !(err = probability("probability", one)) && json_object_set(o, "confidence", one))
        err = -ENOMEM;
    if (!err && json_object_size(p) && json_object_set(o, "p", p))
        err = -ENOMEM;
    json_decref(p);
    if (err)
        json_decref(o);
    else
        *ret = o;
    return err;
}

static int keep(struct batch *b, const struct row *row, const json_t *o)
{
    struct out text = {0};
    out_char(&text, ANSWERS_IMPORT);
    canon_format(o, &text);
    char *copy = out_error(&text) ? NULL : arena_strndup(&b->arena, text.p, text.n);
    if (copy)
        b->p[b->n++] = (struct stored_prediction){row->input_digest, copy, text.n};
    out_fini(&text);
    return copy ? 0 : fail(-ENOMEM, "out of memory");
}

static int one_line(struct batch *b, const struct eval_set *set, const char *p, size_t n)
{
    json_t *line, *o = NULL;
    char number[32];
    int err = canon_parse("prediction", p, n, ROW_MAX_DEPTH, &line);
    if (err)
        return err;
    if (harness_is_sample(line)) {
        err = harness_convert(line, &o);
        json_decref(line);
        if (err)
            return err;
        line = o;
        o = NULL;
    }
    const json_t *v = json_object_get(line, "id");
    const char *id = json_string_value(v);
    if (json_is_integer(v)) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
        id = number;
    }
    const struct row *row = id ? view_find(set, id) : NULL;
    if (!row)
        err = id ? fail(-EINVAL, "id: no row of the set is \"%.60s\"", id) : fail(-EINVAL, "id: is missing");
    if (!err && (err = shorten(line, &o)) == 0) {
        err = keep(b, row, o);
        json_decref(o);
    }
    json_decref(line);
    return err;
}

static int all_lines(struct batch *b, const struct eval_set *set, const char *p, size_t n,
                     struct eval_added *ret)
{
    size_t number = 0;
    for (const char *end = p + n; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end;
        size_t blank = strspn(p, " \t\r");
        number++;
        if (p + (blank < (size_t)(stop - p) ? blank : (size_t)(stop - p)) < stop) {
            int err = one_line(b, set, p, (size_t)(stop - p));
            if (err == -ENOMEM)
                return err;
            if (err && !ret->rejected++)
                snprintf(ret->first_error, sizeof ret->first_error, "line %zu: %.220s", number, fail_text());
            ret->kept += !err;
        }
        p = nl ? nl + 1 : end;
    }
    return ret->kept ? 0
                     : fail(-EINVAL, "%s", ret->first_error[0] ? ret->first_error : "no predictions in it");
}

static int store(struct results *r, struct store *s, const struct batch *b, const struct eval_writer *w,
                 const struct version *v, const struct eval_added *added)
{
    struct digest run;
    struct answers *a = NULL;
    char hex[HASH_HEX];
    hash_hex(&v->digest, hex);
    results_import_run(v, &run);
    json_t *about = json_pack("{s:s s:s}", "engine", "imported", "version", hex);
    json_t *event = json_pack("{s:s s:I s:I s:I s:I}", "version", hex, "number", (json_int_t)v->number,
                              "kept", (json_int_t)added->kept, "rejected", (json_int_t)added->rejected, "uid",
                              (json_int_t)w->uid);
    if (event && w->name)
        json_object_set_new(event, "by", json_string(w->name));
    char *text = event ? json_dumps(event, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    int err = about && text ? runs_get(results_runs(r), &run, &a) : fail(-ENOMEM, "out of memory");
    if (!err)
        err = answers_set_about(a, about);
    if (!err)
        err = answers_put(a, b->p, b->n, 1);
    if (!err)
        err = rows_write(s, NULL, 0, "import", text);
    runs_put(results_runs(r), a);
    json_decref(about);
    json_decref(event);
    free(text);
    return err;
}

int import_lines(struct results *r, struct store *s, const struct eval_set *set, const struct eval_writer *w,
                 const struct version *v, const char *p, size_t n, struct eval_added *ret)
{
    struct eval_added added = {0};
    struct batch b = {0};
    size_t lines = 1;
    for (size_t i = 0; i < n; i++)
        lines += p[i] == '\n';
    b.p = calloc(lines, sizeof *b.p);
    int err = b.p ? all_lines(&b, set, p, n, &added) : fail(-ENOMEM, "out of memory");
    if (!err)
        err = store(r, s, &b, w, v, &added);
    if (!err || added.rejected)
        *ret = added;
    arena_fini(&b.arena);
    free(b.p);
    return err;
}
