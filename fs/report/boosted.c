/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/boosted.h"
#include "fs/report/figure.h"
#include <math.h>
#include <string.h>

#define MOVED 0.005 /* a share of the gain that prints as at least 1 point of change */

static void architecture(const struct diff_booster *b, struct out *o)
{
    int same = strcmp(b->objective_a, b->objective_b) == 0;
    out_printf(o, "ARCHITECTURE  %s", same && !b->io_changed ? "same: " : "");
    if (!same) {
        out_text(o, b->objective_a, strlen(b->objective_a), 24);
        out_str(o, " -> ");
    }
    out_text(o, b->objective_b, strlen(b->objective_b), 24);
    out_str(o, ", ");
    if (b->inputs_a != b->inputs_b)
        out_printf(o, "%llu -> ", (unsigned long long)b->inputs_a);
    out_printf(o, "%llu feature%s", (unsigned long long)b->inputs_b, b->inputs_b == 1 ? "" : "s");
    if (b->io_changed && b->inputs_a == b->inputs_b) {
        out_str(o, "; ");
        out_text(o, b->io_note, strlen(b->io_note), 40);
    }
    out_char(o, '\n');
}

static void trees(const struct diff_booster *b, struct out *o)
{
    int same = b->prefix == b->trees_a && b->prefix == b->trees_b;
    out_str(o, "TREES  ");
    if (same)
        out_printf(o, "identical: %zu", b->trees_b);
    else if (b->prefix == b->trees_a)
        out_printf(o, "first %zu identical (continued training), +%zu added, 0 removed", b->prefix, b->added);
    else if (b->prefix == b->trees_b)
        out_printf(o, "first %zu identical (cut back), 0 added, %zu removed", b->prefix, b->removed);
    else if (b->prefix)
        out_printf(o, "first %zu identical, then %zu changed, %zu added, %zu removed", b->prefix, b->changed,
                   b->added, b->removed);
    else
        out_printf(o, "%zu -> %zu, none in common from the start (trained anew)", b->trees_a, b->trees_b);
    out_char(o, '\n');
}

static void gain(const struct diff_booster *b, struct out *o)
{
    struct figure_list l;
    size_t moved = 0, shown = 0;
    for (size_t i = 0; i < b->nfeatures; i++)
        moved += fabs(b->features[i].gain_b - b->features[i].gain_a) >= MOVED;
    if (moved == 0)
        return;
    l = figure_list(o, "  split gain moved: ", "");
    for (size_t i = 0; i < b->nfeatures && shown < moved; i++, shown++) {
        const struct diff_feature *f = &b->features[i];
        struct out item = {0};
        out_text(&item, f->name, strlen(f->name), 30);
        out_printf(&item, " %.0f -> %.0f %%", 100 * f->gain_a, 100 * f->gain_b);
        figure_item(&l, 0, &item);
    }
    figure_list_end(&l);
}

void boosted_render(const struct diff *d, struct out *o)
{
    for (size_t i = 0; i < d->nboosters; i++) {
        const struct diff_booster *b = &d->boosters[i];
        if (d->nboosters > 1) {
            out_text(o, b->path, strlen(b->path), 76);
            out_str(o, ":\n");
        }
        architecture(b, o);
        trees(b, o);
        gain(b, o);
    }
}
