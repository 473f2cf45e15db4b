/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys (integers big-endian) and records (little-endian; bytes are a u32 length and the bytes, a text has a
 * NUL after them that is not counted). Every record begins with u8 version, 1 today. `model` is be32 1.
 *
 *   meta (default)  "features"           u8 1, u64 incompatible, u64 read-only compatible, u64 compatible
 *                   "id"                 u8 1, 32 store id
 *                   "known"              u8 1, u64 sum of the predictions
 *                   "ids"                u8 1, u64 next chunk id, u64 newest chunk id in `chunks`
 *   idx             digest [be64 id]     u8 1, u8 codec, u8 depth, u64 id, u32 raw, u32 stored, u64 base, u64
 * scale (SHA-256 of the raw bytes; with id: a second copy of the same bytes) versions        model 'd' digest
 * u8 1, bytes body, u32 number, u64 bytes_new, u64 stored_new, 32 since page body u8 1, 32 manifest root, u32
 * n, n x 32 parents, text author, text message, i64 time, text lineage, u64 files, u64 bytes; its SHA-256 is
 * the digest model 'n' be32       u8 1, 32 digest      (zero: removed; a number is never given again) refs
 * model 't' tag        u8 1, 32 digest model 'm' be64 seq tag   u8 1, text tag, 32 from, 32 to, text who, i64
 * time   (seq: of its event) model 'c' name       u8 1, 32 digest of a blob (configuration) examples model
 * be64 seq       u8 1, u8 state, 32 digest, 32 input, u32 uid, i64 time, bytes json, text reason predictions
 * model run 'i'        u8 1, JSON about the run model run 'p' input  u8 1, the prediction events be64 seq u8
 * 1, 32 previous hash, text kind, i64 time, 32 payload digest, u8 1, bytes payload (JSON); u8 0 in its place:
 * erased hash                               SHA-256 of previous hash, u64 seq, text kind, i64 time, payload
 * digest blobs           digest               u8 1, the document chunks, small: see chunk.c. tensors,
 * manifests: see pages.c.
 */
#include "store/record.h"
#include "store/base/fail.h"
#include <assert.h>
#include <stdlib.h>

enum { VERSION = 1 };

static int check_version(struct wire *w, const char *what)
{
    uint8_t v = wire_u8(w);
    if (w->bad)
        return fail(-EBADMSG, "%s record is empty", what);
    return v == VERSION ? 0 : fail(-ENOTSUP, "%s record of a newer modelfs (version %u)", what, v);
}

static int check_done(const struct wire *w, const char *what)
{
    return wire_done(w) < 0 ? fail(-EBADMSG, "%s record does not hold together", what) : 0;
}

void record_idx_format(const struct record_idx *x, struct out *o)
{
    wire_put_u8(o, VERSION);
    wire_put_u8(o, x->codec);
    wire_put_u8(o, x->depth);
    wire_put_u64(o, x->id);
    wire_put_u32(o, x->raw);
    wire_put_u32(o, x->stored);
    wire_put_u64(o, x->base);
    wire_put_u64(o, x->scale);
}

int record_idx_parse(const void *p, size_t n, struct record_idx *ret)
{
    struct wire w = wire_read(p, n);
    int r = check_version(&w, "idx");
    if (r < 0)
        return r;
    struct record_idx x;
    x.codec = wire_u8(&w);
    x.depth = wire_u8(&w);
    x.id = wire_u64(&w);
    x.raw = wire_u32(&w);
    x.stored = wire_u32(&w);
    x.base = wire_u64(&w);
    x.scale = wire_u64(&w);
    if ((r = check_done(&w, "idx")) < 0)
        return r;
    *ret = x;
    return 0;
}

void record_ids_format(uint64_t next, uint64_t newest, struct out *o)
{
    wire_put_u8(o, VERSION);
    wire_put_u64(o, next);
    wire_put_u64(o, newest);
}

void record_text_put(struct out *o, const char *s)
{
    wire_put_bytes(o, s, strlen(s));
    wire_put_u8(o, 0);
}

const char *record_text_get(struct wire *w)
{
    size_t n;
    const char *p = wire_bytes(w, &n);
    const char *end = wire_get(w, 1);
    if (!end || *end != 0 || memchr(p, 0, n)) {
        w->bad = 1;
        return "";
    }
    return p;
}

void record_body_format(const struct version *v, struct out *o)
{
    wire_put_u8(o, VERSION);
    wire_put_digest(o, &v->manifest);
    wire_put_u32(o, (uint32_t)v->nparents);
    for (size_t i = 0; i < v->nparents; i++)
        wire_put_digest(o, &v->parents[i]);
    record_text_put(o, v->author);
    record_text_put(o, v->message);
    wire_put_u64(o, (uint64_t)v->time_ns);
    record_text_put(o, v->lineage);
    wire_put_u64(o, v->files);
    wire_put_u64(o, v->bytes);
}

void record_version_format(const void *body, size_t nbody, const struct version *v,
                           const struct record_extra *x, struct out *o)
{
    wire_put_u8(o, VERSION);
    wire_put_bytes(o, body, nbody);
    wire_put_u32(o, v->number);
    wire_put_u64(o, v->bytes_new);
    wire_put_u64(o, v->stored_new);
    wire_put_digest(o, &x->since);
}

static int body_parse(const void *body, size_t n, struct version *v)
{
    struct wire w = wire_read(body, n);
    int r = check_version(&w, "version");
    if (r < 0)
        return r;
    wire_digest(&w, &v->manifest);
    v->nparents = wire_u32(&w);
    static_assert(sizeof(struct digest) == 32 && _Alignof(struct digest) == 1, "parents lie in the record");
    v->parents = wire_get(&w, v->nparents * sizeof(struct digest));
    v->author = record_text_get(&w);
    v->message = record_text_get(&w);
    v->time_ns = (int64_t)wire_u64(&w);
    v->lineage = record_text_get(&w);
    v->files = wire_u64(&w);
    v->bytes = wire_u64(&w);
    return check_done(&w, "version");
}

int record_version_parse(const struct digest *expect, const void *p, size_t n, struct version **ret,
                         struct record_extra *ret_extra)
{
    struct wire w = wire_read(p, n);
    int r = check_version(&w, "version");
    if (r < 0)
        return r;
    size_t nbody;
    const char *body = wire_bytes(&w, &nbody);
    struct version head = {.refcount = 1};
    head.number = wire_u32(&w);
    head.bytes_new = wire_u64(&w);
    head.stored_new = wire_u64(&w);
    struct record_extra x;
    wire_digest(&w, &x.since);
    if ((r = check_done(&w, "version")) < 0)
        return r;
    hash_sha256(body, nbody, &head.digest);
    if (!hash_equal(&head.digest, expect))
        return fail(-EBADMSG, "version record does not match its digest");
    struct version *v = malloc(sizeof *v + nbody);
    if (!v)
        return fail(-ENOMEM, "out of memory");
    *v = head;
    memcpy(v + 1, body, nbody);
    if ((r = body_parse(v + 1, nbody, v)) < 0) {
        free(v);
        return r;
    }
    *ret = v;
    if (ret_extra)
        *ret_extra = x;
    return 0;
}

static int event_hash(const struct digest *prev, uint64_t seq, const char *kind, int64_t time_ns,
                      const struct digest *payload, struct digest *ret)
{
    struct out o = {0};
    wire_put_digest(&o, prev);
    wire_put_u64(&o, seq);
    record_text_put(&o, kind);
    wire_put_u64(&o, (uint64_t)time_ns);
    wire_put_digest(&o, payload);
    int r = out_error(&o);
    if (r == 0)
        hash_sha256(o.p, o.n, ret);
    out_fini(&o);
    return r < 0 ? fail(r, "out of memory") : 0;
}

void record_event_format(const struct digest *prev, uint64_t seq, const char *kind, int64_t time_ns,
                         const void *p, size_t n, struct out *o, struct digest *ret_hash)
{
    struct digest payload;
    hash_sha256(p, n, &payload);
    wire_put_u8(o, VERSION);
    wire_put_digest(o, prev);
    record_text_put(o, kind);
    wire_put_u64(o, (uint64_t)time_ns);
    wire_put_digest(o, &payload);
    wire_put_u8(o, 1);
    wire_put_bytes(o, p, n);
    if (event_hash(prev, seq, kind, time_ns, &payload, ret_hash) < 0)
        o->err = -ENOMEM;
}

int record_event_parse(uint64_t seq, const void *p, size_t n, struct event *ret, struct digest *ret_prev)
{
    struct wire w = wire_read(p, n);
    int r = check_version(&w, "event");
    if (r < 0)
        return r;
    struct event e = {.seq = seq, .json = ""};
    struct digest prev, payload, got;
    wire_digest(&w, &prev);
    e.kind = record_text_get(&w);
    e.time_ns = (int64_t)wire_u64(&w);
    wire_digest(&w, &payload);
    uint8_t there = wire_u8(&w);
    if (there)
        e.json = wire_bytes(&w, &e.n);
    if ((r = check_done(&w, "event")) < 0)
        return r;
    hash_sha256(e.json, e.n, &got);
    if (there && !hash_equal(&got, &payload))
        return fail(-EBADMSG, "event %llu does not match its digest", (unsigned long long)seq);
    if ((r = event_hash(&prev, seq, e.kind, e.time_ns, &payload, &e.hash)) < 0)
        return r;
    *ret = e;
    *ret_prev = prev;
    return 0;
}

void record_move_format(const struct tag_move *m, struct out *o)
{
    wire_put_u8(o, VERSION);
    record_text_put(o, m->name);
    wire_put_digest(o, &m->from);
    wire_put_digest(o, &m->to);
    record_text_put(o, m->who);
    wire_put_u64(o, (uint64_t)m->time_ns);
}

int record_move_parse(const void *p, size_t n, struct tag_move *ret)
{
    struct wire w = wire_read(p, n);
    int r = check_version(&w, "tag move");
    if (r < 0)
        return r;
    struct tag_move m;
    m.name = record_text_get(&w);
    wire_digest(&w, &m.from);
    wire_digest(&w, &m.to);
    m.who = record_text_get(&w);
    m.time_ns = (int64_t)wire_u64(&w);
    if ((r = check_done(&w, "tag move")) == 0)
        *ret = m;
    return r;
}

void record_row_format(const struct stored_row *r, struct out *o)
{
    wire_put_u8(o, VERSION);
    wire_put_u8(o, r->state);
    wire_put_digest(o, &r->digest);
    wire_put_digest(o, &r->input);
    wire_put_u32(o, r->uid);
    wire_put_u64(o, (uint64_t)r->time_ns);
    wire_put_bytes(o, r->json, r->n);
    record_text_put(o, r->reason ? r->reason : "");
}

int record_row_parse(uint64_t seq, const void *p, size_t n, struct stored_row *ret)
{
    struct wire w = wire_read(p, n);
    int r = check_version(&w, "row");
    if (r < 0)
        return r;
    struct stored_row x = {.seq = seq};
    x.state = wire_u8(&w);
    wire_digest(&w, &x.digest);
    wire_digest(&w, &x.input);
    x.uid = wire_u32(&w);
    x.time_ns = (int64_t)wire_u64(&w);
    x.json = wire_bytes(&w, &x.n);
    x.reason = record_text_get(&w);
    if ((r = check_done(&w, "row")) == 0)
        *ret = x;
    return r;
}

void record_ref_format(const struct digest *d, struct out *o)
{
    wire_put_u8(o, VERSION);
    wire_put_digest(o, d);
}

int record_ref_parse(const void *p, size_t n, struct digest *ret)
{
    struct wire w = wire_read(p, n);
    int r = check_version(&w, "ref");
    if (r < 0)
        return r;
    struct digest d;
    wire_digest(&w, &d);
    if ((r = check_done(&w, "ref")) == 0)
        *ret = d;
    return r;
}

void record_bytes_format(const void *p, size_t n, struct out *o)
{
    wire_put_u8(o, VERSION);
    out_write(o, p, n);
}

int record_bytes_parse(const void *rec, size_t nrec, const void **ret, size_t *ret_n)
{
    struct wire w = wire_read(rec, nrec);
    int r = check_version(&w, "document");
    if (r < 0)
        return r;
    *ret_n = wire_left(&w);
    *ret = wire_get(&w, *ret_n);
    return 0;
}
