/* SPDX-License-Identifier: Apache-2.0 */
/* What an open evaluation is made of. Of this folder only. */
#pragma once
#include "fs/eval/results.h"
#include "fs/eval/set.h"
#include <pthread.h>

struct eval {
    struct store *store;
    struct set *set;
    struct models *models;
    struct results *results;
    pthread_mutex_t lock; /* (m) */
    pthread_cond_t idle;  /* wanting is zero again */
    unsigned wanting;     /* (m) callers that compute, but for eval_fill */
    enum eval_mode mode;
    uint64_t events_seen;        /* (m) */
    struct digest newest_import; /* (m) the event's hash, of those seen; zero: none */
};
