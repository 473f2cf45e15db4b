/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/diff/block.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static size_t component(const char *s)
{
    return strcspn(s, ".");
}

/* "…layer.4.…" -> where its word begins; *ret_number is "4.…". NULL: no layer in it. */
static const char *layer_in(const char *name, const char **ret_number)
{
    static const char *const words[] = {"layer", "layers", "block", "blocks", "h"};
    for (const char *s = name; *s;) {
        size_t n = component(s);
        for (size_t i = 0; s[n] == '.' && i < sizeof words / sizeof *words; i++) {
            size_t digits = strspn(s + n + 1, "0123456789");
            if (strlen(words[i]) == n && memcmp(s, words[i], n) == 0 && digits &&
                (s[n + 1 + digits] == '.' || s[n + 1 + digits] == 0)) {
                *ret_number = s + n + 1;
                return s;
            }
        }
        s += n + (s[n] == '.');
    }
    return NULL;
}

/* How many leading components two texts share; each ends with its dot. */
static size_t shared_components(const char *a, size_t na, const char *b, size_t nb)
{
    size_t shared = 0;
    for (size_t i = 0; i < na && i < nb && a[i] == b[i]; i++)
        shared += a[i] == '.';
    return shared;
}

void block_add(struct block_names *s, const char *model, const char *name)
{
    const char *number, *layer = layer_in(name, &number);
    if (s->count++ == 0) {
        s->model = model;
        s->models = 1;
        s->first = name;
        s->shared = component(name) + 1;
        if (!name[component(name)])
            s->shared = 0;
    }
    if (s->models == 1 && strcmp(s->model, model))
        s->models = 2;
    if (s->shared && strncmp(s->first, name, s->shared))
        s->shared = 0;
    if (!layer)
        return;
    size_t n = (size_t)(layer - name);
    if (!s->stack) {
        s->stack = name;
        s->stack_len = n;
        s->stacks = 1;
    } else if (s->stack_len != n || memcmp(s->stack, name, n)) {
        size_t shared = shared_components(s->stack, s->stack_len, name, n);
        s->same = s->stacks == 1 || shared < s->same ? shared : s->same;
        s->stacks = 2;
    }
}

static const char *skip_components(const char *s, size_t n)
{
    for (; n; n--)
        s += component(s) + 1;
    return s;
}

/* "unet/diffusion.safetensors" -> "unet", "optimizer.pt" -> "optimizer" */
static const char *model_word(struct arena *a, const char *model)
{
    const char *slash = strchr(model, '/'), *dot = strrchr(model, '.');
    return arena_strndup(a, model,
                         slash ? (size_t)(slash - model)
                         : dot ? (size_t)(dot - model)
                               : strlen(model));
}

static const char *plain_name(const struct block_names *s, const char *name)
{
    const char *number, *layer = layer_in(name, &number);
    if (layer) {
        int digits = (int)strspn(number, "0123456789");
        if (s->stacks == 1)
            return arena_printf(s->arena, "layer %.*s", digits, number);
        const char *which = skip_components(name, s->same);
        if (which >= layer)
            return arena_printf(s->arena, "layer %.*s", digits, number);
        return arena_printf(s->arena, "%.*s layer %.*s", (int)component(which), which, digits, number);
    }
    size_t skip = s->shared;
    if (!skip && s->stack && s->stack_len && (s->stacks == 1 || s->same)) {
        size_t wrapper = component(s->stack) + 1;
        if (strncmp(name, s->stack, wrapper) == 0)
            skip = wrapper;
    }
    const char *rest = name + skip;
    size_t n = component(rest);
    if (strspn(rest, "0123456789") == n && skip) /* "net.0", not "0" */
        return arena_strndup(s->arena, name, skip + n);
    return arena_strndup(s->arena, rest, n);
}

const char *block_name(const struct block_names *s, const char *model, const char *name)
{
    const char *plain = plain_name(s, name);
    if (!plain || s->models == 1)
        return plain;
    const char *word = model_word(s->arena, model);
    return word ? arena_printf(s->arena, "%s: %s", word, plain) : NULL;
}

static const char *after_model(const char *block)
{
    const char *colon = strstr(block, ": ");
    return colon ? colon + 2 : block;
}

int block_is_head(const char *block)
{
    static const char *const heads[] = {"head",   "lm_head", "classifier", "score",  "cls",
                                        "logits", "output",  "fc_out",     "pooler", "out_proj"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (strcasecmp(after_model(block), heads[i]) == 0)
            return 1;
    return 0;
}

static int rank(const char *block)
{
    const char *b = after_model(block);
    if (strncmp(b, "embed", 5) == 0 || strcmp(b, "wte") == 0 || strcmp(b, "wpe") == 0 ||
        strcmp(b, "stem") == 0)
        return 0;
    if (strstr(b, "layer "))
        return 1;
    return block_is_head(block) ? 3 : 2;
}

int block_order(const char *a, const char *b)
{
    size_t ma = (size_t)(after_model(a) - a), mb = (size_t)(after_model(b) - b);
    if (ma != mb || memcmp(a, b, ma))
        return 0; /* models in the order of their files */
    int ra = rank(a), rb = rank(b);
    if (ra != rb || ra != 1)
        return (ra > rb) - (ra < rb);
    const char *la = strstr(after_model(a), "layer "), *lb = strstr(after_model(b), "layer ");
    size_t sa = (size_t)(la - a), sb = (size_t)(lb - b);
    if (sa != sb || memcmp(a, b, sa))
        return strcmp(a, b) < 0 ? -1 : 1;
    unsigned long long na = strtoull(la + 6, NULL, 10), nb = strtoull(lb + 6, NULL, 10);
    return (na > nb) - (na < nb);
}

/* ---- the blocks of a diff ---- */

struct sum {
    struct diff_block block;
    const char *model;
    size_t first; /* the place of its first tensor */
    double dd, aa;
    int compared;
};

static int by_name(const void *a, const void *b)
{
    const struct diff_tensor *x = *(const struct diff_tensor *const *)a;
    const struct diff_tensor *y = *(const struct diff_tensor *const *)b;
    int c = strcmp(x->block, y->block);
    return c ? c : (x > y) - (x < y);
}

/* Where a tensor stands in its file: what the order of blocks follows. */
static uint64_t place(const struct diff_tensor *t)
{
    return t->b ? t->b->off : t->a->off;
}

static int by_order(const void *a, const void *b)
{
    const struct sum *x = a, *y = b;
    int c = strcmp(x->model, y->model);
    if (c == 0)
        c = block_order(x->block.name, y->block.name);
    if (c == 0)
        c = (x->first > y->first) - (x->first < y->first);
    return c ? c : strcmp(x->block.name, y->block.name);
}

static void add(struct sum *s, const struct diff_tensor *t)
{
    s->block.tensors++;
    s->block.added += t->status == DIFF_ADDED;
    s->block.deleted += t->status == DIFF_DELETED;
    s->block.changed += (t->status & (DIFF_MODIFIED | DIFF_DTYPE | DIFF_SHAPE)) != 0;
    s->block.nan_new += t->nan_new;
    s->block.inf_new += t->inf_new;
    if (t->a && dtype_is_float(t->a->dtype))
        s->block.params_a += t->a->count;
    if (t->b && dtype_is_float(t->b->dtype))
        s->block.params_b += t->b->count;
    s->block.matrices += t->rank_d > 0;
    s->block.low += t->low_rank > 0;
    s->block.high += t->high_rank;
    s->block.rank = t->low_rank > s->block.rank ? t->low_rank : s->block.rank;
    if (!isnan(t->l2_d)) {
        s->dd += t->l2_d * t->l2_d;
        s->aa += t->l2_a * t->l2_a;
        s->compared = 1;
    }
}

int block_sum(struct diff *d, struct arena *a)
{
    struct block_names names = {.arena = a};
    size_t n = d->ntensors;
    struct diff_tensor **t = arena_array(a, n, sizeof *t);
    struct sum *s = arena_array(a, n, sizeof *s);
    if (!t || !s)
        return fail(-ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++) {
        t[i] = &d->tensors[i];
        block_add(&names, t[i]->model, (t[i]->b ? t[i]->b : t[i]->a)->name);
    }
    for (size_t i = 0; i < n; i++)
        if (!(t[i]->block = block_name(&names, t[i]->model, (t[i]->b ? t[i]->b : t[i]->a)->name)))
            return fail(-ENOMEM, "out of memory");
    qsort(t, n, sizeof *t, by_name);
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(t[i]->block, t[i - 1]->block))
            s[k++] = (struct sum){.block = {.name = t[i]->block}, .model = t[i]->model, .first = place(t[i])};
        s[k - 1].first = place(t[i]) < s[k - 1].first ? place(t[i]) : s[k - 1].first;
        add(&s[k - 1], t[i]);
    }
    qsort(s, k, sizeof *s, by_order);
    if (!(d->blocks = arena_array(a, k, sizeof *d->blocks)))
        return fail(-ENOMEM, "out of memory");
    for (size_t i = 0; i < k; i++) {
        s[i].block.rel_l2 = s[i].compared && s[i].aa > 0 ? sqrt(s[i].dd / s[i].aa) : NAN;
        d->blocks[i] = s[i].block;
    }
    d->nblocks = k;
    return 0;
}
