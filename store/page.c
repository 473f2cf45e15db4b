/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifests: SHA-256 of the page -> page, little-endian; text = u32 length, bytes, NUL
 *
 *   page   := u8 version 1, u8 type, u32 n, n entries
 *   root   (type 1): 32 leaf page                         the manifest: its digest is the root's
 *   leaf   (type 2): file                                 sorted by path over all leaves
 *   layout (type 3): item                                 of one file, in file order over all its pages
 *   since  (type 4): 32 version, then u64 m, m x u32: for each tensor of the manifest in order the version
 * that last changed its bytes, counted from 1; 0: this one
 *
 *   file   := text path, u32 mode, i64 mtime, u64 size, 32 sha256, u8 format, text problem ("": none),
 *             32 structure, u8 inside, inside ? bytes (a layout page) : u32 n, n x 32 (layout pages)
 *   item   := u8 0, u64 len, 32 run                                             plain bytes
 *           | u8 1, bytes                                                       at most 256 bytes
 *           | u8 2, text name, u8 dtype, u32 rank, u64 shape..., 32 run         a tensor
 *           | u8 3, text name, u8 dtype, u32 rank, u64 shape..., 32 digest, u32 flags, u64 off, u64 len,
 *             text location ("": none), u8 stats, [stats as in run.c]           a tensor without bytes of its
 * own
 *
 * Pages are cut where the content says so (a leaf after a path, a layout after a run whose hash has its low
 * bits zero), so that two versions share the pages on which they agree.
 */
#include "store/page.h"
#include "store/base/fail.h"
#include "store/record.h"
#include "store/run.h"

enum { VERSION = 1 };

int page_open(const void *p, size_t n, enum page_type type, struct wire *ret, uint32_t *ret_n)
{
    struct wire w = wire_read(p, n);
    uint8_t version = wire_u8(&w), is = wire_u8(&w);
    uint32_t entries = wire_u32(&w);
    if (!w.bad && version != VERSION)
        return fail(-ENOTSUP, "manifest page of a newer modelfs (version %u)", version);
    if (w.bad || is != type || entries > wire_left(&w))
        return fail(-EBADMSG, "manifest page does not hold together");
    *ret = w;
    *ret_n = entries;
    return 0;
}

int page_close(const struct wire *w)
{
    return wire_done(w) < 0 ? fail(-EBADMSG, "manifest page does not hold together") : 0;
}

void page_head(struct out *o, enum page_type type, uint32_t n)
{
    wire_put_u8(o, VERSION);
    wire_put_u8(o, (uint8_t)type);
    wire_put_u32(o, n);
}

void page_file_put(struct out *o, const struct page_file *f)
{
    record_text_put(o, f->f.path);
    wire_put_u32(o, f->f.mode);
    wire_put_u64(o, (uint64_t)f->f.mtime_ns);
    wire_put_u64(o, f->f.size);
    wire_put_digest(o, &f->f.sha256);
    wire_put_u8(o, (uint8_t)f->f.format);
    record_text_put(o, f->f.problem ? f->f.problem : "");
    wire_put_digest(o, &f->f.structure);
    wire_put_u8(o, f->layout != NULL);
    if (f->layout) {
        wire_put_bytes(o, f->layout, f->nlayout);
    } else {
        wire_put_u32(o, f->npages);
        wire_put(o, f->pages, f->npages * sizeof *f->pages);
    }
}

void page_file_get(struct wire *w, struct page_file *ret)
{
    struct page_file f = {0};
    f.f.path = record_text_get(w);
    f.f.mode = wire_u32(w);
    f.f.mtime_ns = (int64_t)wire_u64(w);
    f.f.size = wire_u64(w);
    wire_digest(w, &f.f.sha256);
    f.f.format = (enum format)wire_u8(w);
    const char *problem = record_text_get(w);
    f.f.problem = *problem ? problem : NULL;
    wire_digest(w, &f.f.structure);
    if (wire_u8(w)) {
        f.layout = wire_bytes(w, &f.nlayout);
    } else {
        f.npages = wire_u32(w);
        f.pages = wire_get(w, (size_t)f.npages * sizeof *f.pages);
    }
    *ret = f;
}

static void put_tensor(struct out *o, const struct manifest_tensor *t)
{
    record_text_put(o, t->name);
    wire_put_u8(o, (uint8_t)t->dtype);
    wire_put_u32(o, t->rank);
    for (uint32_t i = 0; i < t->rank; i++)
        wire_put_u64(o, t->shape[i]);
}

void page_item_put(struct out *o, const struct page_item *x)
{
    const struct manifest_tensor *t = &x->tensor;
    wire_put_u8(o, x->kind);
    switch (x->kind) {
    case PAGE_BYTES:
        wire_put_u64(o, x->len);
        wire_put_digest(o, &x->digest);
        break;
    case PAGE_INLINE:
        wire_put_bytes(o, x->bytes, x->len);
        break;
    case PAGE_TENSOR:
        put_tensor(o, t);
        wire_put_digest(o, &x->digest);
        break;
    case PAGE_OTHER:
        put_tensor(o, t);
        wire_put_digest(o, &t->digest);
        wire_put_u32(o, t->flags);
        wire_put_u64(o, t->off);
        wire_put_u64(o, t->len);
        record_text_put(o, t->location ? t->location : "");
        wire_put_u8(o, (uint8_t)x->has_stats);
        if (x->has_stats)
            run_stats_put(o, &t->stats);
        break;
    }
}

static void get_tensor(struct wire *w, struct page_item *x)
{
    x->tensor.name = record_text_get(w);
    x->tensor.dtype = (enum dtype)wire_u8(w);
    x->tensor.rank = wire_u32(w);
    if (x->tensor.dtype >= DTYPE_MAX)
        w->bad = 1;
    x->shape = wire_get(w, (size_t)x->tensor.rank * 8);
    wire_digest(w, &x->digest);
}

void page_item_get(struct wire *w, struct page_item *ret)
{
    struct page_item x = {.kind = wire_u8(w)};
    struct manifest_tensor *t = &x.tensor;
    size_t n;
    switch (x.kind) {
    case PAGE_BYTES:
        x.len = wire_u64(w);
        wire_digest(w, &x.digest);
        break;
    case PAGE_INLINE:
        x.bytes = wire_bytes(w, &n);
        x.len = n;
        break;
    case PAGE_TENSOR:
        get_tensor(w, &x);
        t->digest = x.digest;
        t->flags = TENSOR_SEGMENT;
        break;
    case PAGE_OTHER:
        get_tensor(w, &x);
        t->digest = x.digest;
        t->flags = wire_u32(w);
        t->off = wire_u64(w);
        t->len = wire_u64(w);
        t->location = record_text_get(w);
        if (!*t->location)
            t->location = NULL;
        x.has_stats = wire_u8(w);
        if (x.has_stats)
            run_stats_get(w, &t->stats);
        break;
    default:
        w->bad = 1;
    }
    *ret = x;
}
