/* SPDX-License-Identifier: Apache-2.0 */
/* What the parsers share: from tensors in any order to a layout that covers the file. */
#pragma once
#include "store/base/out.h"
#include "store/format/format.h"
#include <jansson.h>

/*
 * Fills ret (segments, tensors) from the n tensors in `list` (an array of struct tensor as bytes; its
 * tensors' pointers live in the arena) for a file of `size` bytes. Tensors with bytes of their own in this
 * file become segments in the order of their offsets; one that overlaps an earlier segment, or is empty,
 * becomes a VIEW. -EBADMSG when two have one name, or one is not inside the file.
 */
int layout_finish(const struct input *in, struct arena *a, const struct out *list, struct layout *ret);

/* The whole file as plain bytes, no tensors; format and problem are left as they are. */
int layout_opaque(const struct input *in, struct arena *a, struct layout *ret);

/* count = product of shape, len = count * size; -EBADMSG through fail() when it does not fit 63 bits. */
int layout_count(const struct input *in, const char *name, const uint64_t *shape, uint32_t rank,
                 uint64_t *ret_count);

/* Copies the text into the arena as the structure document (after an error of o: its error). */
int layout_structure(struct arena *a, struct out *o, struct layout *ret);

/* Writes a value so that every reader gets it back: integers whole, reals in the fewest of 15 to 17 digits,
 * objects in the order they were made. (The canonical form rounds integers to doubles and writes reals below
 * 1e21 as integers that need not fit 64 bits.) */
void layout_value(struct out *o, const json_t *v);
void layout_number(struct out *o, double x); /* null when not finite */

/* A JSON string; bytes that are not UTF-8, and NUL, become U+FFFD. */
void layout_string(struct out *o, const char *s, size_t n);

/* canon_parse with the memory of the value bounded beforehand by FORMAT_MAX_MEMORY. */
int layout_json(const struct input *in, const char *p, size_t n, json_t **ret);

/* -ENOMEM with a text: for an arena that gave NULL */
int layout_nomem(const struct input *in);
