/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of a version's files an engine runs.
 *
 * The first entry of the spec's "models" that matches a file of the version wins. Without entries, zero
 * configuration:
 *   one .onnx or booster in the version    it is run; what a weight-free .onnx lacks is found by name in the
 *                                          version's .safetensors (all shards together) or its only .pt
 *   none, and there is eval/graph.onnx     that graph, with those weights
 *   neither, and there is eval/predict.py  that, with all of the version's files
 */
#pragma once
#include "fs/eval/settings.h"
#include "store/base/arena.h"
#include "store/manifest.h"

extern const char pick_ways_in[]; /* what makes a version one that can be evaluated */

struct pick {
    struct store *store;
    struct arena arena;
    struct settings *settings;
    const struct manifest *manifest;
    enum spec_engine engine;              /* SPEC_ENGINE_INFER: none; see problem */
    const char *problem;                  /* one line */
    const struct spec_model *spec;        /* its entry; NULL: zero configuration */
    const struct manifest_file *model;    /* NULL: eval/graph.onnx or predict.py */
    const struct manifest_file **weights; /* (nweights) files whose tensors are bound by name */
    size_t nweights;
    struct digest content; /* of the files and of what of the spec reaches the engine */
    const char **labels;   /* (nlabels) config.json's id2label */
    size_t nlabels;
};
/* 0 also when no engine runs the version: then it says why. */
int pick_make(struct store *s, const struct version *v, struct settings *with, struct pick **ret);
void pick_free(struct pick *p);
/* Does the .onnx leave initializers to other files? */
int pick_lacks_weights(const struct manifest_file *f);
