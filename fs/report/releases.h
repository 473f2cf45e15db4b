/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which version was released when, what its diff promised against the one before, and what was measured: out
 * of the moves of the spec's release_tags, the evaluation, and eval/outcomes.csv.
 */
#pragma once
#include "fs/report/results_of.h"

/* What a set says of a version against another. NaN where it says nothing. */
struct releases_change {
    const char *metric, *unit; /* "": not measured, `why` says what is missing */
    int direction;             /* +1 more is better */
    double value, lo, hi;
    double month; /* of a cost: at the declared volume; NaN */
    enum word word;
    const char *why;
};

enum releases_agreed { RELEASES_NOTHING, RELEASES_YES, RELEASES_NO, RELEASES_OPEN };

struct releases_outcome {
    const struct eval_outcome *outcome;
    struct releases_change predicted; /* of the outcome's metric when the set has it, else the release's */
    enum releases_agreed agreed;      /* OPEN: an interval reaches 0, or there is none */
};

struct releases_one {
    const struct version *v, *before; /* NULL: removed since (v); the first of its tag (before) */
    const char *tag, *by;
    int64_t from, until;              /* ns; until 0: still */
    struct releases_change predicted; /* cost_per_k, or the headline */
    struct releases_outcome *outcomes;
    size_t noutcomes;
};

struct releases {
    struct releases_one *list; /* (n) oldest first */
    size_t n;
    const struct eval_set *set;
};
/* Everything but the versions and the set lives in s->arena; end it with releases_fini. */
int releases_find(const struct subject *s, struct releases *ret);
void releases_fini(struct releases *r);
const char *releases_agreed_name(enum releases_agreed a); /* "yes", "no", "open", "" */
