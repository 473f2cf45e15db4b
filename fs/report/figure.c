/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/figure.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct {
    double unit;
    const char *name;
} units[] = {{1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}};

void figure_bytes(struct out *o, uint64_t n)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if ((double)n >= 0.99995 * units[i].unit) {
            out_printf(o, "%.1f %s", (double)n / units[i].unit, units[i].name);
            return;
        }
    out_printf(o, "%llu bytes", (unsigned long long)n);
}

void figure_bytes_of(struct out *o, uint64_t n, uint64_t all)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if ((double)all >= 0.99995 * units[i].unit) {
            out_printf(o, "%.1f of %.1f %s", (double)n / units[i].unit, (double)all / units[i].unit,
                       units[i].name);
            return;
        }
    out_printf(o, "%llu of %llu bytes", (unsigned long long)n, (unsigned long long)all);
}

void figure_count(struct out *o, uint64_t n)
{
    if (n >= 1000000000)
        out_printf(o, "%.2f G", (double)n / 1e9);
    else if (n >= 1000000)
        out_printf(o, "%.2f M", (double)n / 1e6);
    else if (n >= 1000)
        out_printf(o, "%u,%03u", (unsigned)(n / 1000), (unsigned)(n % 1000));
    else
        out_printf(o, "%u", (unsigned)n);
}

void figure_percent(struct out *o, double share)
{
    double p = 100 * share;
    if (fabs(p) >= 0.095 || p == 0) /* so that 0.0996 and 0.1004 print alike */
        out_printf(o, "%.1f %%", p);
    else if (fabs(p) >= 0.001)
        out_printf(o, "%.3f %%", p);
    else
        out_printf(o, "%.1e %%", p);
}

void figure_shape(struct out *o, const struct manifest_tensor *t)
{
    for (uint32_t i = 0; i < t->rank; i++)
        out_printf(o, "%s%llu", i ? "x" : "", (unsigned long long)t->shape[i]);
    if (t->rank == 0)
        out_char(o, '1');
}

void figure_bar(struct out *o, double x, double max)
{
    int n = max > 0 && x > 0 ? (int)ceil(12 * x / max) : 0;
    out_write(o, "############", (size_t)(n < 12 ? n : 12));
}

void figure_time(struct out *o, int64_t ns)
{
    time_t t = (time_t)(ns / 1000000000 - (ns % 1000000000 < 0));
    struct tm tm;
    char text[32];
    if (gmtime_r(&t, &tm) && strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &tm))
        out_str(o, text);
    else
        out_char(o, '?');
}

void figure_pad(struct out *o, size_t from, size_t columns)
{
    while (!out_error(o) && o->n - from < columns)
        out_char(o, ' ');
}

struct figure_list figure_list(struct out *o, const char *head, const char *where)
{
    struct figure_list l = {.o = o, .start = o->n, .where = where};
    out_str(o, head);
    return l;
}

void figure_item(struct figure_list *l, char mark, struct out *item)
{
    if (item->n) {
        out_char(&l->items, mark ? mark : ' ');
        out_text(&l->items, item->p, item->n, 0);
        out_char(&l->items, 0);
        l->n++;
    }
    if (out_error(item))
        l->items.err = out_error(item);
    out_fini(item);
}

/* What stands before an item: between groups of one mark a full stop, inside them a comma. */
static const char *before(char last, char mark, char buffer[8])
{
    snprintf(buffer, 8, "%s%.*s",
             !last          ? ""
             : last == mark ? ", "
                            : ". ",
             mark == ' ' || mark == last ? 0 : 2, (char[]){mark, ' ', 0});
    return buffer;
}

/* How many items fit into `room` columns. */
static size_t fitting(const struct figure_list *l, size_t room)
{
    char last = 0, buffer[8];
    const char *p = l->items.p;
    size_t used = 0, k = 0;
    for (; k < l->n; k++, last = *p, p += strlen(p) + 1)
        if ((used += strlen(before(last, *p, buffer)) + strlen(p + 1)) > room)
            break;
    return k;
}

void figure_list_end(struct figure_list *l)
{
    struct out *o = l->o;
    char last = 0, buffer[8];
    const char *p = l->items.p;
    size_t used = o->n - l->start, room = used < 78 ? 80 - used : 2, shown;
    size_t tail = (size_t)snprintf(NULL, 0, " +%zu more", l->n) + (*l->where ? strlen(l->where) + 3 : 0);
    if (out_error(&l->items)) {
        o->err = out_error(&l->items);
    } else {
        if ((shown = fitting(l, room)) < l->n)
            shown = fitting(l, room > tail ? room - tail : 0);
        int cut = shown == 0 && l->n > 0; /* not even one: as much of it as fits */
        for (size_t i = 0; i < shown + (size_t)cut; i++, last = *p, p += strlen(p) + 1) {
            out_str(o, before(last, *p, buffer));
            out_text(o, p + 1, strlen(p + 1), cut && room > tail + 4 ? room - 2 - (l->n > 1 ? tail : 0) : 0);
        }
        if (shown + (size_t)cut < l->n)
            out_printf(o, " +%zu more", l->n - shown - (size_t)cut);
        if (shown + (size_t)cut < l->n && *l->where)
            out_printf(o, " (%s)", l->where);
    }
    out_char(o, '\n');
    out_fini(&l->items);
}
