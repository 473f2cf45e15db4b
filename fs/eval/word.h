/* SPDX-License-Identifier: Apache-2.0 */
/* The four words a comparison may end in. "Not significant" is never OK: OK is earned. */
#pragma once
#include "fs/eval/stats.h"

enum word { WORD_IMPROVED, WORD_OK, WORD_REGRESSED, WORD_UNDECIDED };

struct word_case {
    double point;             /* change, sign turned so that + is better */
    struct stats_interval ci; /* of the same */
    int has_ci;               /* 0: too few rows for one (bootstrap): UNDECIDED */
    double margin;            /* d >= 0: a drop up to this is acceptable */
    double p_adj;             /* adjusted p of a slice; negative: not one of a family */
    double alpha;             /* for p_adj */
};

/*
 * IMPROVED   ci.lo > 0
 * REGRESSED  ci.hi < 0, point <= -margin and, in a family, p_adj <= alpha
 * OK         ci.lo >= -margin (*ret_note = "small but real" when ci.hi < 0)
 * UNDECIDED  everything else
 * ret_note may be NULL; it becomes NULL when there is nothing to add.
 */
enum word word_decide(const struct word_case *c, const char **ret_note);
const char *word_name(enum word w); /* "IMPROVED", … */
