/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the evaluation keeps: rows, configuration, predictions, and the events that say what happened. The
 * store knows them as bytes with keys; what a row means is the evaluation engine's.
 */
#pragma once
#include "store/store.h"

enum row_state {
    ROW_ACTIVE = 1,
    ROW_UNLABELLED = 2,
    ROW_RETIRED = 3,
    ROW_REJECTED = 4,
    ROW_ERASED = 5
}; /* stored */

struct stored_row {
    uint64_t seq; /* 1, 2, …: given by rows_write when 0 */
    uint8_t state;
    struct digest digest; /* of input + label + scorer; zero when rejected */
    struct digest input;  /* of the input; zero when rejected */
    const char *json;     /* canonical JSON (n bytes), or the raw line of a rejected row */
    size_t n;
    const char *reason; /* of a rejected or retired row, else "" */
    uint32_t uid;
    int64_t time_ns;
};

/* An event: what kind, and a JSON object that says it. Part of the chain that the anchor guards. */
struct event {
    uint64_t seq;
    const char *kind; /* "commit", "tag", "rm", "rows", "reject", "config", "import", … */
    const char *json; /* payload (n bytes) */
    size_t n;
    int64_t time_ns;
    struct digest hash; /* chains the one before */
};

/* Writes rows (new ones have seq 0; others replace the record of that seq) and one event, synced. Concurrent
 * callers share one sync. On success the rows' seq fields are set. */
int rows_write(struct store *s, struct stored_row *rows, size_t n, const char *kind, const char *event_json);
/* Replaces rows by what is left of them, and drops the predictions on the inputs and the blobs with their
 * names: one event, "erase". */
int rows_erase(struct store *s, struct stored_row *rows, size_t n, const struct digest *inputs,
               size_t ninputs, const struct digest *blobs, size_t nblobs, const char *event_json);
/* What was replaced or dropped leaves the disk as well. */
int rows_scrub(struct store *s);
/* By seq, oldest first, from `from` on; borrowed. */
int rows_each(struct store *s, uint64_t from, int (*each)(void *ctx, const struct stored_row *r), void *ctx);

int events_each(struct store *s, uint64_t from, int (*each)(void *ctx, const struct event *e), void *ctx);
uint64_t events_last(struct store *s, struct digest *ret_hash); /* seq of the newest; 0: none */

/* Configuration by name ("spec.json", "gates", "graph.onnx", …), at most 64 MiB; each text is kept for ever
 * under its digest (blob_get). */
int config_set(struct store *s, const char *name, const void *p, size_t n, const char *event_json);
/* Names that begin with prefix, in byte order, but those whose text is empty. Non-zero from each stops. */
int config_each(struct store *s, const char *prefix, int (*each)(void *ctx, const char *name), void *ctx);
int config_get(struct store *s, const char *name, struct out *ret,
               struct digest *ret_digest); /* -ENOENT; ret may be NULL */

/*
 * Predictions: (run, input) -> bytes. A run is the digest of everything but the input that decides a
 * prediction; its record says what that was.
 */
struct stored_prediction {
    struct digest input;
    const void *p;
    size_t n;
};
/* info: a JSON object about the run, written with the first batch. sync: imported ones must survive, computed
 * ones may be computed again. */
int predictions_put(struct store *s, const struct digest *run, const char *info,
                    const struct stored_prediction *v, size_t n, int sync);
/* Changes whenever predictions are added or erased, and is the same when the store is opened again. */
uint64_t predictions_known(struct store *s);
int predictions_each(struct store *s, const struct digest *run,
                     int (*each)(void *ctx, const struct stored_prediction *p), void *ctx);
int predictions_info(struct store *s, const struct digest *run, struct out *ret); /* -ENOENT: no such run */
int predictions_has(struct store *s, const struct digest *run,
                    const struct digest *input); /* 1, 0 or -errno */
