/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XGBoost's models since 1.0: {"learner": {…}, "version": [1,7,4]} as JSON or, since 1.6, as UBJSON (the
 * layout is documented in xgboost's doc/model.schema). Everything an index is taken from when the model
 * predicts is checked. The older binary format ("binf") says nothing of its layout: it is kept as it is, and
 * a line says how to write a newer one.
 */
#include "store/base/fail.h"
#include "store/format/layout.h"
#include "store/format/ubj.h"
#include "store/format/xgboost_tree.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FEATURES 10000000
#define MAX_GROUPS   65536 /* classes or targets: so many numbers a row */

struct booster {
    const struct input *in;
    const json_t *doc, *learner, *model; /* model: of trees, or linear */
    const char *name;                    /* gbtree, dart, gblinear */
    int64_t features, classes, targets, parallel;
    struct xgboost_tree *trees; /* (ntrees) */
    size_t ntrees;
    struct out splits; /* struct xgboost_split */
};

static const json_t *at(const json_t *v, const char *a, const char *b)
{
    v = json_object_get(v, a);
    return b ? json_object_get(v, b) : v;
}

/* An integer of a parameter block, `otherwise` when it is not there, within [least, most]. */
static int param(const struct booster *b, const json_t *block, const char *key, int64_t otherwise,
                 int64_t least, int64_t most, int64_t *ret)
{
    const json_t *v = json_object_get(block, key);
    *ret = otherwise;
    if ((v && !xgboost_tree_int(v, ret)) || *ret < least || *ret > most)
        return fail(-EBADMSG, "%s: booster: %s is not between %lld and %lld", b->in->name, key,
                    (long long)least, (long long)most);
    return 0;
}

static int64_t groups(const struct booster *b)
{
    int64_t n = b->classes > b->targets ? b->classes : b->targets;
    return n > 1 ? n : 1;
}

static int check_count(const struct booster *b, const char *what, const json_t *array, size_t expected)
{
    return json_array_size(array) == expected ? 0
                                              : fail(-EBADMSG, "%s: booster: %s has %zu values, expected %zu",
                                                     b->in->name, what, json_array_size(array), expected);
}

static int check_tree_info(const struct booster *b, const json_t *info)
{
    int r = check_count(b, "tree_info", info, b->ntrees);
    for (size_t i = 0; i < b->ntrees && r == 0; i++) {
        const json_t *v = json_array_get(info, i);
        if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) >= groups(b))
            r = fail(-EBADMSG, "%s: booster: tree %zu: its class is out of range", b->in->name, i);
    }
    return r;
}

/* Since 2.0: where each round's trees begin, ascending, from 0 to their number. */
static int check_rounds(const struct booster *b)
{
    const json_t *rounds = json_object_get(b->model, "iteration_indptr");
    int64_t before = 0;
    for (size_t i = 0; i < json_array_size(rounds); i++) {
        const json_t *v = json_array_get(rounds, i);
        int64_t x = json_integer_value(v);
        if (!json_is_integer(v) || x < before || (i == 0 && x != 0) || (uint64_t)x > b->ntrees)
            return fail(-EBADMSG, "%s: booster: iteration_indptr: value %zu is out of range", b->in->name, i);
        before = x;
    }
    return 0;
}

static int read_trees(struct booster *b)
{
    const json_t *trees = json_object_get(b->model, "trees"),
                 *block = json_object_get(b->model, "gbtree_model_param");
    int64_t promised;
    b->ntrees = json_array_size(trees);
    int r = json_is_array(trees) ? param(b, block, "num_trees", -1, 0, INT32_MAX, &promised)
                                 : fail(-EBADMSG, "%s: booster: no trees", b->in->name);
    if (r == 0 && (uint64_t)promised != b->ntrees)
        r = fail(-EBADMSG, "%s: booster: num_trees is %lld, there are %zu trees", b->in->name,
                 (long long)promised, b->ntrees);
    if (r == 0)
        r = param(b, block, "num_parallel_tree", 1, 1, INT32_MAX, &b->parallel);
    if (r == 0)
        r = check_tree_info(b, json_object_get(b->model, "tree_info"));
    if (r == 0)
        r = check_rounds(b);
    if (r == 0 && !(b->trees = calloc(b->ntrees ? b->ntrees : 1, sizeof *b->trees)))
        r = layout_nomem(b->in);
    for (size_t i = 0; i < b->ntrees && r == 0; i++)
        r = xgboost_tree_read(b->in, i, json_array_get(trees, i), b->features, &b->splits, &b->trees[i]);
    return r;
}

static int read_learner(struct booster *b)
{
    const json_t *block = json_object_get(b->learner, "learner_model_param"),
                 *gradient = json_object_get(b->learner, "gradient_booster");
    if (!json_is_object(block))
        return fail(-EBADMSG, "%s: booster: no learner_model_param", b->in->name);
    int r = param(b, block, "num_feature", -1, 0, MAX_FEATURES, &b->features);
    if (r == 0)
        r = param(b, block, "num_class", 0, 0, MAX_GROUPS, &b->classes);
    if (r == 0)
        r = param(b, block, "num_target", 1, 0, MAX_GROUPS, &b->targets);
    if (r < 0)
        return r;
    size_t named = json_array_size(json_object_get(b->learner, "feature_names")),
           features = (size_t)b->features;
    if (named && named != features)
        return fail(-EBADMSG, "%s: booster: %zu feature names, %zu features", b->in->name, named, features);
    if (strcmp(b->name, "gbtree") == 0)
        return read_trees(b);
    if (strcmp(b->name, "dart") == 0) {
        r = read_trees(b);
        return r < 0 ? r : check_count(b, "weight_drop", json_object_get(gradient, "weight_drop"), b->ntrees);
    }
    if (strcmp(b->name, "gblinear") == 0)
        return check_count(b, "weights", json_object_get(b->model, "weights"),
                           (features + 1) * (size_t)groups(b));
    return fail(-EBADMSG, "%s: unknown booster \"%s\"", b->in->name, b->name);
}

static int by_feature(const void *a, const void *b)
{
    const struct xgboost_split *x = a, *y = b;
    return x->feature != y->feature ? (x->feature < y->feature ? -1 : 1) : x->order < y->order ? -1 : 1;
}

static void put_gain(struct booster *b, struct out *o)
{
    struct xgboost_split *s = (struct xgboost_split *)(void *)b->splits.p;
    size_t n = b->splits.n / sizeof *s;
    if (n)
        qsort(s, n, sizeof *s, by_feature);
    out_str(o, ",\"gain\":{");
    for (size_t i = 0, end; i < n; i = end) {
        double gain = 0, cover = 0;
        for (end = i; end < n && s[end].feature == s[i].feature; end++) {
            gain += s[end].gain;
            cover += s[end].cover;
        }
        out_printf(o, "%s\"%u\":[", i ? "," : "", s[i].feature);
        layout_number(o, gain);
        out_char(o, ',');
        layout_number(o, cover);
        out_printf(o, ",%zu]", end - i);
    }
    out_char(o, '}');
}

static void put_trees(const struct booster *b, struct out *o)
{
    const json_t *info = json_object_get(b->model, "tree_info");
    char hex[HASH_HEX];
    out_str(o, ",\"trees\":[");
    for (size_t i = 0; i < b->ntrees; i++) {
        hash_hex(&b->trees[i].digest, hex);
        out_printf(o, "%s{\"digest\":\"%.32s\",\"nodes\":%u,\"leaves\":%u,\"depth\":%u,\"class\":%lld}",
                   i ? "," : "", hex, b->trees[i].nodes, b->trees[i].leaves, b->trees[i].depth,
                   (long long)json_integer_value(json_array_get(info, i)));
    }
    out_char(o, ']');
}

/* A value copied as it is; nothing when it is not there or of another kind. */
static void put_json(struct out *o, const char *key, const json_t *v, json_type type)
{
    if (!v || json_typeof(v) != type)
        return;
    out_printf(o, ",\"%s\":", key);
    layout_value(o, v);
}

static int write_structure(struct booster *b, const char *encoding, struct arena *a, struct layout *ret)
{
    const json_t *block = json_object_get(b->learner, "learner_model_param");
    struct out o = {0};
    double score;
    int64_t best;
    out_printf(&o, "{\"encoding\":\"%s\",\"booster\":\"%s\"", encoding, b->name); /* one of three names */
    put_json(&o, "version", json_object_get(b->doc, "version"), JSON_ARRAY);
    put_json(&o, "objective", at(b->learner, "objective", "name"), JSON_STRING);
    out_printf(&o, ",\"num_class\":%lld,\"num_target\":%lld,\"num_feature\":%lld", (long long)b->classes,
               (long long)b->targets, (long long)b->features);
    if (xgboost_tree_number(json_object_get(block, "base_score"), &score)) {
        out_str(&o, ",\"base_score\":");
        layout_number(&o, score);
    }
    put_json(&o, "features", json_object_get(b->learner, "feature_names"), JSON_ARRAY);
    put_json(&o, "feature_types", json_object_get(b->learner, "feature_types"), JSON_ARRAY);
    out_str(&o, ",\"best_iteration\":");
    if (xgboost_tree_int(at(b->learner, "attributes", "best_iteration"), &best))
        out_printf(&o, "%lld", (long long)best);
    else
        out_str(&o, "null");
    if (b->trees) {
        out_printf(&o, ",\"num_parallel_tree\":%lld", (long long)b->parallel);
        put_trees(b, &o);
        put_gain(b, &o);
    }
    out_char(&o, '}');
    int r = layout_structure(a, &o, ret);
    out_fini(&o);
    return r;
}

/* JSON has no such numbers, but XGBoost writes them (conditions of categorical splits are NaN): outside
 * strings they become strings of the same length, which stand for them as in UBJSON. */
static void quote_nonfinite(char *p, size_t n)
{
    static const struct {
        const char *from, *to;
    } words[] = {{"NaN", "\"?\""}, {"-Infinity", "\"-inf\"   "}, {"Infinity", "\"inf\"   "}};
    int in_string = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '"')
            in_string = !in_string;
        else if (in_string)
            i += p[i] == '\\';
        else if (p[i] == 'N' || p[i] == 'I' || p[i] == '-')
            for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
                size_t k = strlen(words[w].from);
                if (n - i >= k && memcmp(p + i, words[w].from, k) == 0) {
                    memcpy(p + i, words[w].to, k);
                    i += k - 1;
                    break;
                }
            }
    }
}

/* Told by its first bytes: '{' and, as first key, "learner" (or its being among the first at all). */
enum kind { NO, MAYBE, SURE };
static enum kind look(const char *p, size_t n, int *ubj)
{
    size_t i = 0;
    while (i < n && isspace((unsigned char)p[i]))
        i++;
    if (i == n || p[i++] != '{')
        return NO;
    while (i < n && isspace((unsigned char)p[i]))
        i++;
    const char *found = memmem(p, n, "learner", 7);
    if (i == n || !found)
        return NO;
    *ubj = p[i] != '"';
    if (*ubj && !strchr("iUIlL$#N", p[i]))
        return NO;
    return found - (p + i) <= 9 ? SURE : MAYBE;
}

static int read_document(const struct input *in, int ubj, json_t **ret)
{
    if (in->size > FORMAT_MAX_HEADER)
        return fail(-EBADMSG, "%s: booster of %llu bytes, more than %u", in->name,
                    (unsigned long long)in->size, FORMAT_MAX_HEADER);
    size_t n = (size_t)in->size;
    char *p = malloc(n);
    if (!p)
        return layout_nomem(in);
    int r = input_read(in, 0, p, n);
    if (r == 0 && !ubj)
        quote_nonfinite(p, n);
    if (r == 0)
        r = ubj ? ubj_parse(in, p, n, ret) : layout_json(in, p, n, ret);
    free(p);
    return r;
}

static int read_booster(struct booster *b, struct arena *a, int ubj, struct layout *ret)
{
    int r = read_learner(b);
    if (r == 0)
        r = layout_opaque(b->in, a, ret);
    if (r == 0)
        r = write_structure(b, ubj ? "ubj" : "json", a, ret);
    free(b->trees);
    out_fini(&b->splits);
    ret->format = FORMAT_XGBOOST;
    return r < 0 ? r : 1;
}

int xgboost_parse(const struct input *in, struct arena *a, struct layout *ret)
{
    char head[512];
    size_t n = in->size < sizeof head ? (size_t)in->size : sizeof head;
    int ubj = 0, r = input_read(in, 0, head, n);
    if (r >= 0 && n >= 8 && memcmp(head, "binf", 4) == 0)
        return fail(-EBADMSG,
                    "%s: XGBoost's old binary format; in Python booster.save_model(\"model.ubj\") "
                    "writes one that is read",
                    in->name);
    enum kind kind = r < 0 ? NO : look(head, n, &ubj);
    if (kind == NO)
        return r;
    json_t *doc = NULL;
    if ((r = read_document(in, ubj, &doc)) < 0)
        return kind == SURE || r != -EBADMSG ? r : 0;
    struct booster b = {.in = in, .doc = doc, .learner = json_object_get(doc, "learner")};
    const json_t *gradient = json_object_get(b.learner, "gradient_booster");
    b.name = json_string_value(json_object_get(gradient, "name"));
    b.model = at(gradient, "model", NULL);
    if (!b.model) /* dart wraps a gbtree */
        b.model = at(gradient, "gbtree", "model");
    if (b.name && b.model)
        r = read_booster(&b, a, ubj, ret);
    else
        r = kind == SURE && !gradient ? fail(-EBADMSG, "%s: booster: no gradient_booster", in->name) : 0;
    json_decref(doc);
    return r;
}
