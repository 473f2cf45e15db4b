/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/fail.h"
#include "store/commit.h"
#include "store/manifest.h"
#include "store/page.h"

/* What names a tensor for `since`: name and bytes. */
static void tensor_key(const struct manifest_tensor *t, struct digest *ret)
{
    struct digest both[2] = {{{0}}, t->digest};
    hash_sha256(t->name, strlen(t->name), &both[0]);
    hash_sha256(both, sizeof both, ret);
}

/* The page of `since`: a tensor that the first parent has under the same name with the same bytes keeps the
 * version that the parent's has. Zero when there is nothing to say. */
int commit_since(struct commit *c, struct db_batch *b, struct digest *ret)
{
    memset(ret, 0, sizeof *ret);
    const struct manifest *old;
    if (!c->parent || c->manifest.tensors == 0)
        return 0;
    int r = manifest_get(c->s, c->parent, &old);
    if (r < 0)
        return r;
    struct dmap was = {0}, version = {0}; /* tensor -> its address; version -> number in the page */
    struct out versions = {0}, body = {0}, page = {0};
    for (size_t i = 0; r == 0 && i < old->nfiles; i++)
        for (size_t k = 0; r == 0 && k < old->files[i].ntensors; k++) {
            const struct manifest_tensor *t = &old->files[i].tensors[k];
            struct digest d;
            tensor_key(t, &d);
            if (!hash_is_zero(&t->digest))
                r = dmap_put(&was, &d, (uint64_t)(uintptr_t)t);
        }
    uint32_t n = 0;
    for (size_t i = 0; r == 0 && i < c->manifest.nfiles; i++)
        for (size_t k = 0; r == 0 && k < c->manifest.files[i].ntensors; k++) {
            struct digest d;
            uint32_t code = 0;
            tensor_key(&c->manifest.files[i].tensors[k], &d);
            const uint64_t *found = dmap_get(&was, &d), *known;
            if (found) {
                const struct manifest_tensor *t = (const void *)(uintptr_t)*found;
                const struct digest *v = hash_is_zero(&t->since) ? &c->parent->digest : &t->since;
                if ((known = dmap_get(&version, v)) != NULL) {
                    code = (uint32_t)*known;
                } else {
                    code = ++n;
                    wire_put_digest(&versions, v);
                    r = dmap_put(&version, v, n);
                }
            }
            wire_put_u32(&body, code);
        }
    if (r == 0 && n) {
        page_head(&page, PAGE_SINCE, n);
        wire_put(&page, versions.p, versions.n);
        wire_put_u64(&page, c->manifest.tensors);
        wire_put(&page, body.p, body.n);
        if (out_error(&page) || out_error(&versions) || out_error(&body)) {
            r = fail(-ENOMEM, "out of memory");
        } else {
            hash_sha256(page.p, page.n, ret);
            r = commit_put(c, b, DB_MANIFESTS, ret, page.p, page.n);
        }
    }
    out_fini(&versions);
    out_fini(&body);
    out_fini(&page);
    dmap_fini(&was);
    dmap_fini(&version);
    manifest_unref(c->s, old);
    return r;
}
