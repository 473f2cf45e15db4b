/* SPDX-License-Identifier: Apache-2.0 */
/* The files of diff/<a>..<b>/, for commands that are about a pair. */
#pragma once
#include "tools/client.h"
#include <stdio.h>

/* Appends one of them; the names in the pair may be tags, digests or latest. -EINVAL: no pair A..B. */
int pair_file(struct client *c, const char *pair, const char *name, struct out *ret);
/* A CSV file in aligned columns; those that are empty all the way down are left out. */
void pair_columns(const char *csv, FILE *to);
