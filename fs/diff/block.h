/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tensors in blocks, as people speak of a network: "embeddings", "layer 4", "head".
 *
 * The block of "bert.encoder.layer.4.output.dense.weight" is "layer 4": the first number after layer(s),
 * block(s) or h. Any other name's is its first component, without one that all names (or all layers) share:
 * "bert.embeddings.word.weight" -> "embeddings". Where a network has several stacks of layers, the component
 * in which they differ goes before ("decoder layer 4"); where a version has several models, the model's
 * ("unet: layer 4").
 */
#pragma once
#include "fs/diff/diff.h"

/* Names as a set, then the block of each: two passes, since a block's name depends on all of them. */
struct block_names {
    struct arena *arena;
    const char *model; /* of the first name */
    int models;        /* 1, 2: one, or several */
    const char *first; /* the first name */
    size_t shared;     /* bytes of its first component (with the dot) while all begin with it, else 0 */
    const char *stack; /* what stands before the first layer's word; NULL: no layers yet */
    size_t stack_len;
    size_t same; /* leading components that all stacks share */
    int stacks;  /* 1, 2: one, or several */
    int count;
};
void block_add(struct block_names *s, const char *model, const char *name);
const char *block_name(const struct block_names *s, const char *model, const char *name); /* NULL: memory */

/* -1, 0, 1: embeddings and the like first, then layers in number order and the rest as they came, heads last.
 * 0: as they came. */
int block_order(const char *a, const char *b);
int block_is_head(const char *block);

/* Sets each tensor's block, then blocks and nblocks of d from the tensors' numbers. */
int block_sum(struct diff *d, struct arena *a);
