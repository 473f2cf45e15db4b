/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The evaluation set in memory: every row that is active or waits for a label, found by id and by input.
 * A row is durable before anyone sees it. Of this folder only: eval.h is what others use.
 */
#pragma once
#include "fs/eval/eval.h"
#include "fs/eval/settings.h"
#include <pthread.h>

struct set_row {
    struct row row; /* first: views show rows */
    struct row_stamp stamp;
    enum row_state state; /* ROW_ACTIVE or ROW_UNLABELLED; ROW_RETIRED while that is being written */
    struct digest text;   /* of the stored form */
    unsigned refs;        /* atomic */
    size_t change;        /* (m) 1 + the change, not yet durable, that made it; 0: settled */
};

/* E<epoch>.<step>; serial counts all revisions and is what rows are stamped with. */
struct set_revision {
    unsigned epoch, step;
    uint64_t serial;
};

struct set {
    struct store *store;
    pthread_mutex_t lock;      /* guards all below: (m) */
    pthread_cond_t settled;    /* `served` has grown */
    struct settings *settings; /* in force */
    void *by_id, *by_input;    /* trees of set_row, those being written too */
    struct set_row **rows;     /* (nrows) settled ones, by seq; each a reference */
    size_t nrows, cap;
    size_t coming;                    /* rows that batches being written will add */
    uint64_t next_seq, last_seq;      /* to the next row; of the newest settled one */
    struct set_revision given, shown; /* to the newest writer; of the settled rows */
    struct set_revision *revs;        /* (nrevs) all there were, ascending */
    size_t nrevs, caprevs;
    uint64_t tickets, served; /* batches begun, settled */
    uint64_t unlabelled, rejected, retired;
    const struct eval_set *view; /* of what is settled; NULL until asked for */
};

int set_open(struct store *s, struct set **ret);
void set_close(struct set *s);
struct settings *set_settings(struct set *s); /* the caller unrefs it */
int set_configure(struct set *s, const struct eval_writer *w, const char *name, const void *p, size_t n);
void set_revision_name(const struct set_revision *r, char ret[32]);

/* A row out of its stored form; the caller holds the one reference. */
int set_row_make(const char *p, size_t n, const struct settings *with, enum row_state state, uint64_t seq,
                 struct set_row **ret);
/* Its stored form. One at a time: making it raises counts inside JSON values that other threads may read. */
void set_row_text(const struct set_row *r, struct out *o);
struct set_row *set_row_ref(struct set_row *r);
void set_row_unref(struct set_row *r);

/* With the lock held. */
void set_settle(struct set *s);                /* waits until nobody is writing */
int set_reload(struct set *s);                 /* reads all rows anew; nobody may be writing */
int set_revs_reserve(struct set *s, size_t n); /* room for n more revisions */
void set_revs_add(struct set *s, const struct set_revision *r);
struct set_row *set_find_id(const struct set *s, const struct row *key);
struct set_row *set_find_input(const struct set *s, const struct row *key);
int set_index_put(struct set *s, struct set_row *r); /* adds r, or replaces the row of its id and input */
void set_index_remove(struct set *s, const struct set_row *r);
size_t set_place(const struct set *s, uint64_t seq); /* where the settled row is, or would be */
int set_reserve(struct set *s, size_t n);            /* room for n more settled rows */
