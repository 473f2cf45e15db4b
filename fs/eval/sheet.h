/* SPDX-License-Identifier: Apache-2.0 */
/* A small CSV file (RFC 4180) with known columns in any order: eval/cost.csv, traffic.csv, outcomes.csv. */
#pragma once
#include "store/base/arena.h"

#define SHEET_COLUMNS 32

struct sheet {
    const char *name; /* "eval/cost.csv": said in errors */
    const char *p, *end;
    unsigned line, next_line; /* of the record at hand, from 1; of what is read next */
    struct arena *arena;      /* holds the cells */
    const char *cell[SHEET_COLUMNS];
    size_t n;
    int at[SHEET_COLUMNS]; /* where the column that was asked for stands; -1: it is not there */
};

/* columns: NULL-terminated; the first `required` of them must be there, and no others may. What is read is
 * -EINVAL with a text that names the line. */
int sheet_open(const char *name, const char *p, size_t n, const char *const *columns, size_t required,
               struct arena *arena, struct sheet *ret);
/* One line without a header, whose cells stand in the columns' order and may end early: 1, or 0 when it is
 * blank. number: of the line, for errors. */
int sheet_line(const char *name, unsigned number, const char *p, size_t n, const char *const *columns,
               struct arena *arena, struct sheet *ret);
/* The next record: 1; 0 at the end. Empty lines are passed over. */
int sheet_next(struct sheet *s);
const char *sheet_text(const struct sheet *s, size_t column); /* "" where there is none */
/* A finite number; `empty` where the cell is. */
int sheet_number(const struct sheet *s, size_t column, const char *what, double empty, double *ret);
int sheet_bad(const struct sheet *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
