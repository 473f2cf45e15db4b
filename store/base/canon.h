/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON as this project reads and names it, over jansson (Debian's best-kept C library for it; it refuses
 * duplicate keys and invalid UTF-8).
 */
#pragma once
#include "store/base/hash.h"
#include "store/base/out.h"
#include <jansson.h>

/* Parses exactly one JSON value: no duplicate keys, finite numbers, at most depth levels, no NUL in strings.
 * Integers past 63 bits are read as reals.
 * A failed parse says why and at which byte through fail() (-EBADMSG), naming it `what`. The caller decrefs.
 */
int canon_parse(const char *what, const char *p, size_t n, int depth, json_t **ret);

/* The canonical form of RFC 8785 (keys sorted by UTF-16 code units, numbers as ECMAScript prints them): equal
 * values have equal bytes, so their SHA-256 names them. */
void canon_format(const json_t *v, struct out *o);
int canon_digest(const json_t *v, struct digest *ret);
