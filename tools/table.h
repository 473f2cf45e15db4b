/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV (RFC 4180; a byte order mark and CRLF are fine) into the JSON lines that the evaluation takes.
 *
 * A cell that is a JSON number becomes one, an empty cell is left out (in an input: null, a missing value),
 * any other is a string.
 *
 *   TABLE_ROWS         id, label, group, reason, added_by, weight: the row's own
 *                      slices, tags: lists, separated by ';'
 *                      value.X, source.X: a member of "value", "source"
 *                      input: the whole input as JSON
 *                      input.X, and every other X: the field X of the input
 *   TABLE_PREDICTIONS  id, prediction, probability, p_<label>
 */
#pragma once
#include "store/base/out.h"

enum table_kind { TABLE_ROWS, TABLE_PREDICTIONS };
/* Appends a line per record to ret. -EINVAL with the line's number: a quote without its end, too many or too
 * few cells, a column twice, not UTF-8, a column that a prediction does not have. */
int table_to_json(const char *name, const char *p, size_t n, enum table_kind kind, struct out *ret);

/* The lines of the user's file, from CSV or as they are: by the end of its name (.csv; .jsonl, .json), else
 * by its first character ('{' is JSON). */
int table_read(const char *path, enum table_kind kind, struct out *ret);
