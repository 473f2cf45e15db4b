/* SPDX-License-Identifier: Apache-2.0 */
/* All that a review of A..B is written from: what changed, what both answer, what the gates say of it. */
#pragma once
#include "fs/report/gates.h"
#include "fs/report/section.h"

enum review_state {
    REVIEW_MEASURED,
    REVIEW_NO_ROWS, /* the set is empty */
    REVIEW_CANNOT,  /* one of the two cannot be evaluated */
    REVIEW_INCOMPARABLE,
    REVIEW_NO_CORE, /* nothing that both answered is in core */
};

struct review {
    const struct subject *s;
    struct diff diff;
    int same; /* every byte is: nothing below is set */
    struct results_of_pair pair;
    struct page page; /* without an o */
    enum review_state state;
    const char *why, *hint;      /* of a state that is not MEASURED: one line each */
    struct eval_control control; /* rows 0: not asked for, or none */
    struct gates gates;
    struct verdict verdict;
};

/* Evaluates what is not known yet. -EINTR when nobody waits any more. */
int review_make(const struct subject *s, struct review *ret);
/* Runs B against itself, for section_evaluation to say; not to be had is no error. */
int review_control(struct review *r);
void review_fini(struct review *r);

/* What names the model: its largest file of a known format, else the largest file; NULL: there is none. */
const struct manifest_file *review_model(const struct manifest *m);
