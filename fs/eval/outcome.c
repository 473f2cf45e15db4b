/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/outcome.h"
#include "fs/eval/sheet.h"
#include "store/base/fail.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME      "outcomes.csv"
#define TEXT_MOST 200 /* bytes of one cell */

static const char *const columns[] = {"version",    "vs_version", "kind",  "metric",       "unit",
                                      "value",      "ci_lo",      "ci_hi", "window_start", "window_end",
                                      "experiment", "added_by",   NULL};
enum { VERSION, VS, KIND, METRIC, UNIT, VALUE, LO, HI, START, END, EXPERIMENT, BY, COLUMNS };

static void header(struct out *o)
{
    for (int i = 0; i < COLUMNS; i++)
        out_csv(o, columns[i]);
    out_csv_end(o);
}

/* ---- one line ---- */

static int version_cell(struct store *s, const struct sheet *line, int column, uint32_t *ret)
{
    const struct version *v;
    int movable;
    if (version_resolve(s, sheet_text(line, (size_t)column), &v, &movable) < 0)
        return sheet_bad(line, "%s: no version \"%.40s\"", columns[column], sheet_text(line, (size_t)column));
    *ret = v->number;
    version_unref(v);
    return 0;
}

/* YYYY-MM-DD, which may be followed by the time of day. */
static int date_cell(const struct sheet *line, int column, const char **ret)
{
    static const char shape[] = "0000-00-00";
    const char *text = *ret = sheet_text(line, (size_t)column);
    size_t i = 0;
    if (!*text)
        return 0;
    while (shape[i] && (shape[i] == '0' ? isdigit((unsigned char)text[i]) : text[i] == shape[i]))
        i++;
    if (shape[i] || (text[i] && text[i] != 'T') || atoi(text + 5) > 12 || atoi(text + 8) > 31)
        return sheet_bad(line, "%s: \"%.40s\" is no date (2026-11-02)", columns[column], text);
    return 0;
}

static int interval_cells(const struct sheet *line, struct eval_outcome *x)
{
    int err = sheet_number(line, VALUE, "value", NAN, &x->value);
    if (!err)
        err = sheet_number(line, LO, "ci_lo", NAN, &x->lo);
    if (!err)
        err = sheet_number(line, HI, "ci_hi", NAN, &x->hi);
    if (err)
        return err;
    if (isnan(x->value))
        return sheet_bad(line, "value: is missing");
    if (isnan(x->lo) != isnan(x->hi) || (!isnan(x->lo) && !(x->lo <= x->value && x->value <= x->hi)))
        return sheet_bad(line, "ci_lo and ci_hi: both or none, around the value");
    return 0;
}

/* s NULL: a line that was accepted before, whose versions are not looked up. */
static int parse(struct store *s, const struct sheet *line, struct eval_outcome *x)
{
    const char *kind = sheet_text(line, KIND);
    *x = (struct eval_outcome){.metric = sheet_text(line, METRIC),
                               .unit = sheet_text(line, UNIT),
                               .experiment = sheet_text(line, EXPERIMENT),
                               .by = sheet_text(line, BY)};
    for (int i = 0; i < COLUMNS; i++)
        if (strlen(sheet_text(line, (size_t)i)) > TEXT_MOST)
            return sheet_bad(line, "%s: longer than %d bytes", columns[i], TEXT_MOST);
    int err = s ? version_cell(s, line, VERSION, &x->version) : 0;
    if (!err && s && *sheet_text(line, VS))
        err = version_cell(s, line, VS, &x->vs);
    if (!s) {
        x->version = (uint32_t)strtoul(sheet_text(line, VERSION) + 1, NULL, 10);
        x->vs = *sheet_text(line, VS) ? (uint32_t)strtoul(sheet_text(line, VS) + 1, NULL, 10) : 0;
    }
    if (err)
        return err;
    if (x->version == x->vs)
        return sheet_bad(line, "vs_version: the same version");
    if (strcmp(kind, "experiment") != 0 && strcmp(kind, "before_after") != 0)
        return sheet_bad(line, "kind: must be experiment or before_after");
    x->is_experiment = !strcmp(kind, "experiment");
    if (!*x->metric)
        return sheet_bad(line, "metric: is missing");
    if ((err = interval_cells(line, x)) || (err = date_cell(line, START, &x->from)) ||
        (err = date_cell(line, END, &x->to)))
        return err;
    if (*x->from && *x->to && strcmp(x->from, x->to) > 0)
        return sheet_bad(line, "window_end: before window_start");
    return 0;
}

static void number(struct out *o, const char *text)
{
    if (*text)
        out_csv_num(o, strtod(text, NULL));
    else
        out_csv_empty(o);
}

static void format(const struct sheet *line, const struct eval_outcome *x, const char *by, struct out *o)
{
    char name[16];
    for (int i = 0; i < COLUMNS; i++) {
        const char *text = sheet_text(line, (size_t)i);
        if (i == VERSION || (i == VS && x->vs)) {
            snprintf(name, sizeof name, "v%u", i == VS ? x->vs : x->version);
            out_csv(o, name);
        } else if (i >= VALUE && i <= HI) {
            number(o, text);
        } else {
            out_csv(o, i == BY ? by : text);
        }
    }
    out_csv_end(o);
}

/* ---- all of them ---- */

int outcome_text(struct store *s, struct out *o)
{
    int err = config_get(s, NAME, o, NULL);
    if (err == -ENOENT) {
        header(o);
        err = 0;
    }
    return err ? err : out_error(o);
}

static int keep(struct store *s, const struct eval_writer *w, const struct out *all, uint64_t added)
{
    json_t *event =
        json_pack("{s:s s:I s:I}", "name", NAME, "added", (json_int_t)added, "uid", (json_int_t)w->uid);
    if (event && w->name)
        json_object_set_new(event, "by", json_string(w->name));
    char *text = event ? json_dumps(event, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    int err =
        text && !out_error(all) ? config_set(s, NAME, all->p, all->n, text) : fail(-ENOMEM, "out of memory");
    json_decref(event);
    free(text);
    return err;
}

static int is_header(const struct sheet *line)
{
    return strcmp(sheet_text(line, VERSION), columns[VERSION]) == 0;
}

int outcome_append(struct store *s, const struct eval_writer *w, const char *p, size_t n,
                   struct eval_added *ret)
{
    struct out all = {0};
    struct eval_added added = {0};
    int err = outcome_text(s, &all);
    unsigned number_of = 0;
    for (const char *end = p + n; !err && p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end;
        if (stop > p && stop[-1] == '\r')
            stop--;
        struct arena a = {0};
        struct sheet line;
        struct eval_outcome x;
        number_of++;
        int got = sheet_line("eval/" NAME, number_of, p, (size_t)(stop - p), columns, &a, &line);
        if (got > 0 && !is_header(&line)) {
            if ((got = parse(s, &line, &x)) == 0) {
                format(&line, &x, w->name ? w->name : "", &all);
                added.kept++;
            }
        }
        if (got == -ENOMEM)
            err = got;
        else if (got < 0 && !added.rejected++)
            snprintf(added.first_error, sizeof added.first_error, "%.250s", fail_text());
        arena_fini(&a);
        p = nl ? nl + 1 : end;
    }
    if (!err && added.kept)
        err = keep(s, w, &all, added.kept);
    if (!err)
        *ret = added;
    out_fini(&all);
    return err;
}

int outcome_list(struct store *s, struct arena *a, struct eval_outcome **ret, size_t *ret_n)
{
    struct out text = {0};
    struct sheet line;
    size_t most = 1, n = 0;
    int err = outcome_text(s, &text);
    for (size_t i = 0; !err && i < text.n; i++)
        most += text.p[i] == '\n';
    struct eval_outcome *list = arena_array(a, most, sizeof *list);
    if (!err)
        err = list ? sheet_open("eval/" NAME, text.p, text.n, columns, COLUMNS, a, &line)
                   : fail(-ENOMEM, "out of memory");
    while (!err && (err = sheet_next(&line)) > 0)
        if ((err = parse(NULL, &line, &list[n])) == 0)
            n++;
    out_fini(&text);
    if (err)
        return err == -EINVAL ? fail(-EBADMSG, "eval/" NAME ": what is stored does not parse") : err;
    *ret = list;
    *ret_n = n;
    return 0;
}
