/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each node gets two hashes: `own`, over its operator, attributes and the types of the weights it reads; and
 * `deep`, over own and, for each input, the deep hash of the node it comes from (a graph input by its name).
 * Nodes with equal deep hashes are the same and see the same. Of the rest, those with equal own hashes are
 * the same with something else before them, unless everything before both of them is the same: then they are
 * wired differently, which counts as changed. What is left with an equal operator is changed, and then added
 * or removed. ONNX lists nodes in topological order, so one pass suffices.
 */
#include "fs/diff/nodes.h"
#include "fs/diff/structure.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct node {
    uint64_t op, own, deep;
    size_t first, ninputs; /* inputs as indices of nodes in `from`, -1: none */
    int same;              /* has a partner by deep */
    int taken;             /* has any partner */
};
struct value { /* a name in the graph: what it is */
    const char *name;
    uint64_t hash;
    int64_t node; /* -1: no node's output */
};
struct graph {
    struct node *nodes; /* (n) */
    size_t n;
    int64_t *from;
    struct value *values; /* open addressing, (cap) a power of two */
    size_t cap;
};

static int no_memory(void)
{
    return fail(-ENOMEM, "out of memory");
}

static uint64_t mix(uint64_t h, const void *p, size_t n)
{
    uint64_t x[2] = {h, hash_xxh3(p, n)};
    return hash_xxh3(x, sizeof x);
}

static uint64_t mix_text(uint64_t h, const char *s)
{
    return mix(h, s ? s : "", s ? strlen(s) : 0);
}

static struct value *value_at(struct graph *g, const char *name)
{
    size_t i = hash_xxh3(name, strlen(name)) & (g->cap - 1);
    while (g->values[i].name && strcmp(g->values[i].name, name))
        i = (i + 1) & (g->cap - 1);
    return &g->values[i];
}

static void value_set(struct graph *g, const char *name, uint64_t hash, int64_t node)
{
    if (name && *name)
        *value_at(g, name) = (struct value){name, hash, node};
}

static uint64_t tensor_hash(const struct manifest_tensor *t)
{
    uint32_t dtype = t->dtype;
    uint64_t h = mix(mix_text(0, "initializer"), &dtype, sizeof dtype);
    return t->rank ? mix(h, t->shape, t->rank * sizeof *t->shape) : h;
}

static void read_node(struct graph *g, const json_t *doc, size_t i, size_t *inputs)
{
    struct node *n = &g->nodes[i];
    const json_t *x;
    size_t k;
    n->op = mix_text(mix_text(0, json_string_value(json_object_get(doc, "domain"))),
                     json_string_value(json_object_get(doc, "op")));
    n->own = n->deep = mix_text(n->op, json_string_value(json_object_get(doc, "attrs")));
    n->first = *inputs;
    json_array_foreach(json_object_get(doc, "in"), k, x)
    {
        const char *name = json_string_value(x);
        const struct value *v = name && *name ? value_at(g, name) : NULL;
        uint64_t hash = v && v->name ? v->hash : mix_text(0, v ? "elsewhere" : "absent");
        int64_t node = v && v->name ? v->node : -1;
        n->deep = mix(n->deep, &hash, sizeof hash);
        if (node < 0) /* a weight, a graph input: part of what the node is */
            n->own = mix(n->own, &hash, sizeof hash);
        else
            n->own = mix_text(n->own, "computed");
        g->from[(*inputs)++] = node;
        n->ninputs++;
    }
    json_array_foreach(json_object_get(doc, "out"), k, x)
    {
        value_set(g, json_string_value(x), mix(n->deep, &k, sizeof k), (int64_t)i);
    }
}

static int read_graph(const struct nodes_side *s, struct arena *arena, struct graph *g)
{
    const json_t *nodes = json_object_get(s->doc, "nodes"), *inputs = json_object_get(s->doc, "inputs"), *x;
    size_t i, edges = 0, names = json_array_size(inputs) + s->ntensors;
    json_array_foreach(nodes, i, x)
    {
        edges += json_array_size(json_object_get(x, "in"));
        names += json_array_size(json_object_get(x, "out"));
    }
    for (g->cap = 16; g->cap < 2 * names; g->cap *= 2)
        ;
    g->n = json_array_size(nodes);
    g->nodes = arena_array(arena, g->n, sizeof *g->nodes);
    g->from = arena_array(arena, edges, sizeof *g->from);
    g->values = arena_array(arena, g->cap, sizeof *g->values);
    if (!g->nodes || !g->from || !g->values)
        return no_memory();
    json_array_foreach(inputs, i, x)
    {
        const char *name = json_string_value(json_object_get(x, "name"));
        value_set(g, name, mix_text(mix_text(0, "input"), name), -1);
    }
    for (i = 0; i < s->ntensors; i++)
        value_set(g, s->tensors[i].name, tensor_hash(&s->tensors[i]), -1);
    edges = 0;
    json_array_foreach(nodes, i, x)
    {
        read_node(g, x, i, &edges);
    }
    return 0;
}

/* ---- partners ---- */

static int by_deep(const void *a, const void *b)
{
    uint64_t x = (*(struct node *const *)a)->deep, y = (*(struct node *const *)b)->deep;
    return x != y ? (x > y) - (x < y) : (*(char *const *)a > *(char *const *)b) ? 1 : -1;
}
static int by_own(const void *a, const void *b)
{
    uint64_t x = (*(struct node *const *)a)->own, y = (*(struct node *const *)b)->own;
    return x != y ? (x > y) - (x < y) : (*(char *const *)a > *(char *const *)b) ? 1 : -1;
}
static int by_op(const void *a, const void *b)
{
    uint64_t x = (*(struct node *const *)a)->op, y = (*(struct node *const *)b)->op;
    return x != y ? (x > y) - (x < y) : (*(char *const *)a > *(char *const *)b) ? 1 : -1;
}

enum key { DEEP, OWN, OP };
static uint64_t key_of(const struct node *n, enum key k)
{
    return k == DEEP ? n->deep : k == OWN ? n->own : n->op;
}

/* Everything that comes into the node is the same in the other graph. */
static int at_the_edge(const struct graph *g, const struct node *n)
{
    for (size_t i = 0; i < n->ninputs; i++) {
        int64_t from = g->from[n->first + i];
        if (from >= 0 && !g->nodes[from].same)
            return 0;
    }
    return 1;
}

static size_t left(const struct graph *g, struct node **v)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++)
        if (!g->nodes[i].taken)
            v[n++] = &g->nodes[i];
    return n;
}

/* Pairs what is left by one key; returns how many pairs count as changed. */
static size_t partners(struct graph *a, struct graph *b, enum key key, struct node **va, struct node **vb)
{
    int (*const order[])(const void *, const void *) = {by_deep, by_own, by_op};
    size_t na = left(a, va), nb = left(b, vb), changed = 0;
    qsort(va, na, sizeof *va, order[key]);
    qsort(vb, nb, sizeof *vb, order[key]);
    for (size_t i = 0, j = 0; i < na && j < nb;) {
        uint64_t x = key_of(va[i], key), y = key_of(vb[j], key);
        if (x < y) {
            i++;
        } else if (x > y) {
            j++;
        } else {
            struct node *p = va[i++], *q = vb[j++];
            p->taken = q->taken = 1;
            p->same = q->same = key == DEEP;
            changed += key == OP || (key == OWN && at_the_edge(a, p) && at_the_edge(b, q));
        }
    }
    return changed;
}

/* ---- what goes in and out ---- */

static void put_shape(struct out *o, const json_t *v)
{
    const json_t *shape = json_object_get(v, "shape"), *x;
    size_t i;
    const char *type = json_string_value(json_object_get(v, "dtype"));
    out_printf(o, "%s [", type ? type : "?");
    json_array_foreach(shape, i, x)
    {
        out_str(o, i ? "," : "");
        if (json_is_integer(x))
            out_printf(o, "%lld", (long long)json_integer_value(x));
        else
            out_char(o, '?');
    }
    out_char(o, ']');
}

static const json_t *find(const json_t *list, const char *name)
{
    const json_t *x;
    size_t i;
    json_array_foreach(list, i, x)
    {
        const char *s = json_string_value(json_object_get(x, "name"));
        if (s && strcmp(s, name) == 0)
            return x;
    }
    return NULL;
}

/* Writes the first difference and returns 1; 0: none. Free dimensions are equal whatever their names. */
static int io_differs(const char *what, const json_t *a, const json_t *b, struct out *o)
{
    const json_t *x;
    size_t i;
    json_array_foreach(a, i, x)
    {
        const char *name = json_string_value(json_object_get(x, "name"));
        const json_t *y = name ? find(b, name) : NULL;
        size_t mark = o->n;
        if (name && !y) {
            out_printf(o, "%s \"%s\" is gone", what, name);
            return 1;
        }
        out_printf(o, "%s \"%s\" ", what, name ? name : "");
        size_t from = o->n;
        put_shape(o, x);
        size_t n = o->n - from;
        out_str(o, " -> ");
        size_t to = o->n;
        put_shape(o, y);
        if (y && !out_error(o) && (o->n - to != n || memcmp(o->p + from, o->p + to, n)))
            return 1;
        o->n = mark;
    }
    json_array_foreach(b, i, x)
    {
        const char *name = json_string_value(json_object_get(x, "name"));
        if (name && !find(a, name)) {
            out_printf(o, "new %s \"%s\" ", what, name);
            put_shape(o, x);
            return 1;
        }
    }
    return 0;
}

static int compare_io(const json_t *a, const json_t *b, struct arena *arena, struct diff_graph *ret)
{
    struct out o = {0};
    ret->io_changed = io_differs("input", json_object_get(a, "inputs"), json_object_get(b, "inputs"), &o) ||
                      io_differs("output", json_object_get(a, "outputs"), json_object_get(b, "outputs"), &o);
    ret->io_note = ret->io_changed ? arena_strdup(arena, out_cstr(&o)) : NULL;
    int failed = out_error(&o) < 0 || (ret->io_changed && !ret->io_note);
    out_fini(&o);
    return failed ? no_memory() : 0;
}

static int64_t opset(const json_t *doc)
{
    return json_integer_value(json_object_get(json_object_get(doc, "opset"), ""));
}

int nodes_compare(const struct nodes_side *a, const struct nodes_side *b, struct arena *arena,
                  struct diff_graph *ret)
{
    struct graph ga = {0}, gb = {0};
    struct diff_graph d = {0};
    int r;
    if ((r = read_graph(a, arena, &ga)) < 0 || (r = read_graph(b, arena, &gb)) < 0 ||
        (r = compare_io(a->doc, b->doc, arena, &d)) < 0)
        return r;
    struct node **va = arena_array(arena, ga.n, sizeof *va), **vb = arena_array(arena, gb.n, sizeof *vb);
    if (!va || !vb)
        return no_memory();
    for (enum key k = DEEP; k <= OP; k++)
        d.changed += partners(&ga, &gb, k, va, vb);
    d.nodes_a = ga.n;
    d.nodes_b = gb.n;
    d.removed = left(&ga, va);
    d.added = left(&gb, vb);
    d.opset_a = opset(a->doc);
    d.opset_b = opset(b->doc);
    *ret = d;
    return 0;
}

int nodes_all(struct diff *d, struct arena *a)
{
    struct structure_pair *p;
    size_t n;
    int r = structure_pairs(d, FORMAT_ONNX, a, &p, &n);
    if (r < 0)
        return r;
    if (!(d->graphs = arena_array(a, n, sizeof *d->graphs)))
        return no_memory();
    for (size_t i = 0; i < n; i++) {
        json_t *x = NULL, *y = NULL;
        if ((r = structure_load(d->store, p[i].a, &x)) >= 0 &&
            (r = structure_load(d->store, p[i].b, &y)) >= 0) {
            struct nodes_side sx = {x, p[i].a->tensors, p[i].a->ntensors},
                              sy = {y, p[i].b->tensors, p[i].b->ntensors};
            r = nodes_compare(&sx, &sy, a, &d->graphs[i]);
        }
        json_decref(x);
        json_decref(y);
        if (r < 0)
            return r;
        d->graphs[i].path = p[i].b->path;
        d->ngraphs++;
    }
    return 0;
}
