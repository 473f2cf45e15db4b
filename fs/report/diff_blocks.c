/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/diff/diff.h"
#include "fs/report/report.h"

static const char *const columns[] = {"block",    "tensors", "changed", "added",   "removed", "params_a",
                                      "params_b", "rel_l2",  "nan_new", "inf_new", "low_rank"};

static void put_row(struct out *o, const struct diff_block *b)
{
    out_csv(o, b->name);
    out_csv_u64(o, b->tensors);
    out_csv_u64(o, b->changed);
    out_csv_u64(o, b->added);
    out_csv_u64(o, b->deleted);
    out_csv_u64(o, b->params_a);
    out_csv_u64(o, b->params_b);
    out_csv_num(o, b->rel_l2);
    out_csv_u64(o, b->nan_new);
    out_csv_u64(o, b->inf_new);
    if (b->matrices && b->low == b->matrices)
        out_csv_u64(o, (uint64_t)b->rank);
    else
        out_csv_empty(o);
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
    for (size_t i = 0; i < d.nblocks; i++)
        put_row(o, &d.blocks[i]);
    diff_fini(&d);
    return 0;
}

const struct report report_diff_blocks = {
    .name = "blocks.csv",
    .version = 2,
    .slow = 1,
    .doc = "each block of the network: how many tensors changed, by how much together",
    .render = render,
};
