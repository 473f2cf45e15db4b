/* SPDX-License-Identifier: Apache-2.0 */
/* What the two halves of the ONNX engine share: opening a model, and running it. Nobody else includes this.
 */
#pragma once
#include "fs/eval/runner.h"
#include "store/base/arena.h"

/* ONNX Runtime's own types are only named here: its header stays with the two. */
struct OrtApi;
struct OrtEnv;
struct OrtAllocator;
struct OrtMemoryInfo;
struct OrtSession;
struct OrtStatus;
struct weights;

struct runner_onnx_lib { /* filled once, before the first model */
    const struct OrtApi *api;
    struct OrtEnv *env;
    struct OrtAllocator *allocator; /* the default one: thread-safe, never freed */
    struct OrtMemoryInfo *memory;
    char problem[256];
    char fingerprint[160];
};
extern struct runner_onnx_lib runner_onnx_lib;

struct runner_onnx_model {
    struct runner r;
    struct arena arena; /* of the signature */
    struct OrtSession *session;
    void *kept; /* (kept_len) a mapped file that the session works on; NULL */
    size_t kept_len;
    const struct spec_model *spec;
    const char *name;
    int *batched; /* (ninputs) is the input's first dimension the batch? */
    size_t fixed; /* rows a run takes exactly; 0: 2 to RUNNER_BATCH */
};

/* 0 for NULL; else err, the status said as an error of `name` and released. */
int runner_onnx_said(const char *name, int err, struct OrtStatus *s);
/*
 * Makes the session out of a model of n bytes, and weights or NULL. keep: with it the model is converted once
 * to the engine's own form, a file whose name begins with it, and that is mapped: opening it again takes a
 * thousandth of the time, and its weights are pages of a file, not memory.
 */
int runner_onnx_begin(struct runner_onnx_model *m, const char *keep, const void *p, size_t n,
                      const struct weights *w);
void runner_onnx_end(struct runner_onnx_model *m);
int runner_onnx_predict(struct runner *r, const json_t *const *inputs, size_t n, struct runner_answer *ret);
int runner_onnx_check(struct runner *r, const json_t *input);
