/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an engine's numbers to a prediction: what the columns mean, and what is decided.
 *
 * Zero configuration (what the spec gives always wins):
 *   task    strings come out, labels are strings or booleans, or there is more than one column:
 * classification; one column out of a Sigmoid or a binary:* objective: binary; one column and numeric labels:
 *           regression, unless an ONNX column's labels are all 0 or 1 (then the spec must say)
 *   labels  the spec's, the version's (config.json's id2label), the graph's metadata, else 0 .. k-1; string
 *           labels of which nothing tells the order are an error that names the key
 *   columns probabilities after Softmax, Sigmoid and *:softprob / *:logistic; logits after Gemm, MatMul, Add,
 *           Conv; for another producer, row by row: probabilities when all are in [0, 1] and sum to 1 +- 1e-4
 */
#pragma once
#include "fs/eval/runner.h"

/* What the rows' labels look like, gathered by the caller with predict_see. Zero-initialised: none seen. */
struct predict_seen {
    size_t strings, numbers, fractions; /* fractions: numbers that are no integers */
    double min, max;                    /* of the numbers */
};
void predict_see(struct predict_seen *s, const json_t *label);

enum predict_columns {
    PREDICT_LOGITS,
    PREDICT_PROBABILITIES,
    PREDICT_EITHER, /* told apart row by row */
    PREDICT_INDEX,  /* one column: the class's number (multi:softmax) */
    PREDICT_NUMBER, /* regression */
    PREDICT_TEXT    /* the label itself */
};

struct predict_plan {
    enum spec_task task; /* never SPEC_TASK_INFER */
    enum predict_columns columns;
    size_t width;
    char **labels; /* (nlabels) owned; binary: the last is the positive one. None with regression and TEXT */
    size_t nlabels;
    double threshold; /* binary: at or above it the positive label (0.5); NaN: argmax */
};

/* version_labels: the version's own (id2label), or NULL. width: numbers a row (from the signature or the
 * first answer), ignored when strings come out. -EINVAL with a text that names the key of the spec to set. */
int predict_plan_make(const struct spec *s, const struct runner_signature *sig, size_t width,
                      const char *const *version_labels, size_t n_version_labels,
                      const struct predict_seen *seen, struct predict_plan *ret);
void predict_plan_fini(struct predict_plan *p);

struct prediction {
    int32_t label; /* index into labels; -1: not one of them, or regression */
    double number; /* regression; NaN otherwise */
    double margin; /* classification: p(first) - p(second), binary |p - threshold|: small is a near tie */
};
/* prob: (nlabels) room for the probabilities, or NULL; NaN where the model gives none. -EINVAL with fail()
 * text: other width, not finite, class number out of range. */
int predict_decode(const struct predict_plan *p, const struct runner_answer *a, struct prediction *ret,
                   double *prob);
/* Index of a label's text; -1. */
int32_t predict_label(const struct predict_plan *p, const char *text);
