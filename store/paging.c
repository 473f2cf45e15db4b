/* SPDX-License-Identifier: Apache-2.0 */
#include "store/paging.h"
#include "store/base/fail.h"

enum { PAGE_MIN = 1024, PAGE_FULL = 65536, INSIDE = 4096 };

static int oom(void)
{
    return fail(-ENOMEM, "out of memory");
}

void paging_fini(struct paging *g)
{
    out_fini(&g->pages);
    out_fini(&g->blobs);
    out_fini(&g->leaf);
    out_fini(&g->leaves);
    dmap_fini(&g->seen);
}

static int keep(struct paging *g, struct out *list, uint64_t *n, const struct out *o, struct digest *ret)
{
    if (out_error(o))
        return oom();
    hash_sha256(o->p, o->n, ret);
    if (dmap_get(&g->seen, ret))
        return 0;
    wire_put_bytes(list, o->p, o->n);
    (*n)++;
    return out_error(list) ? oom() : dmap_put(&g->seen, ret, 1);
}

int paging_blob(struct paging *g, const void *p, size_t n, struct digest *ret)
{
    struct out o = {.p = (char *)p, .n = n};
    return keep(g, &g->blobs, &g->nblobs, &o, ret);
}

/* A page of n entries, whose bytes are in body, which is emptied. */
static int keep_page(struct paging *g, enum page_type type, uint32_t n, struct out *body, struct digest *ret)
{
    struct out page = {0};
    page_head(&page, type, n);
    wire_put(&page, body->p, body->n);
    if (out_error(body))
        page.err = body->err;
    int r = keep(g, &g->pages, &g->npages, &page, ret);
    out_fini(&page);
    out_reset(body);
    return r;
}

struct items { /* of one file */
    struct paging *g;
    struct out body, digests;
    uint32_t n;
};

static int put(struct items *x, const struct page_item *item)
{
    page_item_put(&x->body, item);
    x->n++;
    const struct digest *d = item->kind == PAGE_OTHER ? &item->tensor.digest : &item->digest;
    int ends = item->kind != PAGE_INLINE && d->b[0] < 8 && x->body.n >= PAGE_MIN;
    if (!ends && x->body.n < PAGE_FULL)
        return 0;
    struct digest page;
    int r = keep_page(x->g, PAGE_LAYOUT, x->n, &x->body, &page);
    wire_put_digest(&x->digests, &page);
    x->n = 0;
    return r;
}

static int put_bytes(struct items *x, const struct segment *s, const struct ingest_segment *done)
{
    struct page_item item = {.kind = done->bytes ? PAGE_INLINE : PAGE_BYTES,
                             .len = s->len,
                             .bytes = done->bytes,
                             .digest = done->digest};
    return put(x, &item);
}

static int put_tensor(struct items *x, const struct tensor *t, const struct ingest_segment *done)
{
    int own = t->flags & TENSOR_SEGMENT;
    struct page_item item = {
        .kind = own ? PAGE_TENSOR : PAGE_OTHER, .digest = done->digest, .has_stats = done->has_stats};
    item.tensor = (struct manifest_tensor){.name = t->name,
                                           .dtype = t->dtype,
                                           .flags = t->flags,
                                           .rank = t->rank,
                                           .shape = t->shape,
                                           .off = t->off,
                                           .len = t->len,
                                           .location = t->location,
                                           .digest = done->digest,
                                           .stats = done->stats};
    return put(x, &item);
}

int paging_file(struct paging *g, const struct manifest_file *f, const struct layout *l,
                const struct ingest_segment *segments, const struct ingest_segment *others)
{
    struct items x = {.g = g};
    struct out inside = {0};
    size_t next = 0;
    int r = 0;
    for (size_t i = 0; r == 0 && i < l->ntensors; i++) {
        const struct tensor *t = &l->tensors[i];
        if (t->flags & TENSOR_SEGMENT)
            for (; r == 0 && next < t->segment; next++)
                r = put_bytes(&x, &l->segments[next], &segments[next]);
        if (r == 0)
            r = put_tensor(&x, t, t->flags & TENSOR_SEGMENT ? &segments[next] : &others[i]);
        next += (t->flags & TENSOR_SEGMENT) != 0;
    }
    for (; r == 0 && next < l->nsegments; next++)
        r = put_bytes(&x, &l->segments[next], &segments[next]);

    struct page_file pf = {.f = *f};
    if (r == 0 && x.digests.n == 0 && x.body.n <= INSIDE) {
        page_head(&inside, PAGE_LAYOUT, x.n);
        wire_put(&inside, x.body.p, x.body.n);
        pf.layout = inside.p;
        pf.nlayout = inside.n;
    } else if (r == 0 && x.n) {
        struct digest page;
        r = keep_page(g, PAGE_LAYOUT, x.n, &x.body, &page);
        wire_put_digest(&x.digests, &page);
    }
    if (r == 0 && (out_error(&inside) || out_error(&x.digests) || out_error(&x.body)))
        r = oom();
    if (r == 0) {
        pf.pages = (const struct digest *)x.digests.p;
        pf.npages = (uint32_t)(x.digests.n / sizeof *pf.pages);
        page_file_put(&g->leaf, &pf);
        g->in_leaf++;
        if (hash_xxh3(f->path, strlen(f->path)) % 32 == 0 || g->leaf.n >= PAGE_FULL) {
            struct digest leaf;
            r = keep_page(g, PAGE_LEAF, g->in_leaf, &g->leaf, &leaf);
            wire_put_digest(&g->leaves, &leaf);
            g->in_leaf = 0;
        }
    }
    out_fini(&x.body);
    out_fini(&x.digests);
    out_fini(&inside);
    return r;
}

int paging_finish(struct paging *g, struct digest *ret_root)
{
    int r = 0;
    if (g->in_leaf) {
        struct digest leaf;
        r = keep_page(g, PAGE_LEAF, g->in_leaf, &g->leaf, &leaf);
        wire_put_digest(&g->leaves, &leaf);
    }
    uint32_t n = (uint32_t)(g->leaves.n / sizeof(struct digest));
    return r < 0 ? r : keep_page(g, PAGE_ROOT, n, &g->leaves, ret_root);
}
