/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diff/<a>..<b>/summary.txt in sections. Each section writes its own text and tells the verdict what it
 * found; diff_summary.c writes the verdict's lines first and the sections below, behaviour before weights.
 */
#pragma once
#include "fs/diff/diff.h"
#include "fs/report/report.h"

enum verdict_word { /* in order of severity: the worst finding decides */
                    VERDICT_PASS,
                    VERDICT_NOT_MEASURED,
                    VERDICT_UNDECIDED,
                    VERDICT_FAIL,
                    VERDICT_NOT_COMPARABLE,
};

struct verdict {
    enum verdict_word word;
    char because[256]; /* one line; the most severe finding's, the first of equals */
    char todo[256];
    unsigned pass, fail, undecided; /* gates */
    struct out alerts;              /* "ALERT …" lines, right under `because` */
};
/* Counts a gate that failed or could not decide and keeps its reason when it is the most severe so far. */
void verdict_add(struct verdict *v, enum verdict_word word, const char *because, const char *todo);

/* EVALUATION, ROWS THAT FLIPPED, SLICES, WORST BROKEN ROWS. Applies the default gate policy. */
int section_evaluation(const struct subject *s, struct out *o, struct verdict *v);
/* ARCHITECTURE, WEIGHTS, TREES, GRAPH: alerts for new NaN or Inf, a gate for a changed signature. */
int section_model(const struct subject *s, const struct diff *d, struct out *o, struct verdict *v);
/* LINEAGE: data, code, model, hardware and how each is known. */
int section_lineage(const struct subject *s, const struct diff *d, struct out *o, struct verdict *v);
