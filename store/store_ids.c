/* SPDX-License-Identifier: Apache-2.0 */
/* Which chunks there are, and the ids of new ones. */
#include "store/base/fail.h"
#include "store/core.h"
#include "store/prepare.h"
#include <stdlib.h>

int store_has(struct store *s, const struct digest *d, size_t n, uint64_t *ids)
{
    for (size_t i = 0; i < n; i++) {
        struct db_value v;
        struct record_idx x;
        int r = db_get(s->db, DB_IDX, d[i].b, sizeof d[i].b, &v);
        ids[i] = 0;
        if (r == -ENOENT)
            continue;
        if (r < 0)
            return r;
        r = record_idx_parse(v.p, v.n, &x);
        db_value_free(&v);
        if (r < 0)
            return r;
        ids[i] = x.id;
    }
    return 0;
}

int store_reserve(struct store *s, uint64_t n, uint64_t *first)
{
    if (s->readonly)
        return fail(-EROFS, "%s: opened read-only", s->path);
    if (n == 0 || n > UINT32_MAX)
        return fail(-EINVAL, "%llu ids asked for", (unsigned long long)n);
    pthread_mutex_lock(&s->mutex);
    struct core_range *more = reallocarray(s->reserved, s->nreserved + 1, sizeof *more);
    if (more) {
        s->reserved = more;
        s->reserved[s->nreserved++] = (struct core_range){s->next_id, n};
        *first = s->next_id;
        s->next_id += n;
    }
    pthread_mutex_unlock(&s->mutex);
    return more ? 0 : fail(-ENOMEM, "out of memory");
}
