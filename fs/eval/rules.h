/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eval/gates: what a new version must not do, one rule a line.
 *
 *   file    = line*            '#' begins a comment; a word with blanks in it stands in "quotes"
 *   line    = NAME METRIC WHERE LIMIT option*
 *           | "alpha" NUMBER                              of the slices' adjusted p; 0.05
 *           | "undecided" (NAME "=" ("warn" | "fail"))+   NAME "default": all rules not named
 *           | "waive" NAME A..B "until="YYYY-MM-DD "by="WHO "reason="TEXT
 *   option  = "level=" ("fail" | "warn") | "conf=0.95" | "adjust=holm"
 *
 *   METRIC                     WHERE                          LIMIT
 *   a metric, or "headline"    core, failures, must-pass,     margin=N | max_rise=N | max_drop=N: how much
 * worse a slice, * (every slice)       it may be | min=N | max=N: of the new version pass core …, a slice,
 * tag:T         max_broken=N    rows right before, wrong now broken_share               core …, a slice,
 * tag:T         max=N% eval_errors                core …, a slice, tag:T, all    max=N | max_new=N   rows
 * without an answer nonfinite                  weights                        max_new=N       values that
 * became NaN or Inf signature                  model                          unchanged bytes_new model max=N
 * bytes, kB, MB, GB
 *
 * N of a margin: points of a share (0.5pp), percent of the old score (2%), or in the metric's own unit
 * (0.03, 20EUR); margin=auto is 0.5pp, on slices 5pp, and 0.5% or 5% of what is no share.
 */
#pragma once
#include "fs/eval/eval.h"

enum rules_about {
    RULES_SCORE,
    RULES_PASS,
    RULES_BROKEN_SHARE,
    RULES_ERRORS,
    RULES_NONFINITE,
    RULES_SIGNATURE,
    RULES_BYTES
};
enum rules_limit { /* bits */
                   RULES_MARGIN = 1,
                   RULES_MAX_RISE = 2,
                   RULES_MAX_DROP = 4,
                   RULES_MIN = 8,
                   RULES_MAX = 16,
                   RULES_MAX_BROKEN = 32,
                   RULES_MAX_NEW = 64,
                   RULES_UNCHANGED = 128
};

struct rules_rule {
    const char *name, *metric, *where;
    enum rules_about about;
    enum rules_limit limit;
    const char *text; /* of the limit, as written: "margin=2.0pp" */
    double value;     /* NaN: auto */
    const char *unit; /* "pp", "%", "MB", … or "" */
    int advisory;     /* level=warn */
    int strict;       /* undecided counts as a verdict of its own */
};
struct rules_waiver {
    const char *rule, *a, *b; /* names of versions, or "*" */
    char until[11];           /* "2026-12-15": the last day it holds, UTC */
    const char *by, *reason;
};
struct rules {
    struct arena arena; /* owns what follows */
    struct rules_rule *rules;
    size_t nrules;
    struct rules_waiver *waivers;
    size_t nwaivers;
    double alpha;
};

/* -EINVAL with a text that names the line; ret is untouched on failure, end it with rules_fini. */
int rules_parse(const char *p, size_t n, struct rules *ret);
void rules_fini(struct rules *r); /* zeroed is fine */

/* What holds where there is no eval/gates, and what `modelfs gate --init` writes. */
const char *rules_default(void);

/* The first rule about this change, or NULL. headline: the metric that is the headline. */
const struct rules_rule *rules_of(const struct rules *r, const struct eval_change *c, const char *headline);
int rules_matches(const struct rules_rule *r, const struct eval_change *c, const char *headline);
/* How much worse the change may be, in the metric's unit; NaN: the limit is in a unit that the metric does
 * not have, or is no margin. */
double rules_margin(const struct rules_rule *r, const struct eval_change *c);
/* The value of any other limit; NaN: its unit does not fit (unit: "share", "bytes", a metric's). */
double rules_value(const struct rules_rule *r, const char *unit);
