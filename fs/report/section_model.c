/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/diff/structure.h"
#include "fs/report/boosted.h"
#include "fs/report/figure.h"
#include "fs/report/section.h"
#include "fs/report/weights.h"
#include <stdio.h>
#include <string.h>

/* ---- which kinds of model the two versions are ---- */

struct family {
    size_t boosters, trees, graphs, nodes, tensors;
    uint64_t params;
};

static int look(const struct diff *d, const struct manifest *m, struct family *ret)
{
    for (size_t i = 0; i < m->nfiles; i++) {
        const struct manifest_file *f = &m->files[i];
        json_t *doc = NULL;
        if (f->format != FORMAT_XGBOOST && f->format != FORMAT_ONNX)
            continue;
        int r = structure_load(d->store, f, &doc);
        if (r < 0)
            return r;
        if (f->format == FORMAT_XGBOOST) {
            ret->boosters++;
            ret->trees += json_array_size(json_object_get(doc, "trees"));
        } else {
            ret->graphs++;
            ret->nodes += json_array_size(json_object_get(doc, "nodes"));
        }
        json_decref(doc);
    }
    return 0;
}

static int is_network(const struct family *f)
{
    return f->tensors || f->graphs;
}

static void name_family(const struct family *f, struct out *o)
{
    if (f->boosters)
        out_printf(o, "booster (%zu tree%s)", f->trees, f->trees == 1 ? "" : "s");
    if (f->boosters && is_network(f))
        out_str(o, " and ");
    if (f->tensors) {
        out_str(o, "network (");
        figure_count(o, f->tensors);
        out_printf(o, " tensor%s, ", f->tensors == 1 ? "" : "s");
        figure_count(o, f->params);
        out_str(o, " parameters)");
    } else if (f->graphs) {
        out_printf(o, "graph (%zu nodes, no weights)", f->nodes);
    }
    if (!f->boosters && !is_network(f))
        out_str(o, "no file of a known format");
}

/* ---- alerts ---- */

static void alert_numbers(const struct diff *d, struct out *o)
{
    size_t named = 0, full = 0;
    if (d->nonfinite_tensors == 0)
        return;
    const char *what = d->nan_new && d->inf_new ? "NaN and Inf" : d->nan_new ? "NaN" : "Inf";
    struct out line = {0};
    out_printf(&line, "ALERT %zu tensor%s gained %s (", d->nonfinite_tensors,
               d->nonfinite_tensors == 1 ? "" : "s", what);
    for (size_t i = 0; i < d->ntensors && named < 3 && !full; i++) {
        const struct diff_tensor *t = &d->tensors[i];
        struct out item = {0};
        if (!t->nan_new && !t->inf_new)
            continue;
        unsigned long long n = t->nan_new + t->inf_new;
        out_text(&item, t->b->name, strlen(t->b->name), 40);
        out_printf(&item, " %llu value%s", n, n == 1 ? "" : "s");
        if (named && line.n + item.n > 70)
            full = 1;
        else
            out_printf(&line, "%s%s", named++ ? ", " : "", out_cstr(&item));
        out_fini(&item);
    }
    if (named < d->nonfinite_tensors)
        out_str(&line, ", ...");
    out_printf(o, "%s)\n", out_cstr(&line));
    out_fini(&line);
}

/* A model file that could not be read, where one could before. */
static void alert_unreadable(const struct diff *d, struct out *o)
{
    for (size_t i = 0; i < d->nfiles; i++) {
        const struct diff_file *f = &d->files[i];
        if (!f->b || !f->b->problem || !f->status)
            continue;
        size_t from = o->n;
        out_str(o, "ALERT ");
        out_text(o, f->path, strlen(f->path), 30);
        out_str(o, ": ");
        out_text(o, f->b->problem, strlen(f->b->problem), 80 - (o->n - from));
        out_str(o, "\n");
    }
}

void section_alerts(const struct diff *d, struct out *o)
{
    alert_unreadable(d, o);
    alert_numbers(d, o);
}

/* ---- the rest ---- */

static void graphs(const struct diff *d, struct out *o)
{
    for (size_t i = 0; i < d->ngraphs; i++) {
        const struct diff_graph *g = &d->graphs[i];
        if (!(g->added || g->removed || g->changed || g->opset_a != g->opset_b))
            continue;
        out_str(o, "GRAPH  ");
        out_text(o, g->path, strlen(g->path), 24);
        out_printf(o, ": of %zu nodes %zu added, %zu removed, %zu changed", g->nodes_b, g->added, g->removed,
                   g->changed);
        if (g->opset_a != g->opset_b)
            out_printf(o, "; opset %lld -> %lld", (long long)g->opset_a, (long long)g->opset_b);
        out_char(o, '\n');
    }
}

static void other_files(const struct diff *d, struct out *o)
{
    struct figure_list l;
    int any = 0;
    for (size_t i = 0; i < d->nfiles; i++) {
        const struct diff_file *f = &d->files[i];
        const struct manifest_file *x = f->b ? f->b : f->a;
        struct out item = {0};
        if (!f->status || x->format != FORMAT_OPAQUE)
            continue;
        if (!any++)
            l = figure_list(o, "FILES  of no known format: ", "files.csv");
        out_printf(&item, "%s%s", f->path,
                   f->status & DIFF_ADDED     ? " added"
                   : f->status & DIFF_DELETED ? " removed"
                   : f->status & DIFF_RENAMED ? " renamed"
                                              : " changed");
        figure_item(&l, 0, &item);
    }
    if (any)
        figure_list_end(&l);
}

int section_model(const struct diff *d, struct out *o)
{
    struct family a = {.tensors = d->tensors_a, .params = d->params_a},
                  b = {.tensors = d->tensors_b, .params = d->params_b};
    int r = look(d, d->ma, &a);
    if (r < 0 || (r = look(d, d->mb, &b)) < 0)
        return r;
    int network = is_network(&a) && is_network(&b), booster = a.boosters && b.boosters;
    if ((!network && !booster) || !a.boosters != !b.boosters || is_network(&a) != is_network(&b)) {
        out_str(o, "MODEL  ");
        name_family(&a, o);
        out_str(o, " -> ");
        name_family(&b, o);
        out_char(o, '\n');
        if ((a.boosters && is_network(&b)) || (is_network(&a) && b.boosters))
            out_str(o, "  trees and weights cannot be compared; what both answer on the same rows can\n");
    }
    if (network && (a.tensors || b.tensors)) {
        weights_architecture(d, o);
        weights_blocks(d, o);
    }
    if (booster)
        boosted_render(d, o);
    graphs(d, o);
    other_files(d, o);
    return out_error(o);
}
