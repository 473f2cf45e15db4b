/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration in force: spec.json, graph.onnx, predict.py, cost.csv and traffic.csv, read together.
 * Immutable and shared: views of the set and open models keep the one they were made with.
 */
#pragma once
#include "fs/eval/cost.h"
#include "store/store.h"

struct settings {
    unsigned refs; /* atomic */
    struct spec spec;
    struct digest scorer;    /* spec_scorer_digest: part of every row's digest */
    struct digest inference; /* of what can change a prediction: "models" and the graph */
    struct digest all;       /* of everything here, formatting aside */
    struct out graph;        /* eval/graph.onnx; n = 0: there is none */
    struct digest graph_digest;
    struct out predict; /* the text of eval/predict.py; n = 0: there is none */
    struct digest predict_digest;
    struct cost cost;            /* n = 0: there is none */
    struct cost_traffic traffic; /* n = 0: there is none */
    struct digest money;         /* of the two: the cost_rev; zero: no cost.csv */
};

/* What the store has; spec.json that no longer parses is -EBADMSG. */
int settings_load(struct store *s, struct settings **ret);
/* As settings_load, of what the names were once: an object of name: hex digest. */
int settings_past(struct store *s, const json_t *digests, struct settings **ret);
/* As settings_load, with the text of `name` replaced by (p, n): would it be accepted? -EINVAL with a text. */
int settings_try(struct store *s, const char *name, const void *p, size_t n, struct settings **ret);
struct settings *settings_ref(struct settings *s);
void settings_unref(struct settings *s);
