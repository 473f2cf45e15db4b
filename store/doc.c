/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doc := u32 "mfsd", u8 version, text staging, u8 kind, u32 files, list created, list reused, list runs,
 *        list pages, list blobs, 32 root, u64 files, u64 bytes, text message, text author, text lineage,
 *        text tag, i64 time, u8 auto parent, u8 foreign, u32 n, n x 32 parents
 * list := u64 n, u64 bytes, the entries:
 *   created  32 digest, u64 id, u8 codec, u8 depth, u32 raw, u32 stored, u64 base id, 32 its digest
 *   reused   32 digest, u64 id
 *   runs     32 digest, bytes record
 *   pages, blobs  bytes
 *
 * It lives as long as one commit and is never stored: both halves are of one version, or the owner refuses.
 */
#include "store/doc.h"
#include "store/base/fail.h"
#include "store/record.h"

enum { MAGIC = 0x6473666d, VERSION = 3 };

static void put_list(struct out *o, const struct doc_list *l)
{
    wire_put_u64(o, l->n);
    wire_put_u64(o, l->bytes);
    wire_put(o, l->p, l->bytes);
}

static void get_list(struct wire *w, struct doc_list *ret)
{
    ret->n = wire_u64(w);
    ret->bytes = wire_u64(w);
    ret->p = wire_get(w, ret->bytes);
    if (ret->n > ret->bytes)
        w->bad = 1;
}

void doc_format(const struct doc *d, struct out *o)
{
    wire_put_u32(o, MAGIC);
    wire_put_u8(o, VERSION);
    record_text_put(o, d->staging);
    wire_put_u8(o, d->kind);
    wire_put_u32(o, d->files);
    put_list(o, &d->created);
    put_list(o, &d->reused);
    put_list(o, &d->runs);
    put_list(o, &d->pages);
    put_list(o, &d->blobs);
    wire_put_digest(o, &d->root);
    wire_put_u64(o, d->nfiles);
    wire_put_u64(o, d->bytes);
    record_text_put(o, d->message);
    record_text_put(o, d->author);
    record_text_put(o, d->lineage);
    record_text_put(o, d->tag);
    wire_put_u64(o, (uint64_t)d->time_ns);
    wire_put_u8(o, d->auto_parent);
    wire_put_u8(o, d->foreign);
    wire_put_u32(o, d->nparents);
    wire_put(o, d->parents, d->nparents * sizeof *d->parents);
}

int doc_parse(const void *p, size_t n, struct doc *ret)
{
    struct wire w = wire_read(p, n);
    struct doc d = {0};
    uint32_t magic = wire_u32(&w);
    uint8_t version = wire_u8(&w);
    if (w.bad || magic != MAGIC)
        return fail(-EBADMSG, "not a prepared commit");
    if (version != VERSION)
        return fail(-ENOTSUP, "a commit prepared by another version of modelfs (%u)", version);
    d.staging = record_text_get(&w);
    d.kind = wire_u8(&w);
    d.files = wire_u32(&w);
    get_list(&w, &d.created);
    get_list(&w, &d.reused);
    get_list(&w, &d.runs);
    get_list(&w, &d.pages);
    get_list(&w, &d.blobs);
    wire_digest(&w, &d.root);
    d.nfiles = wire_u64(&w);
    d.bytes = wire_u64(&w);
    d.message = record_text_get(&w);
    d.author = record_text_get(&w);
    d.lineage = record_text_get(&w);
    d.tag = record_text_get(&w);
    d.time_ns = (int64_t)wire_u64(&w);
    d.auto_parent = wire_u8(&w);
    d.foreign = wire_u8(&w);
    d.nparents = wire_u32(&w);
    d.parents = wire_get(&w, (size_t)d.nparents * sizeof *d.parents);
    if (wire_done(&w) < 0 || d.kind > STAGING_TABLES || (d.kind == STAGING_NONE) != !*d.staging)
        return fail(-EBADMSG, "a prepared commit that does not hold together");
    *ret = d;
    return 0;
}

void doc_chunk_put(struct out *o, const struct doc_chunk *c)
{
    wire_put_digest(o, &c->digest);
    wire_put_u64(o, c->id);
    wire_put_u8(o, c->codec);
    wire_put_u8(o, c->depth);
    wire_put_u32(o, c->raw);
    wire_put_u32(o, c->stored);
    wire_put_u64(o, c->base);
    wire_put_digest(o, &c->base_digest);
}

void doc_chunk_get(struct wire *w, struct doc_chunk *ret)
{
    wire_digest(w, &ret->digest);
    ret->id = wire_u64(w);
    ret->codec = wire_u8(w);
    ret->depth = wire_u8(w);
    ret->raw = wire_u32(w);
    ret->stored = wire_u32(w);
    ret->base = wire_u64(w);
    wire_digest(w, &ret->base_digest);
}
