/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/diff/diff.h"
#include "fs/diff/block.h"
#include "fs/diff/booster.h"
#include "fs/diff/fresh.h"
#include "fs/diff/nodes.h"
#include "fs/diff/pair.h"
#include "fs/diff/rank.h"
#include "fs/diff/values.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>

static int read_input(void *ctx, uint64_t off, void *p, size_t n)
{
    struct file_input *in = ctx;
    int64_t got = file_read(in->store, in->file, off, p, n);
    if (got < 0)
        return (int)got;
    return (size_t)got == n ? 0 : fail(-EIO, "%s: ends before its size", in->file->path);
}

static void ahead(const struct input *in, uint64_t off, uint64_t n)
{
    struct file_input *f = in->ctx;
    file_prefetch(f->store, f->file, off, n);
}

/* What the records say of a tensor that need not be read. */
static void from_stats(struct diff_tensor *t)
{
    const struct manifest_tensor *x = t->b ? t->b : t->a;
    if (values_unreadable(x))
        return;
    if (t->a && t->b)
        t->n_cmp = x->count;
    if (!dtype_is_float(x->dtype)) {
        if (t->a && t->b)
            t->max_abs = 0;
        return;
    }
    if (t->a)
        t->l2_a = t->a->stats.norm;
    if (t->b)
        t->l2_b = t->b->stats.norm;
    if (t->a && t->b) {
        t->l2_d = t->max_abs = 0;
        t->rel_l2 = t->l2_a > 0 ? 0 : NAN;
        t->cos = t->l2_a > 0 ? 1 : NAN;
        t->note = t->l2_a > 0 ? NULL : "zero_base";
    } else if (t->b) {
        t->nan_new = x->stats.nan;
        t->inf_new = x->stats.inf;
    }
}

/* No values read: the difference of the counts is all there is. */
static void from_counts(struct diff_tensor *t)
{
    const struct tensor_stats *a = &t->a->stats, *b = &t->b->stats;
    t->nan_new = b->nan > a->nan ? b->nan - a->nan : 0;
    t->inf_new = b->inf > a->inf ? b->inf - a->inf : 0;
}

static int read_values(struct diff *d, struct values *w, struct diff_tensor *t, int (*stop)(void *ctx),
                       void *stop_ctx)
{
    const struct manifest_file *ha = pair_home(d->ma, t->file_a, t->a),
                               *hb = pair_home(d->mb, t->file_b, t->b);
    if (!ha || !hb) {
        t->note = "not read: its external file is not in the version";
        return 0;
    }
    struct file_input fa = {d->store, ha}, fb = {d->store, hb};
    struct input ia = {read_input, &fa, ha->size, ha->path}, ib = {read_input, &fb, hb->size, hb->path};
    struct values_side a = {t->a, &ia, ahead}, b = {t->b, &ib, ahead};
    int r = values_compare(w, &a, &b, stop, stop_ctx, t);
    if (r < 0 || t->n_cmp == 0 || (r = rank_measure(&a, &b, stop, stop_ctx, t)) < 0)
        return r;
    /* with another dtype or shape, values tell whether it was also modified; so they do without a digest */
    int moved = t->status & DIFF_DTYPE ? t->n_val && !t->cast : t->n_bits != 0;
    t->status = (t->status & ~(unsigned)DIFF_MODIFIED) | (moved ? DIFF_MODIFIED : 0);
    return 0;
}

static int compare_tensors(struct diff *d, int values, int (*stop)(void *ctx), void *stop_ctx)
{
    struct values *w = values ? values_new() : NULL;
    int r = !values || w ? 0 : fail(-ENOMEM, "out of memory");
    for (size_t i = 0; r >= 0 && i < d->ntensors; i++) {
        struct diff_tensor *t = &d->tensors[i];
        if (!(t->status & (DIFF_MODIFIED | DIFF_DTYPE | DIFF_SHAPE)))
            from_stats(t);
        else if (values)
            r = read_values(d, w, t, stop, stop_ctx);
        else
            from_counts(t);
    }
    values_free(w);
    return r < 0 ? r : 0;
}

static void add_up(struct diff *d)
{
    d->same = 1;
    for (size_t i = 0; i < d->nfiles; i++) {
        d->same &= d->files[i].status == 0;
        d->bytes_a += d->files[i].a ? d->files[i].a->size : 0;
        d->bytes_b += d->files[i].b ? d->files[i].b->size : 0;
    }
    for (size_t i = 0; i < d->ntensors; i++) {
        const struct diff_tensor *t = &d->tensors[i];
        if (t->a && dtype_is_float(t->a->dtype))
            d->params_a += t->a->count;
        if (t->b && dtype_is_float(t->b->dtype))
            d->params_b += t->b->count;
        if (t->b && t->status & (DIFF_MODIFIED | DIFF_DTYPE | DIFF_SHAPE | DIFF_ADDED)) {
            d->changed_tensors++;
            d->changed_bytes += t->b->len;
        }
        d->nan_new += t->nan_new;
        d->inf_new += t->inf_new;
        d->nonfinite_tensors += t->nan_new || t->inf_new;
    }
}

int diff_versions(struct store *s, const struct version *va, const struct version *vb, int values,
                  struct arena *a, int (*stop)(void *ctx), void *stop_ctx, struct diff *ret)
{
    struct diff d = {.store = s};
    int r;
    if ((r = manifest_get(s, va, &d.ma)) < 0 || (r = manifest_get(s, vb, &d.mb)) < 0 ||
        (r = pair_files(d.ma, d.mb, a, &d)) < 0 || (r = pair_tensors(d.ma, d.mb, a, &d)) < 0 ||
        (r = fresh_count(&d)) < 0 || (r = compare_tensors(&d, values, stop, stop_ctx)) < 0 ||
        (r = block_sum(&d, a)) < 0 || (r = booster_all(&d, a)) < 0 || (r = nodes_all(&d, a)) < 0) {
        diff_fini(&d);
        return r;
    }
    add_up(&d);
    *ret = d;
    return 0;
}

void diff_fini(struct diff *d)
{
    if (d->ma)
        manifest_unref(d->store, d->ma);
    if (d->mb)
        manifest_unref(d->store, d->mb);
    d->ma = d->mb = NULL;
}
