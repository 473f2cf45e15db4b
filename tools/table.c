/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/table.h"
#include "store/base/canon.h"
#include "store/base/fail.h"
#include "tools/input_file.h"
#include "tools/request.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 4096

struct table {
    const char *name;
    const char *p, *end;
    unsigned long line;   /* where the record at hand begins, from 1 */
    unsigned long lines;  /* read so far */
    struct out text;      /* the cells of the record, each NUL-terminated */
    size_t cell[COLUMNS]; /* (n) their offsets in text */
    size_t n;
    char *head[COLUMNS]; /* (ncolumns) owned */
    size_t ncolumns;
};

static int bad(const struct table *t, const char *what)
{
    return fail(-EINVAL, "%s: line %lu: %s", t->name, t->line, what);
}

static const char *cell(const struct table *t, size_t i)
{
    return t->text.p + t->cell[i];
}

static int quoted(struct table *t)
{
    for (t->p++; t->p < t->end; t->p++) {
        if (*t->p == '"' && (t->p + 1 == t->end || t->p[1] != '"')) {
            t->p++;
            return 0;
        }
        t->p += *t->p == '"';
        t->lines += *t->p == '\n';
        out_char(&t->text, *t->p);
    }
    return bad(t, "a quote has no end");
}

static int at_end(const struct table *t)
{
    return t->p == t->end || *t->p == '\n' || (*t->p == '\r' && t->p + 1 < t->end && t->p[1] == '\n');
}

/* 1: a record, 0: the end. Empty lines are passed over. */
static int next(struct table *t)
{
    while (t->p < t->end && at_end(t)) {
        t->lines += *t->p == '\n';
        t->p++;
    }
    out_reset(&t->text);
    t->n = 0;
    t->line = t->lines + 1;
    if (t->p == t->end)
        return 0;
    for (;;) {
        if (t->n == COLUMNS)
            return bad(t, "more than 4096 cells");
        t->cell[t->n++] = t->text.n;
        if (t->p < t->end && *t->p == '"') {
            int err = quoted(t);
            if (err < 0)
                return err;
        } else {
            while (!at_end(t) && *t->p != ',')
                out_char(&t->text, *t->p++);
        }
        out_char(&t->text, 0);
        if (at_end(t))
            return out_error(&t->text) ? -ENOMEM : 1;
        if (*t->p++ != ',')
            return bad(t, "text after a closing quote");
    }
}

static int read_head(struct table *t)
{
    if (t->end - t->p >= 3 && memcmp(t->p, "\xef\xbb\xbf", 3) == 0)
        t->p += 3;
    int err = next(t);
    if (err <= 0)
        return err < 0 ? err : fail(-EINVAL, "%s: no header line", t->name);
    for (size_t i = 0; i < t->n; i++) {
        for (size_t k = 0; k < i; k++)
            if (strcmp(cell(t, i), cell(t, k)) == 0)
                return fail(-EINVAL, "%s: column \"%s\" twice", t->name, cell(t, i));
        if (!(t->head[i] = strdup(cell(t, i))))
            return -ENOMEM;
        t->ncolumns++;
    }
    return 0;
}

/* ---- cells ---- */

/* The grammar of a JSON number: what it takes is never ambiguous ("007" and "1e" are text). */
static int is_number(const char *s)
{
    s += *s == '-';
    if (*s == '0')
        s++;
    else if (*s >= '1' && *s <= '9')
        s += strspn(s, "0123456789");
    else
        return 0;
    if (*s == '.') {
        size_t n = strspn(s + 1, "0123456789");
        s += n ? n + 1 : 0;
    }
    if (*s == 'e' || *s == 'E') {
        const char *e = s + 1;
        e += *e == '+' || *e == '-';
        size_t n = strspn(e, "0123456789");
        s = n ? e + n : s;
    }
    return *s == 0;
}

static json_t *scalar(const char *s)
{
    return is_number(s) ? json_loads(s, JSON_DECODE_ANY, NULL) : json_string(s);
}

static json_t *list(const char *s)
{
    json_t *a = json_array();
    while (*s) {
        size_t n = strcspn(s, ";");
        if (n)
            json_array_append_new(a, json_stringn(s, n));
        s += n + (s[n] == ';');
    }
    return a;
}

static int is_one_of(const char *s, const char *const *names)
{
    while (*names && strcmp(*names, s) != 0)
        names++;
    return *names != NULL;
}

/* Puts v into the object at key, made when absent; "" is obj itself. */
static int put(json_t *obj, const char *key, const char *member, json_t *v)
{
    json_t *in = *key ? json_object_get(obj, key) : obj;
    if (!v)
        return -EINVAL;
    if (!in) {
        in = json_object();
        json_object_set_new(obj, key, in);
    }
    return json_object_set_new(in, member, v) == 0 ? 0 : -EINVAL;
}

/* 0, or -EINVAL when the cell is no text */
static int put_row_cell(json_t *row, const char *column, const char *s)
{
    static const char *const texts[] = {"id", "group", "reason", "added_by", NULL};
    static const char *const lists[] = {"slices", "tags", NULL};
    static const char *const scalars[] = {"label", "weight", NULL};
    int own = is_one_of(column, texts) || is_one_of(column, lists) || is_one_of(column, scalars) ||
              strncmp(column, "value.", 6) == 0 || strncmp(column, "source.", 7) == 0 ||
              strcmp(column, "input") == 0;
    if (own && !*s)
        return 0;
    if (is_one_of(column, texts))
        return put(row, "", column, json_string(s));
    if (is_one_of(column, lists))
        return put(row, "", column, list(s));
    if (is_one_of(column, scalars))
        return put(row, "", column, scalar(s));
    if (strncmp(column, "value.", 6) == 0)
        return put(row, "value", column + 6, scalar(s));
    if (strncmp(column, "source.", 7) == 0)
        return put(row, "source", column + 7, json_string(s));
    if (strcmp(column, "input") == 0)
        return put(row, "", "input", json_loads(s, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL));
    return put(row, "input", strncmp(column, "input.", 6) == 0 ? column + 6 : column,
               *s ? scalar(s) : json_null());
}

static int put_prediction_cell(json_t *row, const char *column, const char *s)
{
    if (!*s)
        return 0;
    return put(row, "", column, strcmp(column, "id") == 0 ? json_string(s) : scalar(s));
}

static int check_head(const struct table *t, enum table_kind kind)
{
    static const char *const names[] = {"id", "prediction", "probability", NULL};
    int have = 0;
    if (kind == TABLE_ROWS)
        return 0;
    for (size_t i = 0; i < t->ncolumns; i++) {
        if (!is_one_of(t->head[i], names) && strncmp(t->head[i], "p_", 2) != 0)
            return fail(-EINVAL, "%s: column \"%s\" is none of id, prediction, probability, p_<label>",
                        t->name, t->head[i]);
        have += strcmp(t->head[i], "id") == 0 || strcmp(t->head[i], "prediction") == 0;
    }
    return have == 2 ? 0 : fail(-EINVAL, "%s: needs the columns id and prediction", t->name);
}

static int put_record(const struct table *t, enum table_kind kind, struct out *ret)
{
    json_t *row = json_object();
    int err = t->n == t->ncolumns ? 0 : bad(t, "not as many cells as the header has");
    for (size_t i = 0; err == 0 && i < t->n; i++) {
        err = kind == TABLE_ROWS ? put_row_cell(row, t->head[i], cell(t, i))
                                 : put_prediction_cell(row, t->head[i], cell(t, i));
        if (err < 0)
            err = fail(-EINVAL, "%s: line %lu: column \"%s\" is not %s", t->name, t->line, t->head[i],
                       strcmp(t->head[i], "input") == 0 ? "JSON" : "UTF-8");
    }
    char *line = err == 0 ? json_dumps(row, JSON_COMPACT) : NULL;
    json_decref(row);
    if (err == 0 && !line)
        return -ENOMEM;
    if (line) {
        out_str(ret, line);
        out_char(ret, '\n');
    }
    free(line);
    return err;
}

int table_to_json(const char *name, const char *p, size_t n, enum table_kind kind, struct out *ret)
{
    struct table *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    t->name = name;
    t->p = p;
    t->end = p + n;
    int err = read_head(t);
    if (err == 0)
        err = check_head(t, kind);
    while (err == 0 && (err = next(t)) == 1)
        err = put_record(t, kind, ret);
    for (size_t i = 0; i < t->ncolumns; i++)
        free(t->head[i]);
    out_fini(&t->text);
    free(t);
    return err < 0 ? err : out_error(ret);
}

static int ends(const char *s, const char *with)
{
    size_t n = strlen(s), k = strlen(with);
    return n >= k && strcmp(s + n - k, with) == 0;
}

int table_read(const char *path, enum table_kind kind, struct out *ret)
{
    struct out text = {0};
    int err = input_file_read(path, REQUEST_BODY, &text);
    size_t blank = 0;
    while (blank < text.n && strchr(" \t\r\n", text.p[blank]))
        blank++;
    int json = ends(path, ".jsonl") || ends(path, ".json") || (blank < text.n && text.p[blank] == '{');
    if (err == 0 && (ends(path, ".csv") || !json))
        err = table_to_json(path, text.p, text.n, kind, ret);
    else if (err == 0)
        out_write(ret, text.p, text.n);
    out_fini(&text);
    return err < 0 ? err : out_error(ret);
}
