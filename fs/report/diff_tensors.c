/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/diff/rank.h"
#include "fs/report/figure.h"
#include "fs/report/report.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const columns[] = {"name",
                                      "old_name",
                                      "file",
                                      "block",
                                      "status",
                                      "dtype_a",
                                      "dtype_b",
                                      "shape_a",
                                      "shape_b",
                                      "digest_a",
                                      "digest_b",
                                      "bytes_b",
                                      "bytes_new",
                                      "n",
                                      "n_cmp",
                                      "n_bits",
                                      "n_val",
                                      "frac_val",
                                      "l2_a",
                                      "l2_b",
                                      "l2_d",
                                      "rel_l2",
                                      "cos",
                                      "max_abs",
                                      "max_at",
                                      "mean_a",
                                      "mean_b",
                                      "std_a",
                                      "std_b",
                                      "eps_q",
                                      "noise_ratio",
                                      "spec_d",
                                      "spec_a",
                                      "srank_d",
                                      "rank_d",
                                      "lora_like",
                                      "nan_a",
                                      "nan_b",
                                      "inf_a",
                                      "inf_b",
                                      "nonfinite_moved",
                                      "note"};

static void put_status(struct out *o, const struct diff_tensor *t)
{
    static const struct {
        unsigned bit;
        char letter;
    } letters[] = {{DIFF_MODIFIED, 'M'}, {DIFF_ADDED, 'A'}, {DIFF_DELETED, 'D'},
                   {DIFF_RENAMED, 'R'},  {DIFF_DTYPE, 'T'}, {DIFF_SHAPE, 'S'}};
    char text[8];
    size_t n = 0;
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        if (t->status & letters[i].bit)
            text[n++] = letters[i].letter;
    text[n] = 0;
    if (n)
        out_csv(o, text);
    else
        out_str(o, ",="); /* past the guard against formulas: alone it is none */
}

static void put_shape(struct out *o, const struct manifest_tensor *t)
{
    struct out text = {0};
    if (t)
        figure_shape(&text, t);
    out_csv(o, t ? out_cstr(&text) : "");
    out_fini(&text);
}

static void put_digest(struct out *o, const struct manifest_tensor *t)
{
    static const struct digest none;
    char hex[HASH_HEX] = "";
    if (t && memcmp(&t->digest, &none, sizeof none)) {
        hash_hex(&t->digest, hex);
        hex[16] = 0;
    }
    out_csv(o, hex);
}

static double stat_of(const struct manifest_tensor *t, double x)
{
    return t && dtype_is_float(t->dtype) && t->count ? x : NAN;
}

static void put_count(struct out *o, int applies, uint64_t n)
{
    if (applies)
        out_csv_u64(o, n);
    else
        out_csv_empty(o);
}

/* As many digits as every BLAS agrees on. */
static void put_short(struct out *o, double x)
{
    struct out text = {0};
    if (!isnan(x))
        out_printf(&text, "%.4g", x);
    out_csv(o, isnan(x) ? "" : out_cstr(&text));
    out_fini(&text);
}

static void put_row(struct out *o, const struct diff_tensor *t)
{
    const struct manifest_tensor *a = t->a, *b = t->b, *x = b ? b : a;
    int both = a && b, measured = both && t->n_cmp > 0, fa = a && dtype_is_float(a->dtype),
        fb = b && dtype_is_float(b->dtype);
    double eps = both && fa && fb ? values_rounding(a->dtype, b->dtype) : NAN;
    out_csv(o, x->name);
    out_csv(o, a && t->status & DIFF_RENAMED ? a->name : "");
    out_csv(o, t->file_b ? t->file_b->path : t->file_a->path);
    out_csv(o, t->block);
    put_status(o, t);
    out_csv(o, a ? dtype_name(a->dtype) : "");
    out_csv(o, b ? dtype_name(b->dtype) : "");
    put_shape(o, a);
    put_shape(o, b);
    put_digest(o, a);
    put_digest(o, b);
    put_count(o, b != NULL, b ? b->len : 0);
    put_count(o, b != NULL, t->bytes_new);
    put_count(o, b != NULL, b ? b->count : 0);
    put_count(o, both, t->n_cmp);
    put_count(o, measured && !(t->status & DIFF_DTYPE), t->n_bits);
    put_count(o, measured, t->n_val);
    out_csv_num(o, measured ? (double)t->n_val / (double)t->n_cmp : NAN);
    out_csv_num(o, t->l2_a);
    out_csv_num(o, t->l2_b);
    out_csv_num(o, t->l2_d);
    out_csv_num(o, t->rel_l2);
    out_csv_num(o, t->cos);
    out_csv_num(o, t->max_abs);
    put_count(o, t->max_abs > 0, t->max_at);
    out_csv_num(o, stat_of(a, a ? a->stats.mean : NAN));
    out_csv_num(o, stat_of(b, b ? b->stats.mean : NAN));
    out_csv_num(o, stat_of(a, a ? a->stats.std : NAN));
    out_csv_num(o, stat_of(b, b ? b->stats.std : NAN));
    out_csv_num(o, eps);
    out_csv_num(o, t->rel_l2 / eps);
    put_short(o, t->spec_d);
    put_short(o, t->spec_a);
    put_short(o, t->srank_d);
    if (t->rank_d == RANK_MORE)
        out_csv(o, ">64");
    else
        put_count(o, t->rank_d > 0, (uint64_t)t->rank_d);
    put_count(o, t->rank_d > 0, t->low_rank > 0);
    put_count(o, fa, fa ? a->stats.nan : 0);
    put_count(o, fb, fb ? b->stats.nan : 0);
    put_count(o, fa, fa ? a->stats.inf : 0);
    put_count(o, fb, fb ? b->stats.inf : 0);
    put_count(o, measured && fa && fb, t->nonfinite_moved);
    out_csv(o, t->note);
    out_csv_end(o);
}

static int render(const struct subject *s, struct out *o)
{
    struct diff d;
    int r = diff_versions(s->store, s->a, s->b, 1, s->arena, s->stop, s->stop_ctx, &d);
    if (r < 0)
        return r;
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        out_csv(o, columns[i]);
    out_csv_end(o);
    for (size_t i = 0; i < d.ntensors; i++)
        put_row(o, &d.tensors[i]);
    diff_fini(&d);
    return 0;
}

const struct report report_diff_tensors = {
    .name = "tensors.csv",
    .version = 2,
    .slow = 1,
    .doc = "each tensor of either version: what changed in it, by how much",
    .render = render,
};
