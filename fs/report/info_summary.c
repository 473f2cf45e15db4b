/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/diff/diff.h"
#include "fs/diff/structure.h"
#include "fs/eval/eval.h"
#include "fs/report/figure.h"
#include "fs/report/origin.h"
#include "fs/report/page.h"
#include "fs/report/report.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FILES  8 /* lines of files, of blocks */
#define BLOCKS 14

static void head(const struct subject *s, struct out *o)
{
    const struct version *v = s->a;
    char hex[HASH_HEX];
    hash_hex(&v->digest, hex);
    out_printf(o, "v%u  %.12s  ", v->number, hex);
    figure_time(o, v->time_ns);
    out_str(o, "  by ");
    out_text(o, v->author, strlen(v->author), 30);
    out_char(o, '\n');
    if (*v->message) {
        out_str(o, "  ");
        out_text(o, v->message, strcspn(v->message, "\n"), 76);
        out_char(o, '\n');
    }
    for (size_t i = 0; i < v->nparents; i++) {
        const struct version *p;
        out_str(o, i ? ", " : "PARENTS  ");
        if (version_get(s->store, &v->parents[i], &p) >= 0) {
            out_printf(o, "v%u", p->number);
            version_unref(p);
        } else {
            hash_hex(&v->parents[i], hex);
            out_printf(o, "%.12s (removed)", hex);
        }
    }
    out_str(o, v->nparents ? "\n" : "PARENTS  none\n");
}

static void put_wrapped(struct out *o, size_t indent, const char *words)
{
    struct out safe = {0};
    if (words)
        out_text(&safe, words, strlen(words), 0);
    if (safe.n)
        page_wrap(o, indent, out_cstr(&safe));
    out_fini(&safe);
}

static void files(const struct version *v, const struct manifest *m, struct out *o)
{
    uint64_t shown = 0;
    out_printf(o, "FILES  %llu, ", (unsigned long long)v->files);
    figure_bytes(o, v->bytes);
    if (v->bytes_new) {
        out_str(o, "; new: ");
        figure_bytes(o, v->bytes_new);
        out_str(o, ", stored in ");
        figure_bytes(o, v->stored_new);
    } else {
        out_str(o, "; no new chunks");
    }
    out_char(o, '\n');
    for (int known = 1; known >= 0; known--) /* models first */
        for (size_t i = 0; i < m->nfiles && shown < FILES; i++) {
            const struct manifest_file *f = &m->files[i];
            size_t from = o->n;
            if (S_ISDIR(f->mode) || (f->format != FORMAT_OPAQUE) != known)
                continue;
            shown++;
            out_str(o, "  ");
            out_text(o, f->path, strlen(f->path), 40);
            figure_pad(o, from, 43);
            figure_bytes(o, f->size);
            figure_pad(o, from, 56);
            if (f->problem)
                out_str(o, "cannot be read:");
            else if (f->format != FORMAT_OPAQUE)
                out_str(o, format_name(f->format));
            while (o->n && o->p[o->n - 1] == ' ')
                o->n--;
            out_char(o, '\n');
            put_wrapped(o, 4, f->problem);
        }
    if (v->files > shown)
        out_printf(o, "  %llu more (manifest.json)\n", (unsigned long long)(v->files - shown));
}

/* ---- tensors ---- */

static void dtypes(const struct diff *d, struct out *o)
{
    size_t n[DTYPE_MAX] = {0};
    for (size_t i = 0; i < d->ntensors; i++)
        if (d->tensors[i].b->dtype < DTYPE_MAX)
            n[d->tensors[i].b->dtype]++;
    for (int t = 1; t < DTYPE_MAX; t++)
        if (n[t])
            out_printf(o, ", %zu %s", n[t], dtype_name((enum dtype)t));
}

static const char *layer_number(const char *name)
{
    const char *n = strrchr(name, ' ');
    return n && n - name >= 5 && memcmp(n - 5, "layer", 5) == 0 ? n + 1 : NULL;
}

/* The last of the layers that follow block i and are as large. */
static size_t run_of(const struct diff *d, size_t i)
{
    const struct diff_block *b = &d->blocks[i];
    const char *number = layer_number(b->name);
    size_t last = i;
    while (number && last + 1 < d->nblocks) {
        const struct diff_block *next = &d->blocks[last + 1];
        const char *n = layer_number(next->name);
        if (!n || n - next->name != number - b->name || memcmp(n - 6, number - 6, 6) ||
            next->params_b != b->params_b || next->tensors != b->tensors)
            break;
        last++;
    }
    return last;
}

static void network(const struct diff *d, struct out *o)
{
    uint64_t nonfinite = 0, bad = 0, max = 0, shown = 0;
    for (size_t i = 0; i < d->ntensors; i++) {
        uint64_t n = d->tensors[i].b->stats.nan + d->tensors[i].b->stats.inf;
        nonfinite += n;
        bad += n > 0;
    }
    out_str(o, "NETWORK  ");
    figure_count(o, d->params_b);
    out_str(o, " parameters in ");
    figure_count(o, d->tensors_b);
    out_printf(o, " tensor%s", d->tensors_b == 1 ? "" : "s");
    dtypes(d, o);
    if (nonfinite)
        out_printf(o, "; NaN or Inf: %llu in %llu tensor%s", (unsigned long long)nonfinite,
                   (unsigned long long)bad, bad == 1 ? "" : "s");
    else
        out_str(o, "; no NaN or Inf");
    out_char(o, '\n');
    for (size_t i = 0; i < d->nblocks; i++)
        max = d->blocks[i].params_b > max ? d->blocks[i].params_b : max;
    for (size_t i = 0, last; i < d->nblocks; i = last + 1) {
        const struct diff_block *b = &d->blocks[i];
        size_t from = o->n;
        last = run_of(d, i);
        if (shown++ == BLOCKS) {
            out_printf(o, "  %zu more blocks (tensors.csv)\n", d->nblocks - i);
            break;
        }
        out_str(o, "  ");
        if (last > i) {
            const char *n = layer_number(b->name);
            out_printf(o, "%.*ss %s-%s", (int)(n - 1 - b->name), b->name, n,
                       layer_number(d->blocks[last].name));
        } else {
            out_text(o, b->name, strlen(b->name), 30);
        }
        figure_pad(o, from, 34);
        figure_count(o, b->params_b);
        if (last > i)
            out_str(o, " each");
        figure_pad(o, from, 52);
        figure_bar(o, (double)b->params_b, (double)max);
        while (o->n && o->p[o->n - 1] == ' ')
            o->n--;
        out_char(o, '\n');
    }
}

/* ---- structures ---- */

static long long number(const json_t *doc, const char *key)
{
    return json_integer_value(json_object_get(doc, key));
}

static const char *text(const json_t *doc, const char *key)
{
    const char *s = json_string_value(json_object_get(doc, key));
    return s ? s : "";
}

static void booster(const struct manifest_file *f, const json_t *doc, struct out *o)
{
    const json_t *trees = json_object_get(doc, "trees"), *t;
    long long depth = 0, leaves = 0;
    size_t i;
    json_array_foreach(trees, i, t)
    {
        depth = number(t, "depth") > depth ? number(t, "depth") : depth;
        leaves += number(t, "leaves");
    }
    out_str(o, "BOOSTER  ");
    out_text(o, f->path, strlen(f->path), 30);
    out_printf(o, ": %s, ", text(doc, "booster"));
    out_text(o, text(doc, "objective"), strlen(text(doc, "objective")), 24);
    out_printf(o, "\n  %zu trees of depth <= %lld, %lld leaves, %lld features", json_array_size(trees), depth,
               leaves, number(doc, "num_feature"));
    if (number(doc, "num_class") > 1)
        out_printf(o, ", %lld classes", number(doc, "num_class"));
    out_char(o, '\n');
}

static void ports(const char *head_text, const json_t *list, struct out *o)
{
    struct figure_list l = figure_list(o, head_text, "");
    const json_t *x, *y;
    size_t i, k;
    json_array_foreach(list, i, x)
    {
        struct out item = {0};
        out_printf(&item, "%s %s [", text(x, "name"), text(x, "dtype"));
        json_array_foreach(json_object_get(x, "shape"), k, y)
        {
            out_str(&item, k ? "," : "");
            if (json_is_integer(y))
                out_printf(&item, "%lld", (long long)json_integer_value(y));
            else
                out_str(&item, json_is_string(y) ? json_string_value(y) : "?");
        }
        out_char(&item, ']');
        figure_item(&l, 0, &item);
    }
    figure_list_end(&l);
}

static void graph(const struct manifest_file *f, const json_t *doc, struct out *o)
{
    out_str(o, "GRAPH  ");
    out_text(o, f->path, strlen(f->path), 30);
    out_printf(o, ": %zu nodes, opset %lld", json_array_size(json_object_get(doc, "nodes")),
               number(json_object_get(doc, "opset"), ""));
    if (*text(doc, "producer")) {
        out_str(o, ", by ");
        out_text(o, text(doc, "producer"), strlen(text(doc, "producer")), 24);
    }
    out_char(o, '\n');
    ports("  in   ", json_object_get(doc, "inputs"), o);
    ports("  out  ", json_object_get(doc, "outputs"), o);
}

static int structures(const struct subject *s, const struct manifest *m, struct out *o)
{
    for (size_t i = 0; i < m->nfiles; i++) {
        const struct manifest_file *f = &m->files[i];
        json_t *doc;
        if (f->format != FORMAT_XGBOOST && f->format != FORMAT_ONNX)
            continue;
        int r = structure_load(s->store, f, &doc);
        if (r < 0)
            return r;
        if (f->format == FORMAT_XGBOOST)
            booster(f, doc, o);
        else
            graph(f, doc, o);
        json_decref(doc);
    }
    return 0;
}

/* ---- where it comes from, how well it does ---- */

static int lineage(const struct subject *s, const struct manifest *m, struct out *o)
{
    static const struct {
        const char *part, *head, *but;
    } lines[] = {{"data", "  data   ", ""},
                 {"code", "  code   ", ""},
                 {"model", "  model  ", " parents format params dtypes bytes digest inputs outputs opset "},
                 {"hardware.train", "  hw     ", ""}};
    json_t *record;
    int r = origin_record(s->store, s->a, m, &record);
    if (r < 0)
        return r;
    out_str(o, "LINEAGE  how known: * proved from the bytes, + seen by modelfs, ? as declared\n");
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct figure_list l = figure_list(o, lines[i].head, "lineage.json");
        for (const struct origin_field *f = origin_fields(); f->field; f++) {
            const json_t *leaf = origin_leaf(record, f->part, f->field);
            struct out item = {0};
            char word[48];
            snprintf(word, sizeof word, " %s ", f->field);
            if (!leaf || strcmp(f->part, lines[i].part) || strstr(lines[i].but, word))
                continue;
            out_printf(&item, "%s ", f->field);
            origin_text(&item, origin_value(leaf), 60);
            figure_item(&l, origin_mark(leaf), &item);
        }
        if (l.n == 0)
            out_str(o, "unknown");
        figure_list_end(&l);
    }
    json_decref(record);
    return 0;
}

static void score(const struct eval_score *x, struct out *o)
{
    int share = x->hits || (x->value >= 0 && x->value <= 1 && strcmp(x->metric, "accuracy") == 0);
    out_printf(o, "  %s ", x->metric);
    if (share)
        figure_percent(o, x->value);
    else
        out_printf(o, "%.4g", x->value);
    if (!isnan(x->lo) && share)
        out_printf(o, " [%.1f, %.1f]", 100 * x->lo, 100 * x->hi);
    else if (!isnan(x->lo))
        out_printf(o, " [%.4g, %.4g]", x->lo, x->hi);
    out_printf(o, " of %llu core rows%s\n", (unsigned long long)x->n, x->partial ? ", so far" : "");
}

/* Only what is known already: nothing is run. */
static int evaluation(const struct subject *s, struct out *o)
{
    const struct eval_set *set;
    struct eval_result *result;
    struct eval_score *v;
    size_t n, shown = 0;
    int r = eval_view(s->eval, &set);
    if (r < 0)
        return r;
    if ((r = eval_version(s->eval, s->a, EVAL_KNOWN, set, NULL, NULL, &result)) >= 0) {
        out_printf(o, "EVALUATION  set %s, ", set->revision);
        if (set->nrows == 0)
            out_str(o, "no rows (append to eval/examples.jsonl)\n");
        else if (result->problem) {
            out_str(o, "cannot be evaluated\n");
            put_wrapped(o, 2, result->problem);
            put_wrapped(o, 2, result->hint);
        } else
            out_printf(o, "%zu of %zu rows answered%s\n", result->known, set->nrows,
                       result->known ? "" : " yet (modelfs eval)");
        if (set->nrows && result->known && (r = eval_scores(result, s->arena, &v, &n)) >= 0)
            for (size_t i = 0; i < n && shown < 3; i++)
                if (strcmp(v[i].cohort, "core") == 0 && !*v[i].slice && !isnan(v[i].value)) {
                    score(&v[i], o);
                    shown++;
                }
        eval_result_free(result);
    }
    eval_view_unref(set);
    return r < 0 ? r : 0;
}

static int render(const struct subject *s, struct out *o)
{
    struct diff d;
    int r = diff_versions(s->store, s->a, s->a, 0, s->arena, s->stop, s->stop_ctx, &d);
    if (r < 0)
        return r;
    head(s, o);
    files(s->a, d.mb, o);
    if (d.tensors_b)
        network(&d, o);
    r = structures(s, d.mb, o);
    if (r >= 0)
        r = lineage(s, d.mb, o);
    if (r >= 0)
        r = evaluation(s, o);
    diff_fini(&d);
    return r;
}

const struct report report_info_summary = {
    .name = "summary.txt",
    .version = 1,
    .inputs = INPUT_HISTORY | INPUT_SET | INPUT_RESULTS,
    .doc = "one screen about a version: files, model, lineage, evaluation",
    .render = render,
};
