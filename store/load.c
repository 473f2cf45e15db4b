/* SPDX-License-Identifier: Apache-2.0 */
#include "store/load.h"
#include "store/base/fail.h"
#include "store/chunk.h"
#include "store/page.h"
#include "store/run.h"
#include <sys/stat.h>

struct loader {
    const struct load_source *src;
    struct arena *a;
    struct manifest *m;
    struct out order; /* of struct manifest_tensor pointers */
};

static int oom(void)
{
    return fail(-ENOMEM, "out of memory");
}

/* A page copied into the arena, verified. */
static int get_page(struct loader *l, const struct digest *d, const void **ret, size_t *ret_n)
{
    struct db_value v = {0};
    int r = l->src->get(l->src->ctx, DB_MANIFESTS, d, &v);
    if (r == -ENOENT)
        return fail(-EBADMSG, "a page of the manifest is missing");
    if (r < 0)
        return r;
    struct digest got;
    hash_sha256(v.p, v.n, &got);
    void *p = arena_alloc(l->a, v.n);
    if (!hash_equal(&got, d))
        r = fail(-EBADMSG, "a page of the manifest does not match its digest");
    else if (!p)
        r = oom();
    else {
        memcpy(p, v.p, v.n);
        *ret = p;
        *ret_n = v.n;
    }
    db_value_free(&v);
    return r;
}

static int path_valid(const char *p)
{
    for (;;) {
        size_t n = strcspn(p, "/");
        if (n == 0 || (p[0] == '.' && (n == 1 || (n == 2 && p[1] == '.'))))
            return 0;
        if (!p[n])
            return 1;
        p += n + 1;
    }
}

/* The chunks of a run become extents from *off on. */
static int add_run(struct loader *l, const char *path, const struct digest *d, uint32_t rank,
                   const uint64_t *shape, uint64_t len, uint64_t *off, struct out *extents,
                   struct tensor_stats *ret_stats)
{
    struct db_value v = {0};
    struct run run;
    int r = l->src->get(l->src->ctx, DB_TENSORS, d, &v);
    if (r == -ENOENT)
        return fail(-EBADMSG, "%s: a tensor record is missing", path);
    if (r < 0)
        return r;
    r = run_parse(v.p, v.n, &run);
    if (r == 0)
        r = run_verify(&run, rank, shape, d);
    uint64_t sum = 0;
    for (uint32_t i = 0; r == 0 && i < run.nchunks; i++) {
        struct run_chunk c = run_chunk_at(&run, i);
        struct load_extent e = {.off = *off + sum, .n = c.n, .id = c.id, .xxh3 = c.xxh3, .digest = c.digest};
        if (c.id == 0 || c.n == 0 || c.n > CODEC_MAX_RAW || c.n > len - sum) {
            r = fail(-EBADMSG, "%s: a tensor record does not fit", path);
            break;
        }
        sum += c.n;
        out_write(extents, &e, sizeof e);
    }
    if (r == 0 && sum != len)
        r = fail(-EBADMSG, "%s: a tensor record does not fit", path);
    if (r == 0 && ret_stats)
        *ret_stats = run.stats;
    *off += sum;
    db_value_free(&v);
    return r;
}

/* Shape and count of a tensor; its byte length when it has an own run. */
static int shape_of(struct loader *l, const struct page_item *x, struct manifest_tensor *t, uint64_t *ret_len)
{
    struct wire w = wire_read(x->shape, (size_t)t->rank * 8);
    uint64_t *shape = arena_array(l->a, t->rank, sizeof *shape), count = 1;
    int bad = 0;
    if (!shape && t->rank)
        return oom();
    for (uint32_t i = 0; i < t->rank; i++) {
        shape[i] = wire_u64(&w);
        bad |= __builtin_mul_overflow(count, shape[i], &count);
    }
    bad |= __builtin_mul_overflow(count, (uint64_t)dtype_size(t->dtype), ret_len);
    if (bad && x->kind == PAGE_TENSOR)
        return fail(-EBADMSG, "tensor %s: its shape overflows", t->name);
    t->shape = shape;
    t->count = bad ? 0 : count;
    return 0;
}

static int add_item(struct loader *l, struct manifest_file *f, const struct page_item *x, uint64_t *off,
                    struct out *extents, struct manifest_tensor *t)
{
    uint64_t len;
    int r;
    switch (x->kind) {
    case PAGE_INLINE: {
        struct load_extent e = {.off = *off, .n = (uint32_t)x->len, .bytes = x->bytes};
        if (x->len == 0 || x->len > f->size - *off)
            return fail(-EBADMSG, "%s: its parts do not add up", f->path);
        out_write(extents, &e, sizeof e);
        *off += x->len;
        return 0;
    }
    case PAGE_BYTES:
        if (x->len > f->size - *off)
            return fail(-EBADMSG, "%s: its parts do not add up", f->path);
        return add_run(l, f->path, &x->digest, 1, &x->len, x->len, off, extents, NULL);
    case PAGE_TENSOR:
        *t = x->tensor;
        if ((r = shape_of(l, x, t, &len)) < 0)
            return r;
        t->off = *off;
        t->len = len;
        if (len > f->size - *off)
            return fail(-EBADMSG, "%s: its parts do not add up", f->path);
        return add_run(l, f->path, &x->digest, t->rank, t->shape, len, off, extents, &t->stats);
    default:
        *t = x->tensor;
        if ((r = shape_of(l, x, t, &len)) < 0)
            return r;
        if (!t->location && (t->off > f->size || t->len > f->size - t->off))
            return fail(-EBADMSG, "%s: tensor %s is not inside the file", f->path, t->name);
        return 0;
    }
}

struct layout_page {
    struct wire w;
    uint32_t n;
};

static int load_file(struct loader *l, const struct page_file *pf, struct manifest_file *f)
{
    *f = pf->f;
    uint32_t npages = pf->layout ? 1 : pf->npages, nitems = 0;
    struct layout_page *pages = arena_array(l->a, npages ? npages : 1, sizeof *pages);
    struct out extents = {0};
    int r = pages ? 0 : oom();
    for (uint32_t i = 0; r == 0 && i < npages; i++) {
        const void *p = pf->layout;
        size_t n = pf->nlayout;
        if (!pf->layout)
            r = get_page(l, &pf->pages[i], &p, &n);
        if (r == 0)
            r = page_open(p, n, PAGE_LAYOUT, &pages[i].w, &pages[i].n);
        if (r == 0 && __builtin_add_overflow(nitems, pages[i].n, &nitems))
            r = fail(-EBADMSG, "%s: too many parts", f->path);
    }
    /* An upper bound: items that are no tensors leave their place unused. */
    struct manifest_tensor *tensors = NULL;
    if (r == 0 && nitems && !(tensors = arena_array(l->a, nitems, sizeof *tensors)))
        r = oom();
    uint64_t off = 0;
    for (uint32_t i = 0; r == 0 && i < npages; i++) {
        for (uint32_t k = 0; r == 0 && k < pages[i].n; k++) {
            struct page_item x;
            page_item_get(&pages[i].w, &x);
            if (pages[i].w.bad)
                break;
            struct manifest_tensor *t = &tensors[f->ntensors];
            r = add_item(l, f, &x, &off, &extents, t);
            if (r == 0 && (x.kind == PAGE_TENSOR || x.kind == PAGE_OTHER)) {
                f->ntensors++;
                out_write(&l->order, &t, sizeof t);
                if (dtype_is_float(t->dtype) && !(t->flags & (TENSOR_VIEW | TENSOR_EXTERNAL)))
                    l->m->params += t->count;
            }
        }
        if (r == 0)
            r = page_close(&pages[i].w);
    }
    if (r == 0 && off != f->size)
        r = fail(-EBADMSG, "%s: its parts do not add up", f->path);
    if (r == 0 && out_error(&extents))
        r = oom();
    if (r == 0) {
        struct manifest_extents *e = arena_alloc(l->a, sizeof *e);
        struct load_extent *copy = arena_alloc(l->a, extents.n);
        if (!e || !copy) {
            r = oom();
        } else {
            if (extents.n)
                memcpy(copy, extents.p, extents.n);
            *e = (struct manifest_extents){copy, extents.n / sizeof *copy};
            f->tensors = tensors;
            f->extents = e;
            l->m->tensors += f->ntensors;
        }
    }
    out_fini(&extents);
    return r;
}

static int load_since(struct loader *l, const struct digest *d)
{
    const void *p;
    size_t n, count = l->order.n / sizeof(struct manifest_tensor *);
    struct wire w;
    uint32_t nversions;
    int r = get_page(l, d, &p, &n);
    if (r == 0)
        r = page_open(p, n, PAGE_SINCE, &w, &nversions);
    if (r < 0)
        return r;
    const struct digest *versions = wire_get(&w, nversions * sizeof *versions);
    if (wire_u64(&w) != count)
        w.bad = 1;
    for (size_t i = 0; i < count && !w.bad; i++) {
        struct manifest_tensor *t;
        memcpy(&t, l->order.p + i * sizeof t, sizeof t);
        uint32_t k = wire_u32(&w);
        if (k > nversions)
            w.bad = 1;
        else if (k)
            t->since = versions[k - 1];
    }
    return page_close(&w);
}

int load_manifest(const struct load_source *src, const struct digest *root, const struct digest *since,
                  struct arena *a, struct manifest *ret)
{
    struct manifest m = {.digest = *root};
    struct loader l = {.src = src, .a = a, .m = &m};
    const void *p;
    size_t n;
    struct wire w;
    uint32_t nleaves = 0;
    int r = get_page(&l, root, &p, &n);
    if (r == 0)
        r = page_open(p, n, PAGE_ROOT, &w, &nleaves);
    if (r < 0)
        return r;
    const struct digest *leaves = wire_get(&w, nleaves * sizeof *leaves);
    if ((r = page_close(&w)) < 0)
        return r;
    struct layout_page *pages = arena_array(a, nleaves ? nleaves : 1, sizeof *pages);
    if (!pages)
        return oom();
    size_t nfiles = 0;
    for (uint32_t i = 0; i < nleaves; i++) {
        if ((r = get_page(&l, &leaves[i], &p, &n)) < 0 ||
            (r = page_open(p, n, PAGE_LEAF, &pages[i].w, &pages[i].n)) < 0)
            return r;
        nfiles += pages[i].n;
    }
    struct manifest_file *files = arena_array(a, nfiles ? nfiles : 1, sizeof *files);
    if (!files)
        return oom();
    for (uint32_t i = 0; r == 0 && i < nleaves; i++) {
        for (uint32_t k = 0; r == 0 && k < pages[i].n; k++) {
            struct page_file pf;
            page_file_get(&pages[i].w, &pf);
            if (pages[i].w.bad)
                break;
            const char *before = m.nfiles ? files[m.nfiles - 1].path : "";
            if (!path_valid(pf.f.path) || strcmp(before, pf.f.path) >= 0)
                r = fail(-EBADMSG, "the manifest's paths are not valid and in order");
            else if (!S_ISREG(pf.f.mode) && !S_ISDIR(pf.f.mode))
                r = fail(-EBADMSG, "%s: neither a file nor a directory", pf.f.path);
            else
                r = load_file(&l, &pf, &files[m.nfiles]);
            m.nfiles++;
        }
        if (r == 0)
            r = page_close(&pages[i].w);
    }
    m.files = files;
    if (r == 0 && out_error(&l.order))
        r = oom();
    if (r == 0 && !hash_is_zero(since))
        r = load_since(&l, since);
    out_fini(&l.order);
    if (r == 0)
        *ret = m;
    return r;
}

static int get(void *ctx, enum db_cf cf, const struct digest *d, struct db_value *ret)
{
    struct store *s = ctx;
    return db_get(s->db, cf, d->b, sizeof d->b, ret);
}

struct load_source load_from(struct store *s)
{
    return (struct load_source){get, s};
}
