/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, shapes and lists as people read them in the .txt reports. */
#pragma once
#include "store/base/out.h"
#include "store/manifest.h"

void figure_bytes(struct out *o, uint64_t n);                  /* "267.8 MB", powers of 1000 */
void figure_bytes_of(struct out *o, uint64_t n, uint64_t all); /* "59.0 of 267.8 MB" */
void figure_count(struct out *o, uint64_t n);                  /* "42,506", from a million on "66.96 M" */
void figure_percent(struct out *o, double share);              /* 0.314 -> "31.4 %", 0.000123 -> "0.012 %" */
void figure_shape(struct out *o, const struct manifest_tensor *t); /* "768x3072", "1" of a scalar */
void figure_bar(struct out *o, double x, double max);              /* up to 12 '#', at least one when x > 0 */
void figure_time(struct out *o, int64_t ns);                       /* "2026-11-02 10:33 UTC" */
void figure_pad(struct out *o, size_t from, size_t columns); /* spaces up to `columns` since o->n was from */

/*
 * A line of at most 80 columns: a head, then as many items as fit, then how many did not:
 * "FILES  a.txt, b.txt +4 more (files.csv)". Items with a mark are grouped by it: "+ 3 commits. ? lr 1 -> 2".
 */
struct figure_list {
    struct out *o;
    size_t start;      /* of the line in o */
    const char *where; /* the file that has the rest, or "" */
    struct out items;  /* mark, text, NUL, … */
    size_t n;
};
struct figure_list figure_list(struct out *o, const char *head, const char *where); /* begins the line */
/* Takes the text out of `item`, which is empty afterwards; an empty item is none. mark 0: none. */
void figure_item(struct figure_list *l, char mark, struct out *item);
void figure_list_end(struct figure_list *l); /* the line and its newline */
