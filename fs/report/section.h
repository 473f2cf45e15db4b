/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diff/<a>..<b>/summary.txt in sections, each of which writes its own text. The verdict and its reason come
 * first (see review.h), behaviour before weights.
 */
#pragma once
#include "fs/diff/diff.h"
#include "fs/eval/rules.h"
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
    unsigned pass, fail, undecided, warn, waived; /* gates */
};
/* Keeps the finding's reason when it is the most severe so far. */
void verdict_add(struct verdict *v, enum verdict_word word, const char *because, const char *todo);
const char *verdict_name(enum verdict_word w); /* "NOT MEASURED" */
int verdict_exit(enum verdict_word w);         /* what `modelfs gate` exits with */

struct page;
struct gates;
/* Counts the gates and keeps the reason of the worst; rows: as gates_decide's. */
void verdict_gates(struct verdict *v, const struct page *g, const struct gates *gates, int rows);

struct review;
/* EVALUATION, ROWS THAT FLIPPED, SLICES, WORST BROKEN ROWS. */
void section_evaluation(const struct review *r, struct out *o);
/* ARCHITECTURE, WEIGHTS, TREES, GRAPH. */
int section_model(const struct diff *d, struct out *o);
/* "ALERT …" lines: new NaN or Inf, a file that cannot be read any more. */
void section_alerts(const struct diff *d, struct out *o);
/* "gates changed in this PR: …", when the rules are not those of the day when A was committed. */
int section_rules(const struct subject *s, const struct rules *now, struct out *o);
/* LINEAGE: data, code, model, hardware and how each is known. */
int section_lineage(const struct subject *s, const struct diff *d, struct out *o);
