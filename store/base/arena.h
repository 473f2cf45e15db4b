/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that dies together: a report's, a parse's. Not thread-safe. Zero-initialised is empty and valid. */
#pragma once
#include <stddef.h>

struct arena_block;
struct arena {
    struct arena_block *head;
    size_t used;  /* bytes handed out */
    size_t limit; /* 0: none; else arena_alloc past it returns NULL */
};

void *arena_alloc(struct arena *a, size_t n); /* zeroed, 16-byte aligned; NULL: out of memory */
void *arena_array(struct arena *a, size_t count, size_t each); /* checked product */
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void arena_fini(struct arena *a);
