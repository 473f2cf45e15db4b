/* SPDX-License-Identifier: Apache-2.0 */
#include "store/idx.h"
#include "store/base/fail.h"

int idx_get(struct store *s, const struct digest *d, uint64_t id, struct record_idx *ret)
{
    uint8_t key[40];
    struct key k = key_id(id);
    memcpy(key, d->b, 32);
    memcpy(key + 32, k.b, 8);
    for (size_t n = 32; n <= 40; n += 8) {
        struct db_value v;
        int r = db_get(s->db, DB_IDX, key, n, &v);
        if (r == 0) {
            r = record_idx_parse(v.p, v.n, ret);
            db_value_free(&v);
            if (r == 0 && ret->id == id)
                return 0;
        }
        if (r < 0 && r != -ENOENT)
            return r;
    }
    return -ENOENT;
}

int idx_must_get(struct store *s, const struct digest *d, uint64_t id, struct record_idx *ret)
{
    int r = idx_get(s, d, id, ret);
    return r == -ENOENT ? fail(-EBADMSG, "chunk %llu is missing in the index", (unsigned long long)id) : r;
}
