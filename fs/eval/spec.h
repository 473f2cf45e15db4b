/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eval/spec.json: what "evaluate" means in this repo. All of it is optional; what is absent is found out from
 * the model (see predict.h).
 *
 *   { "models": [ { "match": "*.onnx", "engine": "onnx", "inputs": { "x": "input.x" }, "output": "logits" },
 *                 { "match": "*.safetensors", "engine": "onnx", "graph": "eval/graph.onnx" },
 *                 { "match": "*.pt", "engine": "python", "file": "eval/predict.py", "seconds": 60 } ],
 *     "task": "classification" | "binary" | "regression",
 *     "labels": ["ok", "fraud"],            in the order of the output's columns
 *     "decision": "argmax" | { "threshold": 0.3 },   threshold: on the last label of two
 *     "metrics": ["accuracy", …], "headline": "accuracy", "errors": "wrong" | "exclude",
 *     "slices": ["age>=65", "country=ES"],  beside those that rows name, see where.h
 *     "ratchet": "on" | "off",
 *     "release_tags": ["prod"], "volume_per_month": 3000000 }
 */
#pragma once
#include "fs/eval/where.h"
#include "store/base/canon.h"

enum spec_task { SPEC_TASK_INFER, SPEC_CLASSIFICATION, SPEC_BINARY, SPEC_REGRESSION };
enum spec_engine { SPEC_ENGINE_INFER, SPEC_ONNX, SPEC_XGBOOST, SPEC_PYTHON };

/* Where one input of the model comes from: one field of the row, or several numbers side by side. */
struct spec_input {
    const char *name;
    const char **fields; /* (nfields) "x", "input.x" or "input.card.country" */
    size_t nfields;
    int stacked; /* given as a list: the numbers become one array */
};

struct spec_model {
    const json_t *json; /* this entry of the document */
    const char *match;  /* glob over the paths inside a version; NULL: any */
    enum spec_engine engine;
    const char
        *graph;       /* the weight-free graph's path, in the repo ("eval/graph.onnx") or the version; NULL */
    const char *file; /* "eval/predict.py"; NULL */
    double seconds;   /* python: what load, or a batch, may take; 0: the engine's own */
    unsigned memory_mb; /* python: address space; 0: the engine's own */
    const char *output; /* name of the output; NULL: the only one */
    struct spec_input *inputs;
    size_t ninputs;
};

struct spec {
    json_t *json; /* owned; all strings below point into it */
    struct spec_model *models;
    size_t nmodels;
    enum spec_task task;
    const char **labels;
    size_t nlabels;   /* 0: not given */
    double threshold; /* NaN: argmax */
    const char **metrics;
    size_t nmetrics;      /* 0: the task's own */
    const char *headline; /* NULL: the task's own */
    int ratchet;          /* "ratchet": 0 off, 1 on */
    int errors_excluded;  /* "errors": 0 wrong, 1 exclude */
    struct where *slices; /* (nslices) */
    size_t nslices;
    struct arena arena; /* of the slices */
    const char **release_tags;
    size_t nrelease_tags;
    double volume_per_month; /* NaN: not declared */
};

/* -EBADMSG with a text that names the key ("eval/spec.json: models[1].engine: …"). n = 0: all defaults.
 * ret is untouched on failure; end it with spec_fini. Metric names are checked here too. */
int spec_parse(const char *p, size_t n, struct spec *ret);
void spec_fini(struct spec *s);

/* The first model that matches the path; NULL. Glob: * and ? stop at '/', ** does not; a pattern without '/'
 * is matched against the last component as well. */
const struct spec_model *spec_match(const struct spec *s, const char *path);
int spec_glob(const char *pattern, const char *path); /* 1 or 0 */

/* Part of a prediction's cache key: what of this model's entry reaches the engine (engine, inputs, output;
 * not the file names, whose content's digests are in the key). m NULL: no entry; engine: the resolved one. */
int spec_inference_digest(const struct spec_model *m, enum spec_engine engine, struct digest *ret);
/* What turns an output into a score: task, labels, decision, errors, metrics. A row's digest contains it. */
int spec_scorer_digest(const struct spec *s, struct digest *ret);
/* The document with formatting taken away: equal specs, equal bytes. */
void spec_format(const struct spec *s, struct out *o);

const char *spec_task_name(enum spec_task t);     /* "classification", …; "?" for infer */
const char *spec_engine_name(enum spec_engine e); /* "onnx", … */
