/* SPDX-License-Identifier: Apache-2.0 */
#include "store/dmap.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdlib.h>

/* The entry of d, or the free one where it belongs. */
static struct dmap_entry *slot(struct dmap_entry *e, size_t cap, const struct digest *d)
{
    uint64_t h;
    memcpy(&h, d->b, sizeof h); /* SHA-256 is as good as any hash of it */
    size_t i = h & (cap - 1);
    while (e[i].used && !hash_equal(&e[i].key, d))
        i = (i + 1) & (cap - 1);
    return &e[i];
}

uint64_t *dmap_get(const struct dmap *m, const struct digest *d)
{
    if (!m->cap)
        return NULL;
    struct dmap_entry *e = slot(m->e, m->cap, d);
    return e->used ? &e->value : NULL;
}

int dmap_put(struct dmap *m, const struct digest *d, uint64_t value)
{
    if (m->n + 1 > m->cap / 2) {
        size_t cap = m->cap ? m->cap * 2 : 64;
        struct dmap_entry *e = calloc(cap, sizeof *e);
        if (!e)
            return fail(-ENOMEM, "out of memory");
        for (size_t i = 0; i < m->cap; i++)
            if (m->e[i].used)
                *slot(e, cap, &m->e[i].key) = m->e[i];
        free(m->e);
        m->e = e;
        m->cap = cap;
    }
    struct dmap_entry *e = slot(m->e, m->cap, d);
    m->n += !e->used;
    *e = (struct dmap_entry){*d, value, 1};
    return 0;
}

void dmap_fini(struct dmap *m)
{
    free(m->e);
    *m = (struct dmap){0};
}
