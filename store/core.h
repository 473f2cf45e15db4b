/* SPDX-License-Identifier: Apache-2.0 */
/* What an open store is made of. For the files of this folder only. */
#pragma once
#include "store/anchor.h"
#include "store/cache.h"
#include "store/db.h"
#include "store/key.h"
#include "store/record.h"
#include "store/store.h"
#include <pthread.h>

/* Feature bits of the store's format; an unknown bit means made by a newer modelfs. */
#define CORE_BASES    UINT64_C(1) /* chunks that lean on other chunks; set by the first commit that has one */
#define CORE_INCOMPAT CORE_BASES  /* those known: cannot be read without knowing it */
#define CORE_ROCOMPAT UINT64_C(0) /* cannot be written without knowing it */
#define CORE_ID_BLOCK 4096u       /* no commit refers to an id that was not reserved */

/* Where the history stands. Changed by the thread that writes (write.c), and put back when a write fails. */
struct core_state {
    uint64_t event_seq; /* of the newest event */
    struct digest event_hash;
    uint64_t next_row;
    uint32_t next_number;  /* of versions */
    uint64_t newest_chunk; /* greatest id in `chunks` that a commit refers to */
    uint64_t incompat;     /* feature bits that are set */
};

struct core_range {
    uint64_t first, n;
};

/* predictions.c: what is known changes by (of, p, n); *ret is what `known` is once the batch is written. */
int predictions_mark(struct store *s, struct db_batch *b, const struct digest *of, const void *p, size_t n,
                     uint64_t *ret);

struct write;
struct manifests; /* the loaded ones, manifest.c */

struct store {
    char *path;
    int dirfd, lockfd, anchorfd;
    int readonly;
    struct digest id;
    struct db *db;
    struct cache *cache;
    struct manifests *manifests;

    pthread_mutex_t mutex; /* (m) */
    pthread_cond_t turn;
    struct write *first, **last; /* (m) writes that wait */
    int writing;                 /* (m) a thread is at it: `state` and `anchor` are its own */
    int broken;                  /* (m) a sync failed: no more writes */
    struct core_state state;
    struct anchor anchor;
    uint64_t acked_seq; /* (m) as in the anchor */
    struct digest acked_hash;
    pthread_mutex_t known_lock;  /* before (m) */
    uint64_t known;              /* (known_lock) of the predictions: predictions_known */
    uint64_t first_id;           /* next_id as it was when the store was opened */
    uint64_t next_id;            /* (m) chunk ids */
    struct core_range *reserved; /* (m) ascending; given out and not yet committed */
    size_t nreserved;            /* (m) */
};
