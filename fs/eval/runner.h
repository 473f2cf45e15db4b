/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine in this process: a model from memory, rows in, numbers out.
 *
 * Engines are shared libraries found at run time (ONNX Runtime, XGBoost), or a Python process for
 * eval/predict.py; without one everything else works and opening says what is missing. Nothing is loaded
 * before the first call: call it after the last fork.
 *
 * Rows are run in batches of 2 to 32 (a single row is padded by repeating it): a batch of one takes other
 * kernels, and a prediction must not depend on which rows came along. A graph with a fixed batch size is run
 * at that.
 *
 * Threads: any number may open runners and predict with one runner at once; close it when none does.
 */
#pragma once
#include "fs/eval/feed.h"

#define RUNNER_BATCH 32

/* One tensor of the version, by its name in the checkpoint. */
struct runner_tensor {
    const char *name;
    enum dtype dtype;
    uint32_t rank;
    const uint64_t *shape; /* (rank) */
};

/* What to open. The bytes may be freed after runner_open. */
struct runner_source {
    const char *name;  /* for messages: the model file's path */
    const void *model; /* the .onnx, the booster, or the weight-free graph */
    size_t model_len;
    /* graph + weights: initializers are bound by name to these. ntensors = 0: the model is self-contained */
    const struct runner_tensor *tensors;
    size_t ntensors;
    int (*read)(void *ctx, size_t tensor, void *p,
                size_t n); /* the tensor's n bytes, little-endian; -errno */
    void *ctx;
    const struct spec_model *spec; /* inputs and output of the spec's entry; NULL. Outlives the runner */
    const char *keep; /* onnx: how names of files begin that a large model may be kept in; NULL */
    const char *dir;  /* python: a folder with the version's files, which outlives the runner */
};

struct runner_signature {
    struct feed_port *inputs; /* (ninputs) shapes with the batch dimension */
    size_t ninputs;
    struct feed_port output; /* the one that is read */
    size_t width;            /* numbers a row, when the shape tells; 0: not known before the first run */
    const char *producer;    /* op that makes the output, looking through Identity, Cast, Squeeze, Reshape …
                              * ("Softmax", "Gemm"); "" unknown */
    const char *objective;   /* XGBoost: "binary:logistic"; "" otherwise */
    const char **features;   /* (nfeatures) XGBoost: names; NULL: unnamed */
    size_t nfeatures;
    const char **labels; /* (nlabels) ONNX metadata "labels" (JSON list) or "id2label" (JSON object) */
    size_t nlabels;
    const char **unused; /* (nunused) tensors of the version that the graph does not use */
    size_t nunused;
};

/* One row's answer. */
struct runner_answer {
    char *error;    /* malloc'd; NULL: the rest holds */
    double *values; /* (width), malloc'd; NULL when the output is strings */
    char *text;     /* malloc'd; NULL when the output is numbers */
    size_t width;
};

struct runner;
/* -ENOTSUP: no such engine here (fail_hint says how to get it) or a feature it lacks; -EBADMSG: it refuses
 * the model; -EINVAL: model, weights and spec do not fit together. */
int runner_open(enum spec_engine e, const struct runner_source *src, struct runner **ret);
void runner_close(struct runner *r);
const struct runner_signature *runner_signature(const struct runner *r);
/* inputs: (n) each row's "input". ret: (n), the caller's, each ended by runner_answer_fini. 0 also when rows
 * failed: each says why. -errno: nothing is in ret. */
int runner_predict(struct runner *r, const json_t *const *inputs, size_t n, struct runner_answer *ret);
void runner_answer_fini(struct runner_answer *a);
/* Would this row be accepted (names, dtypes, shapes)? 0 or -EINVAL with fail() text. Runs nothing. */
int runner_check(struct runner *r, const json_t *input);

/* Whatever may change a prediction's bits beside model, input and spec: engine version, provider,
 * optimisation, threads, instruction set, batch rule. Loads the engine. *ret lives for ever. */
int runner_fingerprint(enum spec_engine e, const char **ret);

/*
 * eval/predict.py is code that came from somewhere: it runs only where somebody said that it may, either in
 * all of this process from now on, or in the calling thread until it is taken back.
 */
enum runner_where { RUNNER_EVERYWHERE, RUNNER_HERE };
void runner_allow_python(enum runner_where where, int yes);
int runner_python_allowed(void);

/* Whom this thread asks, while an engine that can be stopped is at work for it, whether to go on: non-zero
 * ends it with -EINTR. NULL: nobody. */
void runner_set_stop(int (*stop)(void *ctx), void *ctx);
int runner_stop_asked(void *unused); /* what they say */

/* 1: a model was to be opened, in this process, whose engine is not here, or may not run. */
int runner_lacking(void);
void runner_lack(void);

/* ---- what an engine provides ---- */
struct runner_engine {
    enum spec_engine engine;
    int (*open)(const struct runner_source *src, struct runner **ret);
    int (*predict)(struct runner *r, const json_t *const *inputs, size_t n, struct runner_answer *ret);
    int (*check)(struct runner *r, const json_t *input);
    void (*close)(struct runner *r);
    int (*fingerprint)(const char **ret);
};
struct runner { /* first member of each engine's own */
    const struct runner_engine *engine;
    struct runner_signature sig;
};
extern const struct runner_engine runner_onnx, runner_xgboost, runner_python;
const char *runner_isa(void); /* "avx512", "avx2", "x86-64", "aarch64", … */
/* dlopen of $env alone when it is set; else of the first that loads: lib/modelfs/so or deps/dir/lib/so in one
 * of the folders above the program (where it is installed; a build tree), so as the system finds it. */
void *runner_dlopen(const char *env, const char *dir, const char *so);
