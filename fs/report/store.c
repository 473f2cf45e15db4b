/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the versions cost, as it was when history last moved:
 *
 *   files      12.3 MB   in 4 versions (12 files)
 *   distinct    6.1 MB   of that, in 90 chunks
 *   stored      4.2 MB   of those, coded: 2.93 times smaller than the files
 *   on disk     4.9 MB   of it cache/, which may be deleted at any time: 120 kB
 *
 *   codec     chunks         raw      stored   ratio
 *   version    files        size         new      stored
 */
#include "fs/report/figure.h"
#include "fs/report/report.h"

enum { NEWEST = 200 };

/* Right-aligned in `columns`, after two spaces. */
static void put_bytes(struct out *o, uint64_t n, int columns)
{
    struct out text = {0};
    figure_bytes(&text, n);
    out_printf(o, "  %*s", columns, out_cstr(&text));
    out_fini(&text);
}

static void put_line(struct out *o, const char *what, uint64_t bytes)
{
    out_printf(o, "%-8s", what);
    put_bytes(o, bytes, 9);
    out_str(o, "   ");
}

static void put_ratio(struct out *o, uint64_t raw, uint64_t stored)
{
    if (stored)
        out_printf(o, "%.2f", (double)raw / (double)stored);
    else
        out_char(o, '-');
}

struct table {
    struct out *o;
    uint64_t n, skip;
};

static int put_version(void *ctx, const struct version *v)
{
    struct table *t = ctx;
    if (t->n++ < t->skip)
        return 0;
    out_printf(t->o, "v%-8u %6llu", v->number, (unsigned long long)v->files);
    put_bytes(t->o, v->bytes, 9);
    put_bytes(t->o, v->bytes_new, 9);
    put_bytes(t->o, v->stored_new, 9);
    out_char(t->o, '\n');
    return 0;
}

static int render(const struct subject *s, struct out *o)
{
    struct store_usage u;
    int r = store_usage(s->store, &u);
    if (r < 0)
        return r;
    put_line(o, "files", u.logical);
    out_printf(o, "in %llu version%s (%llu file%s)\n", (unsigned long long)u.versions,
               u.versions == 1 ? "" : "s", (unsigned long long)u.files, u.files == 1 ? "" : "s");
    put_line(o, "distinct", u.raw_unique);
    out_printf(o, "of that, in %llu chunk%s\n", (unsigned long long)u.chunks, u.chunks == 1 ? "" : "s");
    put_line(o, "stored", u.stored);
    out_str(o, "of those, coded: ");
    put_ratio(o, u.logical, u.stored);
    out_str(o, " times smaller than the files\n");
    put_line(o, "on disk", u.disk);
    out_str(o, "of it cache/, which may be deleted at any time: ");
    figure_bytes(o, u.cache);
    out_str(o, "\n\ncodec     chunks        raw     stored  ratio\n");
    for (int i = 0; i < u.ncodec; i++) {
        if (!u.codec[i].chunks)
            continue;
        out_printf(o, "%-9s %6llu", u.codec[i].name, (unsigned long long)u.codec[i].chunks);
        put_bytes(o, u.codec[i].raw, 9);
        put_bytes(o, u.codec[i].stored, 9);
        out_str(o, "  ");
        put_ratio(o, u.codec[i].raw, u.codec[i].stored);
        out_char(o, '\n');
    }
    out_str(o, "\nversion    files       size        new     stored\n");
    struct table t = {.o = o, .skip = u.versions > NEWEST ? u.versions - NEWEST : 0};
    if (t.skip)
        out_printf(o, "%llu older ones: modelfs log\n", (unsigned long long)t.skip);
    return version_each(s->store, put_version, &t);
}

const struct report report_store = {
    .name = "store.txt",
    .version = 2,
    .inputs = INPUT_HISTORY | INPUT_RESULTS,
    .doc = "what the versions cost in bytes, by version and by technique",
    .render = render,
};
