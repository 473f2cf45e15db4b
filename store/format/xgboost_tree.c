/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tree is arrays over its nodes; node 0 is the root, a child of -1 makes a leaf (xgboost's tree_model.cc).
 * Its digest is SHA-256 over the nodes reached, each before its left and then its right subtree
 * (little-endian):
 *
 *   split = 1:u8 feature:u32 categorical:u8 condition:f32 default_left:u8 base_weight:f32*
 *   leaf  = 0:u8 value:f32 base_weight:f32*
 *   then the four arrays of categories, each its length:u32 and i64*
 *
 * with one quiet NaN for all NaNs. Gains and covers, which do not say what a tree predicts, are not in it.
 */
#include "store/format/xgboost_tree.h"
#include "store/base/fail.h"
#include "store/base/wire.h"
#include "store/format/layout.h"
#include <math.h>
#include <stdlib.h>

#define MAX_NODES    (1 << 26)
#define MAX_CATEGORY (1 << 24) /* XGBoost's own limit: categories are exact as f32 */

enum { LEFT, RIGHT, FEATURE, CONDITION, DEFAULT_LEFT, LOSS, HESSIAN, PER_NODE };
static const char *const names[PER_NODE] = {
    [LEFT] = "left_children",         [RIGHT] = "right_children",      [FEATURE] = "split_indices",
    [CONDITION] = "split_conditions", [DEFAULT_LEFT] = "default_left", [LOSS] = "loss_changes",
    [HESSIAN] = "sum_hessian",
};
enum { CATEGORIES, CATEGORY_NODES, CATEGORY_SEGMENTS, CATEGORY_SIZES, CATEGORY_ARRAYS };
static const char *const category_names[CATEGORY_ARRAYS] = {"categories", "categories_nodes",
                                                            "categories_segments", "categories_sizes"};

enum { REACHED = 1, CATEGORICAL = 2 };

struct tree {
    const struct input *in;
    size_t number;
    const json_t *per_node[PER_NODE], *weights, *types, *parents, *categories[CATEGORY_ARRAYS];
    size_t n, weights_per_node;
    int64_t num_feature;
    char *marks;      /* (n) REACHED, CATEGORICAL */
    struct out bytes; /* to be digested */
    struct out *splits;
    struct xgboost_tree *ret;
};

struct todo {
    uint32_t node, depth;
};

static int bad(const struct tree *t, const char *what, uint64_t node)
{
    fail(-EBADMSG, "%s: tree %zu: %s (node %llu of %zu)", t->in->name, t->number, what,
         (unsigned long long)node, t->n);
    return -EBADMSG; /* itself, so that the compiler sees that it is negative */
}

int xgboost_tree_int(const json_t *v, int64_t *ret)
{
    const char *s = json_string_value(v);
    char *end;
    if (json_is_integer(v)) {
        *ret = json_integer_value(v);
        return 1;
    }
    if (!s || !*s)
        return 0;
    errno = 0;
    long long x = strtoll(s, &end, 10);
    if (errno || *end)
        return 0;
    *ret = x;
    return 1;
}

int xgboost_tree_number(const json_t *v, double *ret)
{
    const char *s = json_string_value(v);
    char *end;
    if (json_is_number(v)) {
        *ret = json_number_value(v);
        return 1;
    }
    if (json_is_boolean(v)) {
        *ret = json_is_true(v);
        return 1;
    }
    if (!s || !*s)
        return 0;
    if (strcmp(s, "?") == 0) {
        *ret = NAN;
        return 1;
    }
    *ret = strtod(s, &end);
    return *end == 0;
}

static int int_at(const struct tree *t, const json_t *array, size_t i, int64_t *ret)
{
    const json_t *v = json_array_get(array, i);
    if (json_is_boolean(v))
        *ret = json_is_true(v);
    else if (!xgboost_tree_int(v, ret))
        return bad(t, "no integer", i);
    return 0;
}

/* XGBoost computes in f32; its JSON text is the shortest that reads back as the same f32. */
static int f32_at(const struct tree *t, const json_t *array, size_t i, float *ret)
{
    double x;
    if (!xgboost_tree_number(json_array_get(array, i), &x))
        return bad(t, "no number", i);
    *ret = (float)x;
    return 0;
}

static int put_f32(struct tree *t, const json_t *array, size_t i)
{
    float f;
    int r = f32_at(t, array, i, &f);
    if (r < 0)
        return r;
    uint32_t bits = 0x7fc00000;
    if (!isnan(f))
        memcpy(&bits, &f, 4);
    wire_put_u32(&t->bytes, bits);
    return 0;
}

static int put_weights(struct tree *t, size_t node)
{
    int r = 0;
    for (size_t k = 0; k < t->weights_per_node && r == 0; k++)
        r = put_f32(t, t->weights, node * t->weights_per_node + k);
    return r;
}

static int split(struct tree *t, uint32_t node)
{
    int64_t feature, categorical = 0, default_left;
    struct xgboost_split s = {.order = (uint32_t)(t->splits->n / sizeof s)};
    int r = int_at(t, t->per_node[FEATURE], node, &feature);
    if (r == 0 && t->types)
        r = int_at(t, t->types, node, &categorical);
    if (r == 0)
        r = int_at(t, t->per_node[DEFAULT_LEFT], node, &default_left);
    if (r == 0)
        r = f32_at(t, t->per_node[LOSS], node, &s.gain);
    if (r == 0)
        r = f32_at(t, t->per_node[HESSIAN], node, &s.cover);
    if (r < 0)
        return r;
    if (feature < 0 || feature >= t->num_feature)
        return bad(t, "a split on a feature out of range", node);
    if (categorical && !(t->marks[node] & CATEGORICAL))
        return bad(t, "a categorical split without categories", node);
    wire_put_u8(&t->bytes, 1);
    wire_put_u32(&t->bytes, (uint32_t)feature);
    wire_put_u8(&t->bytes, categorical != 0);
    if ((r = put_f32(t, t->per_node[CONDITION], node)) < 0)
        return r;
    wire_put_u8(&t->bytes, default_left != 0);
    s.feature = (uint32_t)feature;
    out_write(t->splits, &s, sizeof s);
    return put_weights(t, node);
}

static int leaf(struct tree *t, uint32_t node)
{
    wire_put_u8(&t->bytes, 0);
    int r = put_f32(t, t->per_node[CONDITION], node);
    t->ret->leaves++;
    return r < 0 ? r : put_weights(t, node);
}

/* The children of a node, both 0 for a leaf: a root is nobody's child. */
static int children(const struct tree *t, uint32_t node, uint32_t *left, uint32_t *right)
{
    int64_t l, r;
    int err = int_at(t, t->per_node[LEFT], node, &l);
    if (err == 0)
        err = int_at(t, t->per_node[RIGHT], node, &r);
    if (err < 0)
        return err;
    *left = *right = 0;
    if (l == -1 && r == -1)
        return 0;
    if (l <= 0 || r <= 0 || (uint64_t)l >= t->n || (uint64_t)r >= t->n)
        return bad(t, "a child out of range", node);
    *left = (uint32_t)l;
    *right = (uint32_t)r;
    return 0;
}

/* stack holds n: every node is pushed at most once */
static int walk(struct tree *t, struct todo *stack)
{
    size_t top = 0;
    stack[top++] = (struct todo){0, 0};
    t->marks[0] |= REACHED;
    while (top) {
        struct todo at = stack[--top];
        uint32_t child[2];
        int r = children(t, at.node, &child[0], &child[1]);
        if (r < 0)
            return r;
        t->ret->nodes++;
        if (at.depth > t->ret->depth)
            t->ret->depth = at.depth;
        if ((r = child[0] ? split(t, at.node) : leaf(t, at.node)) < 0)
            return r;
        for (int i = 1; child[0] && i >= 0; i--) {
            if (t->marks[child[i]] & REACHED)
                return bad(t, "a child that is reached twice", at.node);
            t->marks[child[i]] |= REACHED;
            stack[top++] = (struct todo){child[i], at.depth + 1};
        }
    }
    return 0;
}

static int find_arrays(struct tree *t, const json_t *tree)
{
    int64_t n;
    if (!xgboost_tree_int(json_object_get(json_object_get(tree, "tree_param"), "num_nodes"), &n) || n < 1 ||
        n > MAX_NODES)
        return bad(t, "no number of nodes", 0);
    t->n = (size_t)n;
    for (int i = 0; i < PER_NODE; i++) {
        t->per_node[i] = json_object_get(tree, names[i]);
        if (json_array_size(t->per_node[i]) != t->n)
            return fail(-EBADMSG, "%s: tree %zu: %s has %zu values, expected %zu", t->in->name, t->number,
                        names[i], json_array_size(t->per_node[i]), t->n);
    }
    t->weights = json_object_get(tree, "base_weights");
    t->types = json_object_get(tree, "split_type");
    t->parents = json_object_get(tree, "parents");
    size_t weights = json_array_size(t->weights);
    t->weights_per_node = weights / t->n;
    if (weights % t->n || (t->types && json_array_size(t->types) != t->n) ||
        json_array_size(t->parents) != t->n)
        return fail(-EBADMSG, "%s: tree %zu: base_weights, split_type or parents are not of %zu nodes",
                    t->in->name, t->number, t->n);
    return 0;
}

/* XGBoost puts a tree where its id says, and looks at the parent of every node but the root, reached or not.
 */
static int check_places(const struct tree *t, const json_t *tree)
{
    int64_t id, parent;
    if (!xgboost_tree_int(json_object_get(tree, "id"), &id) || id < 0 || (uint64_t)id != t->number)
        return fail(-EBADMSG, "%s: tree %zu: its id is another", t->in->name, t->number);
    for (size_t i = 1; i < t->n; i++) {
        int r = int_at(t, t->parents, i, &parent);
        if (r < 0)
            return r;
        if (parent < 0 || (uint64_t)parent >= t->n)
            return bad(t, "a parent out of range", i);
    }
    return 0;
}

/* Each categorical node, in ascending order, has a segment (start, size) of the array of categories. */
static int check_categories(struct tree *t, const json_t *tree)
{
    size_t n[CATEGORY_ARRAYS];
    int64_t before = -1;
    for (int k = 0; k < CATEGORY_ARRAYS; k++) {
        t->categories[k] = json_object_get(tree, category_names[k]);
        n[k] = json_array_size(t->categories[k]);
        if (n[k] > UINT32_MAX || (k > CATEGORY_NODES && n[k] != n[CATEGORY_NODES]))
            return fail(-EBADMSG, "%s: tree %zu: %s has %zu values", t->in->name, t->number,
                        category_names[k], n[k]);
    }
    for (size_t i = 0; i < n[CATEGORY_NODES]; i++) {
        int64_t node, begin, size;
        int r = int_at(t, t->categories[CATEGORY_NODES], i, &node);
        if (r == 0)
            r = int_at(t, t->categories[CATEGORY_SEGMENTS], i, &begin);
        if (r == 0)
            r = int_at(t, t->categories[CATEGORY_SIZES], i, &size);
        if (r < 0)
            return r;
        if (node <= before || (uint64_t)node >= t->n || begin < 0 || size < 1 ||
            (uint64_t)begin > n[CATEGORIES] || (uint64_t)size > n[CATEGORIES] - (uint64_t)begin)
            return bad(t, "categories out of range", i);
        t->marks[node] |= CATEGORICAL;
        before = node;
    }
    for (size_t i = 0; i < n[CATEGORIES]; i++) {
        int64_t x;
        int r = int_at(t, t->categories[CATEGORIES], i, &x);
        if (r < 0 || x < 0 || x >= MAX_CATEGORY)
            return r < 0 ? r : bad(t, "a category out of range", i);
    }
    return 0;
}

static int put_categories(struct tree *t)
{
    int r = 0;
    for (int k = 0; k < CATEGORY_ARRAYS; k++) {
        size_t n = json_array_size(t->categories[k]);
        int64_t x = 0;
        wire_put_u32(&t->bytes, (uint32_t)n);
        for (size_t i = 0; i < n && r == 0; i++) {
            r = int_at(t, t->categories[k], i, &x);
            wire_put_u64(&t->bytes, (uint64_t)x);
        }
    }
    return r;
}

int xgboost_tree_read(const struct input *in, size_t number, const json_t *tree, int64_t num_feature,
                      struct out *splits, struct xgboost_tree *ret)
{
    struct xgboost_tree read = {0};
    struct tree t = {.in = in, .number = number, .num_feature = num_feature, .splits = splits, .ret = &read};
    int r = find_arrays(&t, tree);
    if (r == 0)
        r = check_places(&t, tree);
    if (r < 0)
        return r;
    struct todo *stack = calloc(t.n, sizeof *stack);
    t.marks = calloc(t.n, 1);
    r = stack && t.marks ? check_categories(&t, tree) : layout_nomem(in);
    if (r == 0)
        r = walk(&t, stack);
    if (r == 0)
        r = put_categories(&t);
    if (r == 0 && (out_error(&t.bytes) || out_error(splits)))
        r = layout_nomem(in);
    if (r == 0) {
        hash_sha256(t.bytes.p, t.bytes.n, &read.digest);
        *ret = read;
    }
    free(stack);
    free(t.marks);
    out_fini(&t.bytes);
    return r;
}
