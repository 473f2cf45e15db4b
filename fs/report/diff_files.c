/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/diff/diff.h"
#include "fs/report/report.h"
#include <string.h>

static const char *const columns[] = {"path",    "old_path",  "status",   "format",   "bytes_a",
                                      "bytes_b", "bytes_new", "sha256_a", "sha256_b", "problem"};

static const char *status_of(const struct diff_file *f)
{
    return f->status & DIFF_ADDED      ? "added"
           : f->status & DIFF_DELETED  ? "deleted"
           : f->status & DIFF_RENAMED  ? "renamed"
           : f->status & DIFF_MODIFIED ? "changed"
                                       : "same";
}

static void put_size(struct out *o, const struct manifest_file *f)
{
    if (f)
        out_csv_u64(o, f->size);
    else
        out_csv_empty(o);
}

static void put_sha256(struct out *o, const struct manifest_file *f)
{
    char hex[HASH_HEX] = "";
    if (f)
        hash_hex(&f->sha256, hex);
    out_csv(o, hex);
}

static void put_row(struct out *o, const struct diff_file *f)
{
    const struct manifest_file *x = f->b ? f->b : f->a;
    out_csv(o, f->path);
    out_csv(o, f->status & DIFF_RENAMED ? f->a->path : "");
    out_csv(o, status_of(f));
    out_csv(o, format_name(x->format));
    put_size(o, f->a);
    put_size(o, f->b);
    if (f->b)
        out_csv_u64(o, f->bytes_new);
    else
        out_csv_empty(o);
    put_sha256(o, f->a);
    put_sha256(o, f->b);
    out_csv(o, x->problem);
    out_csv_end(o);
}

static int render(const struct subject *s, struct out *o)
{
    struct diff d;
    int r = diff_versions(s->store, s->a, s->b, 0, s->arena, s->stop, s->stop_ctx, &d);
    if (r < 0)
        return r;
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        out_csv(o, columns[i]);
    out_csv_end(o);
    for (size_t i = 0; i < d.nfiles; i++)
        put_row(o, &d.files[i]);
    diff_fini(&d);
    return 0;
}

const struct report report_diff_files = {
    .name = "files.csv",
    .version = 1,
    .doc = "each file of either version: added, removed, renamed, changed",
    .render = render,
};
