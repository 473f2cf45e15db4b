/* SPDX-License-Identifier: Apache-2.0 */
/* A commit at the owner. For commit*.c only. */
#pragma once
#include "store/dmap.h"
#include "store/doc.h"
#include "store/load.h"
#include "store/prepare.h"

struct commit {
    struct store *s;
    struct doc d;
    struct dmap pages, runs; /* digest -> address of the length and bytes in the document */
    struct dmap chunks;      /* digest -> id, of those the document leans on */
    struct arena arena;
    struct manifest manifest; /* as it will be, without since */
    struct commit_result result;
    const struct version *parent; /* the first, or NULL */
};

/* Everything that can be checked before the write's turn: claims the ids, and the document must make a
 * manifest that can be read. -ESTALE, -EBADMSG, -EINVAL. */
int commit_examine(struct commit *c);
/* Every chunk that was found in the store when the commit was prepared must still be there, else -ESTALE. */
int commit_recheck(struct commit *c);
/* What an entry of c->pages or c->runs stands for. */
const void *commit_entry(uint64_t address, size_t *ret_n);
/* The record under its digest, unless it is there. */
int commit_put(struct commit *c, struct db_batch *b, enum db_cf cf, const struct digest *d, const void *p,
               size_t n);
/* The page of `since` against c->parent; zero when there is nothing to say. */
int commit_since(struct commit *c, struct db_batch *b, struct digest *ret);
