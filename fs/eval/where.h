/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slice said by what is in the input: age>=65, country=ES, amount>100 & card.type!=debit.
 *
 *   where      = test { "&" test }
 *   test       = field ( "=" | "==" | "!=" | "<" | "<=" | ">" | ">=" ) value
 *   field      = name { "." name }          inside the input; "input." before it is allowed
 *   value      = number | true | false | bare text | "quoted text"
 *
 * < and > compare numbers. A field that is missing, null or of another kind than the value is in no slice,
 * whatever the test: nobody knows.
 */
#pragma once
#include "store/base/arena.h"
#include <jansson.h>

struct where_test {
    const char *field;
    enum { WHERE_EQ, WHERE_NE, WHERE_LT, WHERE_LE, WHERE_GT, WHERE_GE } op;
    const char *text; /* as written, quotes taken off */
    double number;    /* NaN: the value is no number */
    int boolean;      /* 1 true, 0 false, -1 neither */
    int quoted;       /* text whatever it looks like */
};
struct where {
    const char *name; /* the expression as it was written */
    struct where_test *tests;
    size_t n;
};

/* Looks like an expression at all: has an operator. A row's slices are named country=ES too. */
int where_is(const char *text);
/* -EINVAL with a text. Everything lives in the arena. */
int where_parse(const char *text, struct arena *a, struct where *ret);
int where_holds(const struct where *w, const json_t *input);
