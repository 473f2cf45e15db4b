/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/arena.h"
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arena_block {
    struct arena_block *next;
    size_t n, cap;
    _Alignas(16) char p[];
};

void *arena_alloc(struct arena *a, size_t n)
{
    size_t need;
    if (__builtin_add_overflow(n, (size_t)15, &need))
        return NULL;
    need &= ~(size_t)15;
    if (a->limit && (need > a->limit || a->used > a->limit - need))
        return NULL;
    struct arena_block *b = a->head;
    if (!b || b->cap - b->n < need) {
        size_t cap = need > 32768 ? need : 32768, all;
        if (__builtin_add_overflow(cap, sizeof *b, &all) || !(b = malloc(all)))
            return NULL;
        b->n = 0;
        b->cap = cap;
        if (a->head && need > 32768) { /* keep filling the current block */
            b->next = a->head->next;
            a->head->next = b;
        } else {
            b->next = a->head;
            a->head = b;
        }
    }
    void *p = b->p + b->n;
    b->n += need;
    a->used += need;
    return memset(p, 0, need);
}

void *arena_array(struct arena *a, size_t count, size_t each)
{
    size_t n;
    return __builtin_mul_overflow(count, each, &n) ? NULL : arena_alloc(a, n);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    if (n == SIZE_MAX)
        return NULL;
    char *p = arena_alloc(a, n + 1);
    return p ? memcpy(p, s, n) : NULL;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (p)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

void arena_fini(struct arena *a)
{
    if (!a)
        return;
    for (struct arena_block *b = a->head, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    a->head = NULL;
    a->used = 0;
}
