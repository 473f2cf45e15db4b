/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changed in the small files beside the weights: JSON by keys, wherever they stand in the file (so a
 * vocabulary's added and removed tokens), any other text by lines.
 */
#include "fs/diff/diff.h"
#include "fs/report/report.h"
#include "store/base/canon.h"
#include "store/base/fail.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum {
    FILE_BYTES = 8 << 20, /* longer ones are named only */
    CHANGES = 400,        /* lines of one file */
    VALUE = 200,          /* columns of a value or a line */
    CELLS = 4 << 20,      /* of the table that finds common lines */
    DEPTH = 64
};

struct work {
    const struct subject *s;
    struct out *o;
    size_t lines, more; /* of the file at work */
};

/* Begins a line; NULL: the file has had its share. */
static struct out *line(struct work *w, char mark)
{
    if (w->lines++ >= CHANGES) {
        w->more++;
        return NULL;
    }
    out_printf(w->o, "%c ", mark);
    return w->o;
}

/* ---- JSON ---- */

static void value(struct out *o, const json_t *v)
{
    struct out text = {0};
    if (json_is_string(v)) {
        out_char(&text, '"');
        out_write(&text, json_string_value(v), json_string_length(v));
        out_char(&text, '"');
    } else {
        canon_format(v, &text);
    }
    out_text(o, text.p ? text.p : "", text.n, VALUE);
    if (out_error(&text))
        o->err = out_error(&text);
    out_fini(&text);
}

static void change(struct work *w, const char *key, const json_t *a, const json_t *b)
{
    struct out *o = line(w, !a ? '+' : !b ? '-' : '~');
    if (!o)
        return;
    out_text(o, key, strlen(key), VALUE);
    out_str(o, ": ");
    if (a)
        value(o, a);
    if (a && b)
        out_str(o, " -> ");
    if (b)
        value(o, b);
    out_char(o, '\n');
}

static char *below(struct work *w, const char *at, const char *key)
{
    return arena_printf(w->s->arena, "%s%s%s", at, *at ? "." : "", key);
}

static int keys(struct work *w, const char *at, json_t *a, json_t *b, int depth)
{
    const char *key;
    json_t *v, *other;
    int err = report_stopped(w->s) ? -EINTR : 0;
    json_object_foreach(a, key, v)
    {
        char *path = below(w, at, key);
        if (err || !path)
            return err ? err : -ENOMEM;
        other = json_object_get(b, key);
        if (other && json_is_object(v) && json_is_object(other) && depth < DEPTH)
            err = keys(w, path, v, other, depth + 1);
        else if (!other || !json_equal(v, other))
            change(w, path, v, other);
    }
    json_object_foreach(b, key, v) if (!json_object_get(a, key))
    {
        char *path = below(w, at, key);
        if (!path)
            return -ENOMEM;
        change(w, path, NULL, v);
    }
    return err;
}

/* ---- lines ---- */

struct text {
    const char **line; /* (n) not NUL-terminated: to line[i + 1] less its newline */
    size_t n;
};

static int split(struct work *w, const struct out *from, struct text *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < from->n; i++)
        n += from->p[i] == '\n';
    n += from->n && from->p[from->n - 1] != '\n';
    ret->line = arena_array(w->s->arena, n + 1, sizeof *ret->line);
    if (!ret->line)
        return fail(-ENOMEM, "out of memory");
    const char *p = from->p, *end = from->p + from->n;
    for (ret->n = 0; ret->n < n; ret->n++) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        ret->line[ret->n] = p;
        p = nl ? nl + 1 : end;
    }
    ret->line[n] = p;
    return 0;
}

static size_t length(const struct text *t, size_t i)
{
    size_t n = (size_t)(t->line[i + 1] - t->line[i]);
    return n && t->line[i][n - 1] == '\n' ? n - 1 : n;
}

static int same(const struct text *a, size_t i, const struct text *b, size_t k)
{
    return length(a, i) == length(b, k) && memcmp(a->line[i], b->line[k], length(a, i)) == 0;
}

static void put(struct work *w, char mark, const struct text *t, size_t i)
{
    struct out *o = line(w, mark);
    if (!o)
        return;
    out_text(o, t->line[i], length(t, i), VALUE);
    out_char(o, '\n');
}

/* Between what both begin and end with: the longest common run of lines by the usual table, unless that would
 * be too large; then all that was and all that is. */
static int lines(struct work *w, const struct out *was, const struct out *is)
{
    struct text a, b;
    size_t from = 0, na, nb;
    int err = split(w, was, &a);
    if (err || (err = split(w, is, &b)))
        return err;
    while (from < a.n && from < b.n && same(&a, from, &b, from))
        from++;
    for (na = a.n, nb = b.n; na > from && nb > from && same(&a, na - 1, &b, nb - 1); na--)
        nb--;
    size_t rows = na - from + 1, columns = nb - from + 1, i = 0, k = 0;
    uint32_t *best = rows * columns <= CELLS ? arena_array(w->s->arena, rows * columns, sizeof *best) : NULL;
    for (size_t y = rows - 1; best && y-- > 0;)
        for (size_t x = columns - 1; x-- > 0;) {
            uint32_t down = best[(y + 1) * columns + x], right = best[y * columns + x + 1];
            best[y * columns + x] = same(&a, from + y, &b, from + x) ? best[(y + 1) * columns + x + 1] + 1
                                    : down > right                   ? down
                                                                     : right;
        }
    while (i + 1 < rows || k + 1 < columns) {
        int both = i + 1 < rows && k + 1 < columns;
        if (best && both && same(&a, from + i, &b, from + k))
            i++, k++;
        else if (i + 1 < rows && (!both || !best || best[(i + 1) * columns + k] >= best[i * columns + k + 1]))
            put(w, '-', &a, from + i++);
        else
            put(w, '+', &b, from + k++);
    }
    return 0;
}

/* ---- files ---- */

static int load(struct work *w, const struct manifest_file *f, struct out *ret)
{
    char *buf = f ? arena_alloc(w->s->arena, f->size + 1) : NULL;
    if (f && !buf)
        return fail(-ENOMEM, "out of memory");
    int64_t n = f ? file_read(w->s->store, f, 0, buf, f->size) : 0;
    if (n > 0)
        out_write(ret, buf, (size_t)n);
    else
        out_str(ret, "");
    return n < 0 ? (int)n : out_error(ret);
}

static int one(struct work *w, const struct diff_file *f)
{
    const struct manifest_file *x = f->b ? f->b : f->a;
    struct out a = {0}, b = {0};
    w->lines = w->more = 0;
    out_text(w->o, f->path, strlen(f->path), 0);
    out_str(w->o, !f->a ? "  added\n" : !f->b ? "  removed\n" : "  changed\n");
    if ((f->a && f->a->size > FILE_BYTES) || (f->b && f->b->size > FILE_BYTES)) {
        out_printf(w->o, "  %llu bytes: too long to be compared here\n", (unsigned long long)x->size);
        return 0;
    }
    int err = load(w, f->a, &a);
    if (!err)
        err = load(w, f->b, &b);
    if (!err && (memchr(a.p ? a.p : "", 0, a.n) || memchr(b.p ? b.p : "", 0, b.n))) {
        out_str(w->o, "  not text\n");
    } else if (!err) {
        json_t *ja = f->a ? json_loadb(a.p ? a.p : "", a.n, JSON_REJECT_DUPLICATES, NULL) : json_object();
        json_t *jb = f->b ? json_loadb(b.p ? b.p : "", b.n, JSON_REJECT_DUPLICATES, NULL) : json_object();
        err = json_is_object(ja) && json_is_object(jb) ? keys(w, "", ja, jb, 0) : lines(w, &a, &b);
        json_decref(ja);
        json_decref(jb);
        if (!err && !w->lines)
            out_str(w->o, "  written differently, the same content\n");
        if (w->more)
            out_printf(w->o, "  %zu more changes\n", w->more);
    }
    out_fini(&a);
    out_fini(&b);
    return err;
}

static int render(const struct subject *s, struct out *o)
{
    struct diff d;
    struct work w = {.s = s, .o = o};
    int err = diff_versions(s->store, s->a, s->b, 0, s->arena, s->stop, s->stop_ctx, &d);
    if (err < 0)
        return err;
    for (size_t i = 0; err >= 0 && i < d.nfiles; i++) {
        const struct manifest_file *x = d.files[i].b ? d.files[i].b : d.files[i].a;
        if (d.files[i].status & (DIFF_MODIFIED | DIFF_ADDED | DIFF_DELETED) && x->format == FORMAT_OPAQUE &&
            !x->problem && !S_ISDIR(x->mode))
            err = one(&w, &d.files[i]);
    }
    diff_fini(&d);
    return err < 0 ? err : 0;
}

const struct report report_diff_config = {
    .name = "config.diff",
    .version = 1,
    .slow = 1,
    .doc = "what changed in the files beside the weights: JSON by keys, other text by lines",
    .render = render,
};
