/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded truth: reads the plain CSV of tests/data (no quotes, a header line). */
#pragma once
#include "tests/unit/unit.h"
#include <stdlib.h>
#include <string.h>

struct csv {
    char *text, *next;
    char *field[32]; /* of the current row */
    size_t n, rows;
};

static inline int csv_next(struct csv *c)
{
    char *end = strchr(c->next, '\n'), *at = c->next;
    if (!end)
        return 0;
    *end = 0;
    c->next = end + 1;
    c->n = 0;
    for (char *comma = at; comma; at = comma + 1) {
        if ((comma = strchr(at, ',')))
            *comma = 0;
        ck_assert_uint_lt(c->n, 32);
        c->field[c->n++] = at;
        if (!comma)
            break;
    }
    c->rows++;
    return 1;
}

static inline struct csv csv_open(const char *path)
{
    struct csv c = {0};
    c.text = c.next = unit_read_file(path, NULL);
    ck_assert_int_eq(csv_next(&c), 1); /* the header */
    c.rows = 0;
    return c;
}

static inline double csv_num(const struct csv *c, size_t i)
{
    ck_assert_uint_lt(i, c->n);
    char *end;
    double x = strtod(c->field[i], &end);
    ck_assert_msg(end != c->field[i] && !*end, "no number: \"%s\"", c->field[i]);
    return x;
}
static inline unsigned long csv_int(const struct csv *c, size_t i)
{
    return (unsigned long)csv_num(c, i);
}

/* Ends the reading; at least `least` rows must have been seen. */
static inline void csv_close(struct csv *c, size_t least)
{
    ck_assert_uint_ge(c->rows, least);
    free(c->text);
}
