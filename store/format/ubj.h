/* SPDX-License-Identifier: Apache-2.0 */
/* Universal Binary JSON (ubjson.org, draft 12), as XGBoost saves it, into the same values that JSON gives. */
#pragma once
#include "store/format/input.h"
#include <jansson.h>

/*
 * Parses exactly one value of n bytes. As canon_parse: no duplicate keys, no NUL in strings, FORMAT_MAX_DEPTH
 * levels, memory bounded by FORMAT_MAX_MEMORY; -EBADMSG with the offset. Numbers that are not finite become
 * the strings "NaN", "Infinity" and "-Infinity". The caller decrefs.
 */
int ubj_parse(const struct input *in, const char *p, size_t n, json_t **ret);
