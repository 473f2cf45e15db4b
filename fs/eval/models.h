/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of a version's files an engine runs, and the engines at work.
 *
 * The first entry of the spec's "models" that matches a file of the version wins. Without entries, zero
 * configuration:
 *   one .onnx or booster in the version    it is run; what a weight-free .onnx lacks is found by name in the
 *                                          version's .safetensors (all shards together) or its only .pt
 *   none, and there is eval/graph.onnx     that graph, with those weights
 */
#pragma once
#include "fs/eval/runner.h"
#include "fs/eval/settings.h"
#include "store/manifest.h"

struct models;
extern const char models_ways_in[]; /* what makes a version one that can be evaluated */
int models_open(struct store *s, struct models **ret);
void models_close(struct models *m);

struct models_pick {
    struct arena arena;
    struct settings *settings;
    const struct manifest *manifest;
    enum spec_engine engine;              /* SPEC_ENGINE_INFER: none; see problem */
    const char *problem;                  /* one line */
    const struct spec_model *spec;        /* its entry; NULL: zero configuration */
    const struct manifest_file *model;    /* NULL: eval/graph.onnx */
    const struct manifest_file **weights; /* (nweights) files whose tensors are bound by name */
    size_t nweights;
    struct digest content; /* of the files and of what of the spec reaches the engine */
    const char **labels;   /* (nlabels) config.json's id2label */
    size_t nlabels;
};
/* 0 also when no engine runs the version: then it says why. */
int models_pick(struct models *m, const struct version *v, struct settings *with, struct models_pick **ret);
void models_pick_free(struct models *m, struct models_pick *p);

/* The runner of a pick, open already or opened now; models_release when done. As runner_open. */
struct models_slot;
int models_runner(struct models *m, struct models_pick *p, struct models_slot **ret,
                  struct runner **ret_runner);
void models_release(struct models *m, struct models_slot *o);
