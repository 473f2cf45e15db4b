/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/weights.h"
#include "fs/report/figure.h"
#include "fs/report/looks.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LINES 12 /* changed blocks shown */
#define NAMES 24 /* columns of a block's name */
#define MORE  9  /* columns of ", 12 more" */

#define MOVED (DIFF_MODIFIED | DIFF_DTYPE | DIFF_SHAPE)

static void plural(struct out *o, uint64_t n, const char *noun)
{
    figure_count(o, n);
    out_printf(o, " %s%s", noun, n == 1 ? "" : "s");
}

static void from_to(struct out *o, uint64_t a, uint64_t b, const char *noun)
{
    if (a != b) {
        figure_count(o, a);
        out_str(o, " -> ");
    }
    plural(o, b, noun);
}

/* ---- ARCHITECTURE ---- */

/* One line of the tensors with this status. */
static void list(const struct diff *d, unsigned status, const char *head, struct out *o)
{
    struct figure_list l;
    int any = 0;
    for (size_t i = 0; i < d->ntensors; i++) {
        const struct diff_tensor *t = &d->tensors[i];
        const struct manifest_tensor *x = t->b ? t->b : t->a;
        struct out item = {0};
        if (!(t->status & status))
            continue;
        if (!any++)
            l = figure_list(o, head, "tensors.csv");
        if (status == DIFF_RENAMED)
            out_printf(&item, "%s -> %s", t->a->name, t->b->name);
        else
            out_printf(&item, "%s ", x->name);
        if (status == DIFF_SHAPE) {
            figure_shape(&item, t->a);
            out_str(&item, " -> ");
        }
        if (status != DIFF_RENAMED)
            figure_shape(&item, x);
        figure_item(&l, 0, &item);
    }
    if (any)
        figure_list_end(&l);
}

void weights_architecture(const struct diff *d, struct out *o)
{
    unsigned seen = 0;
    int io_known = d->ngraphs > 0, io_changed = 0;
    for (size_t i = 0; i < d->ntensors; i++)
        seen |= d->tensors[i].status;
    for (size_t i = 0; i < d->ngraphs; i++)
        io_changed |= d->graphs[i].io_changed;
    int same = !(seen & (DIFF_ADDED | DIFF_DELETED | DIFF_SHAPE));
    out_printf(o, "ARCHITECTURE  %s", same ? "same: " : "");
    from_to(o, d->tensors_a, d->tensors_b, "tensor");
    out_str(o, ", ");
    from_to(o, d->params_a, d->params_b, "parameter");
    if (io_known && !io_changed)
        out_str(o, ", same inputs and outputs");
    out_char(o, '\n');
    for (size_t i = 0; i < d->ngraphs; i++)
        if (d->graphs[i].io_changed) {
            out_str(o, "  ");
            out_text(o, d->graphs[i].io_note, strlen(d->graphs[i].io_note), 78);
            out_char(o, '\n');
        }
    list(d, DIFF_ADDED, "  added      ", o);
    list(d, DIFF_DELETED, "  removed    ", o);
    list(d, DIFF_SHAPE, "  reshaped   ", o);
    list(d, DIFF_RENAMED, "  renamed    ", o);
}

/* ---- WEIGHTS: a line a block ---- */

struct line {
    size_t first, last; /* blocks */
    const char *text;   /* "identical", "changed by 31.4 %", … */
    double bar;         /* the change, for the bar and for the choice of lines; NaN: none */
    int shown;
};

static int has(const struct diff *d, const char *block, unsigned status)
{
    for (size_t i = 0; i < d->ntensors; i++)
        if (d->tensors[i].status & status && strcmp(d->tensors[i].block, block) == 0)
            return 1;
    return 0;
}

static int not_compared(const struct diff_tensor *t)
{
    return t->b && t->status & MOVED && t->n_cmp == 0 && t->b->count > 0;
}

static int uncompared(const struct diff *d, const char *block)
{
    for (size_t i = 0; i < d->ntensors; i++)
        if (not_compared(&d->tensors[i]) && strcmp(d->tensors[i].block, block) == 0)
            return 1;
    return 0;
}

static int is_low(const struct diff_block *b)
{
    return b->matrices && b->low == b->matrices;
}

/* Ranks are worth a word where some are low: of plain training all are high. */
static int any_low(const struct diff *d)
{
    for (size_t i = 0; i < d->nblocks; i++)
        if (is_low(&d->blocks[i]))
            return 1;
    return 0;
}

static void describe(const struct diff *d, const struct diff_block *b, struct out *o)
{
    enum dtype to = DTYPE_NONE, back = DTYPE_NONE;
    if (b->tensors == b->added) {
        out_str(o, "added");
        return;
    }
    if (b->tensors == b->deleted) {
        out_str(o, "removed");
        return;
    }
    if (b->changed && !b->added && !b->deleted) {
        to = looks_cast(d, b->name, 0);
        back = looks_cast(d, b->name, 1);
    }
    if (to != DTYPE_NONE) {
        out_printf(o, "cast to %s", dtype_name(to));
    } else if (back != DTYPE_NONE) {
        out_printf(o, "cast to %s undone", dtype_name(back));
    } else if (b->changed && b->rel_l2 == 0 && uncompared(d, b->name)) {
        out_str(o, "changed, not compared");
    } else if (b->changed && b->rel_l2 == 0) { /* NaN, -0, or a part that only one version has */
        out_str(o,
                has(d, b->name, DIFF_SHAPE) ? "resized, common part identical" : "no finite value changed");
    } else if (b->changed && !isnan(b->rel_l2)) {
        struct out p = {0};
        figure_percent(&p, b->rel_l2);
        out_printf(o, "changed by %7s", out_cstr(&p));
        out_fini(&p);
        if (is_low(b))
            out_printf(o, ", low rank (<= %d)", b->rank);
        else if (b->matrices && b->high == b->matrices && any_low(d))
            out_str(o, ", high rank");
    } else {
        out_str(o, b->changed ? "changed, not compared" : "identical");
    }
    if (b->added)
        out_printf(o, ", %zu added", b->added);
    if (b->deleted)
        out_printf(o, ", %zu removed", b->deleted);
    if (b->nan_new || b->inf_new)
        out_str(o, ", gained NaN or Inf");
}

/* "layer 4" -> where the number is; NULL: no layer */
static const char *layer_number(const char *name)
{
    const char *n = strrchr(name, ' ');
    return n && n - name >= 5 && memcmp(n - 5, "layer", 5) == 0 && isdigit((unsigned char)n[1]) ? n + 1
                                                                                                : NULL;
}

/* The names of blocks first … last whose line is `text`, runs of layers as one: "embeddings, layers 0-3". In
 * at most max columns, with how many more there are. */
static size_t put_names(struct out *o, const struct diff *d, const struct line *lines, size_t first,
                        size_t last, size_t max)
{
    const char *text = lines[first].text;
    size_t from = o->n, hidden = 0;
    for (size_t i = first; i <= last; i++) {
        if (strcmp(lines[i].text, text))
            continue;
        const char *name = d->blocks[i].name, *number = layer_number(name);
        size_t run = i;
        while (number && run < last && strcmp(lines[run + 1].text, text) == 0) {
            const char *next = d->blocks[run + 1].name, *n = layer_number(next);
            if (!n || n - next != number - name || memcmp(next, name, (size_t)(n - next)) ||
                strtoull(n, NULL, 10) != strtoull(d->blocks[run].name + (number - name), NULL, 10) + 1)
                break;
            run++;
        }
        struct out item = {0};
        if (run > i)
            out_printf(&item, "%.*ss %s-%s", (int)(number - 1 - name), name, number,
                       d->blocks[run].name + (number - name));
        else
            out_text(&item, name, strlen(name), first < last && max < NAMES + MORE ? NAMES - MORE : NAMES);
        size_t need = item.n + (o->n > from ? 2 : 0) + (run < last ? MORE : 0);
        if (!out_error(&item) && (hidden || o->n - from + need > max)) {
            hidden += run - i + 1;
        } else {
            out_str(o, o->n > from ? ", " : "");
            out_str(o, out_cstr(&item));
        }
        out_fini(&item);
        i = run;
    }
    if (hidden)
        out_printf(o, "%s%zu more", o->n > from ? ", " : "", hidden);
    return hidden;
}

static int by_bar(const void *a, const void *b)
{
    const struct line *x = *(struct line *const *)a, *y = *(struct line *const *)b;
    double dx = isnan(x->bar) ? INFINITY : x->bar, dy = isnan(y->bar) ? INFINITY : y->bar;
    return dx != dy ? (dx < dy) - (dx > dy) : (x > y) - (x < y);
}

/* Chooses the LINES blocks that changed most; returns how many are hidden, with their range. */
static size_t choose(struct line *v, size_t n, double *ret_lo, double *ret_hi)
{
    struct line **order = calloc(n + 1, sizeof *order);
    size_t k = 0;
    *ret_lo = INFINITY;
    *ret_hi = 0;
    for (size_t i = 0; i < n && order; i++)
        if (strcmp(v[i].text, "identical") && (i == 0 || strcmp(v[i].text, v[i - 1].text)))
            order[k++] = &v[i];
    if (order)
        qsort(order, k, sizeof *order, by_bar);
    for (size_t i = 0; i < k; i++) {
        order[i]->shown = i < LINES;
        if (i >= LINES && !isnan(order[i]->bar)) {
            *ret_lo = fmin(*ret_lo, order[i]->bar);
            *ret_hi = fmax(*ret_hi, order[i]->bar);
        }
    }
    free(order);
    return k > LINES ? k - LINES : 0;
}

static void put_blocks(const struct diff *d, struct out *o)
{
    struct line *v = calloc(d->nblocks + 1, sizeof *v);
    struct out text = {0};
    double max = 0, lo, hi;
    size_t identical = 0, bars = NAMES + (any_low(d) ? 40 : 24); /* the column where bars begin */
    struct arena arena = {0};
    for (size_t i = 0; i < d->nblocks && v; i++) {
        const struct diff_block *b = &d->blocks[i];
        out_reset(&text);
        describe(d, b, &text);
        v[i].text = arena_strdup(&arena, out_cstr(&text));
        v[i].bar = b->changed ? b->rel_l2 : b->added || b->deleted ? NAN : 0;
        max = v[i].bar > max ? v[i].bar : max;
        if (!v[i].text) {
            free(v);
            v = NULL;
        }
    }
    if (!v) {
        o->err = -ENOMEM;
        goto out;
    }
    for (size_t i = d->nblocks; i-- > 0;)
        if (strcmp(v[i].text, "identical") == 0)
            identical = i + 1;
    if (identical) {
        out_str(o, "  ");
        size_t from = o->n;
        put_names(o, d, v, identical - 1, d->nblocks - 1, 54);
        figure_pad(o, from, NAMES);
        out_str(o, "   identical\n");
    }
    size_t hidden = choose(v, d->nblocks, &lo, &hi);
    for (size_t i = 0, end; i < d->nblocks; i = end) {
        for (end = i + 1; end < d->nblocks && strcmp(v[end].text, v[i].text) == 0; end++)
            ;
        if (!v[i].shown)
            continue;
        out_str(o, "  ");
        size_t from = o->n;
        put_names(o, d, v, i, end - 1, NAMES);
        figure_pad(o, from, NAMES);
        out_printf(o, "   %s", v[i].text);
        if (v[i].bar > 0 && strncmp(v[i].text, "cast", 4)) {
            figure_pad(o, from, bars);
            figure_bar(o, v[i].bar, max);
        }
        out_char(o, '\n');
    }
    if (hidden) {
        out_printf(o, "  %zu more blocks changed", hidden);
        if (lo < INFINITY) {
            out_str(o, " by ");
            figure_percent(o, lo);
            out_str(o, " to ");
            figure_percent(o, hi);
        }
        out_str(o, "   (blocks.csv)\n");
    }
out:
    free(v);
    out_fini(&text);
    arena_fini(&arena);
}

void weights_blocks(const struct diff *d, struct out *o)
{
    uint64_t bytes = 0, nonfinite = 0, bad = 0, unread = 0, common = 0;
    for (size_t i = 0; i < d->ntensors; i++) {
        const struct diff_tensor *t = &d->tensors[i];
        common += t->a && t->b;
        if (!t->b)
            continue;
        bytes += t->b->len;
        nonfinite += t->b->stats.nan + t->b->stats.inf;
        bad += t->b->stats.nan + t->b->stats.inf > 0;
        unread += not_compared(t);
    }
    out_str(o, "WEIGHTS  ");
    if (d->changed_tensors == 0) {
        out_str(o, "identical: ");
        plural(o, common, "tensor");
    } else {
        figure_count(o, d->changed_tensors);
        out_str(o, " of ");
        plural(o, d->tensors_b, "tensor");
        out_str(o, " changed (");
        figure_bytes_of(o, d->changed_bytes, bytes);
        out_char(o, ')');
    }
    if (nonfinite) {
        out_str(o, "; ");
        figure_count(o, nonfinite);
        out_str(o, " NaN or Inf in ");
        plural(o, bad, "tensor");
    } else {
        out_str(o, "; no NaN or Inf");
    }
    out_char(o, '\n');
    if (d->changed_tensors || d->tensors_a != d->tensors_b)
        put_blocks(d, o);
    if (unread) {
        out_str(o, "  values not compared: ");
        plural(o, unread, "tensor");
        out_str(o, " (notes in tensors.csv)\n");
    }
    if (common)
        looks_like(d, o);
}
