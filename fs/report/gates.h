/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of eval/gates, each decided about two versions, and the verdict they come to. */
#pragma once
#include "fs/diff/diff.h"
#include "fs/report/page.h"

enum gates_status {
    GATES_OK,
    GATES_IMPROVED,
    GATES_FAIL,
    GATES_UNDECIDED,
    GATES_WARN,   /* failed, and its level is warn */
    GATES_WAIVED, /* failed or could not decide, and that was accepted */
    GATES_NO_ROWS,
    GATES_NOT_MEASURED,
};

struct gate { /* a rule, once for each slice it is about */
    const struct rules_rule *rule;
    const char *where;
    enum gates_status status;
    double measured, lo, hi;           /* NaN: none */
    const char *because, *todo;        /* one line each, safe to print; of what is not fine */
    const char *note;                  /* "" */
    const struct rules_waiver *waiver; /* for this rule and pair, or NULL; it may be over */
};
struct gates {
    struct gate *list; /* in the order of the rules; slices worst first */
    size_t n;
};

/* rows: behaviour was measured (g->c holds a comparison). Lives in the request's arena. */
int gates_decide(const struct page *g, const struct diff *d, int rows, struct gates *ret);
const char *gates_status_name(enum gates_status s);
