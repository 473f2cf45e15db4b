/* SPDX-License-Identifier: Apache-2.0 */
/* Generated .jsonl files: one canonical JSON object a line, safe whatever bytes went in. */
#pragma once
#include "store/base/out.h"
#include <jansson.h>

/* A JSON string of any bytes: what is not UTF-8 becomes U+FFFD. */
json_t *lines_text(const char *p, size_t n);
/* RFC 3339, UTC, whole seconds. */
json_t *lines_time(int64_t ns);
/* Writes the object and a newline, and drops it. A NULL object, or one that lacks memory, is -ENOMEM in o. */
void lines_put(struct out *o, json_t *object);
