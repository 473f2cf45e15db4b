/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/looks.h"
#include "fs/diff/block.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SMALL_STEP 1e-3 /* rel_l2 of every block */
#define UNRELATED  0.1  /* cosine: of independent matrices of n values it is about 1/sqrt(n) */
#define RELATED    0.5

enum dtype looks_cast(const struct diff *d, const char *block, int undone)
{
    enum dtype to = DTYPE_NONE;
    for (size_t i = 0; i < d->ntensors; i++) {
        const struct diff_tensor *t = &d->tensors[i];
        if ((block && strcmp(t->block, block)) || !(t->status & ~(unsigned)DIFF_RENAMED))
            continue;
        if (!(undone ? t->uncast : t->cast))
            return DTYPE_NONE;
        enum dtype this = undone ? t->a->dtype : t->b->dtype;
        if (to != DTYPE_NONE && to != this)
            return DTYPE_NONE;
        to = this;
    }
    return to;
}

struct evidence {
    size_t moved, in_head, resized, only; /* tensors: changed at all, in the head, in shape, in one version */
    size_t matrices, changed;             /* of floats in both, and those of them whose values changed */
    size_t body, low;                     /* changed beyond rounding and outside the head; of low rank */
    int rank, head_beside;                /* the largest such rank; 1: the head's change is none */
    size_t whole;                         /* floats that became whole numbers */
    enum dtype whole_type;
    double cosine; /* the median over the matrices; NaN: none */
};

static unsigned moved(const struct diff_tensor *t)
{
    return t->status & ~(unsigned)DIFF_RENAMED;
}

static void count_matrix(const struct diff_tensor *t, struct evidence *e)
{
    e->matrices++;
    e->changed += moved(t) != 0;
    if (!moved(t) || (t->rank_d == 0 && !isnan(t->spec_d)))
        return;
    if (block_is_head(t->block)) {
        e->head_beside |= !t->low_rank;
        return;
    }
    e->body++;
    e->low += t->low_rank > 0;
    e->rank = t->low_rank > e->rank ? t->low_rank : e->rank;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static int gather(const struct diff *d, struct evidence *ret)
{
    double *cosines = calloc(d->ntensors + 1, sizeof *cosines);
    size_t n = 0;
    struct evidence e = {.cosine = NAN};
    if (!cosines)
        return -ENOMEM;
    for (size_t i = 0; i < d->ntensors; i++) {
        const struct diff_tensor *t = &d->tensors[i];
        unsigned status = moved(t);
        e.moved += status != 0;
        e.only += (status & (DIFF_ADDED | DIFF_DELETED)) != 0;
        e.resized += (status & (DIFF_SHAPE | DIFF_ADDED | DIFF_DELETED)) != 0;
        e.in_head += status != 0 && block_is_head(t->block);
        if (!t->a || !t->b)
            continue;
        if (dtype_is_float(t->a->dtype) && !dtype_is_float(t->b->dtype)) {
            e.whole++;
            e.whole_type = t->b->dtype;
        }
        if (t->b->rank < 2 || !dtype_is_float(t->a->dtype) || !dtype_is_float(t->b->dtype))
            continue;
        count_matrix(t, &e);
        if (!isnan(t->cos))
            cosines[n++] = t->cos;
    }
    qsort(cosines, n, sizeof *cosines, by_value);
    if (n)
        e.cosine = cosines[n / 2];
    free(cosines);
    *ret = e;
    return 0;
}

/* The head and the last of the layers moved; all the others, and all else that is large, did not. */
static int top_only(const struct diff *d)
{
    int head = 0, layers = 0, still = 0;
    uint64_t beside = 0;
    for (size_t i = 0; i < d->nblocks; i++) {
        const struct diff_block *b = &d->blocks[i];
        int changed = b->changed + b->added + b->deleted > 0;
        if (block_is_head(b->name)) {
            head |= changed;
        } else if (strstr(b->name, "layer ")) {
            if (layers && !changed)
                return 0;
            layers |= changed;
            still |= !changed;
        } else if (changed) {
            beside += b->params_b;
        }
    }
    return head && layers && still && beside <= d->params_b / 100;
}

static const struct diff_block *most_changed(const struct diff *d, double *ret)
{
    const struct diff_block *most = NULL;
    *ret = 0;
    for (size_t i = 0; i < d->nblocks; i++)
        if (d->blocks[i].changed && d->blocks[i].rel_l2 > *ret) {
            most = &d->blocks[i];
            *ret = most->rel_l2;
        }
    return most;
}

/* The first that holds. */
static void sentence(const struct diff *d, const struct evidence *e, struct out *o)
{
    enum dtype to = e->moved ? looks_cast(d, NULL, 0) : DTYPE_NONE,
               back = e->moved ? looks_cast(d, NULL, 1) : DTYPE_NONE;
    double largest;
    const struct diff_block *most = most_changed(d, &largest);
    int all = e->matrices && e->changed == e->matrices && !e->resized;
    if (e->moved == 0) {
        out_str(o, "same weights");
    } else if (to != DTYPE_NONE) {
        out_printf(o, "precision cast to %s, nothing else", dtype_name(to));
    } else if (back != DTYPE_NONE) {
        out_printf(o, "precision cast to %s undone, nothing else", dtype_name(back));
    } else if (e->whole && e->whole + e->only == e->moved) {
        out_printf(o, "weights stored as %s now, their values not compared", dtype_name(e->whole_type));
    } else if (e->in_head == e->moved && d->nblocks > 1) {
        out_str(o, e->resized ? "another head, same body" : "head retrained, body frozen");
    } else if (e->only == e->moved) {
        out_str(o, "same weights, beside what was added or removed");
    } else if (e->low && !e->resized && e->low * 10 >= e->body * 9) {
        out_printf(o, "low-rank (LoRA-style) tune, rank <= %d%s", e->rank,
                   e->head_beside ? ", and a retrained head" : "");
    } else if (e->cosine < UNRELATED) {
        out_str(o, "unrelated weights (trained from scratch or reordered)");
    } else if (!e->resized && top_only(d)) {
        out_str(o, "last layers and head retrained, the rest frozen");
    } else if (all && most && largest < SMALL_STEP) {
        out_str(o, "small continued-training step");
    } else if (!most) {
        out_str(o, "general change");
    } else {
        out_printf(o, "%s, largest in ",
                   all && e->cosine >= RELATED ? "continued training or full fine-tune" : "general change");
        out_text(o, most->name, strlen(most->name), 24);
    }
}

void looks_like(const struct diff *d, struct out *o)
{
    struct evidence e;
    int r = gather(d, &e);
    if (r < 0) {
        o->err = r;
        return;
    }
    out_str(o, "  looks like: ");
    sentence(d, &e, o);
    out_char(o, '\n');
}
