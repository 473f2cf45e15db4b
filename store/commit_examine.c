/* SPDX-License-Identifier: Apache-2.0 */
/* The document of a commit is foreign bytes. What the client alone can know is taken on its word: statistics,
 * and the checksums of chunks, which every reader verifies. */
#include "store/base/fail.h"
#include "store/chunk.h"
#include "store/commit.h"
#include "store/idx.h"
#include "store/run.h"
#include "store/version.h"
#include <sys/stat.h>

/* The ranges are in ascending order. (m) */
static size_t find_range(struct store *s, uint64_t first)
{
    size_t lo = 0, hi = s->nreserved;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->reserved[mid].first < first)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->nreserved && s->reserved[lo].first == first ? lo : SIZE_MAX;
}

/* Uses up what was reserved: the document's new ids must be whole ranges, given out by this owner and not
 * used by another commit. So no chunk is ever written over, not even by a client of an owner that died. */
static int claim(struct commit *c)
{
    struct wire w = wire_read(c->d.created.p, c->d.created.bytes);
    uint64_t left = 0, next = 0, small = c->d.kind == STAGING_PACKED ? CHUNK_SMALL : 0;
    int r = 0;
    pthread_mutex_lock(&c->s->mutex);
    for (uint64_t i = 0; r == 0 && i < c->d.created.n; i++) {
        struct doc_chunk x;
        doc_chunk_get(&w, &x);
        uint64_t id = x.id & ~CHUNK_SMALL;
        if (left == 0) {
            size_t at = find_range(c->s, id);
            if (at != SIZE_MAX) {
                left = c->s->reserved[at].n;
                next = id;
                memmove(&c->s->reserved[at], &c->s->reserved[at + 1],
                        (--c->s->nreserved - at) * sizeof *c->s->reserved);
            }
        }
        if (w.bad || left == 0 || id != next || (x.id & CHUNK_SMALL) != small)
            r = fail(-ESTALE, "prepared for an owner that is gone; run the commit again");
        else if ((r = dmap_get(&c->chunks, &x.digest) ? fail(-EBADMSG, "a chunk is there twice")
                                                      : dmap_put(&c->chunks, &x.digest, x.id)) == 0)
            c->result.bytes_new += x.raw, c->result.stored_new += x.stored;
        left--;
        next++;
    }
    if (r == 0 && (left || wire_done(&w) < 0))
        r = fail(-EBADMSG, "a prepared commit that does not hold together");
    pthread_mutex_unlock(&c->s->mutex);
    return r;
}

/* With note: they are put among the chunks that the commit leans on. */
static int recheck(struct commit *c, int note)
{
    struct wire w = wire_read(c->d.reused.p, c->d.reused.bytes);
    for (uint64_t i = 0; i < c->d.reused.n; i++) {
        struct digest d;
        uint64_t now;
        wire_digest(&w, &d);
        uint64_t id = wire_u64(&w);
        if (w.bad)
            break;
        int r = store_has(c->s, &d, 1, &now);
        if (r < 0)
            return r;
        if (now != id)
            return fail(-ESTALE, "a chunk it builds on was removed meanwhile; run the commit again");
        if (note && (r = dmap_put(&c->chunks, &d, id)) < 0)
            return r;
    }
    return wire_done(&w) < 0 ? fail(-EBADMSG, "a prepared commit that does not hold together") : 0;
}

/* The bases of new chunks must be there too, and older; what they lean on themselves is there as long as they
 * are. */
static int recheck_bases(struct commit *c)
{
    struct wire w = wire_read(c->d.created.p, c->d.created.bytes);
    for (uint64_t i = 0; i < c->d.created.n; i++) {
        struct doc_chunk x;
        struct record_idx base;
        doc_chunk_get(&w, &x);
        if (!x.base) {
            if (x.depth)
                return fail(-EBADMSG, "a prepared chunk has a depth and no base");
            continue;
        }
        int r = idx_get(c->s, &x.base_digest, x.base, &base);
        if (r == -ENOENT)
            return fail(-ESTALE, "a chunk it builds on was removed meanwhile; run the commit again");
        if (r < 0)
            return r;
        if (!chunk_older(x.base, x.id) || x.depth > CHUNK_DEPTH_MAX || x.depth < base.depth ||
            x.depth > base.depth + 1)
            return fail(-EBADMSG, "a prepared chunk leans on one that it cannot lean on");
    }
    return 0;
}

int commit_recheck(struct commit *c)
{
    int r = recheck(c, 0);
    return r < 0 ? r : recheck_bases(c);
}

static int check_run(struct commit *c, const void *p, size_t n)
{
    struct run run;
    int r = run_parse(p, n, &run);
    for (uint32_t i = 0; r == 0 && i < run.nchunks; i++) {
        struct run_chunk x = run_chunk_at(&run, i);
        const uint64_t *id = dmap_get(&c->chunks, &x.digest);
        if (!id || *id != x.id)
            r = fail(-EBADMSG, "a prepared tensor names a chunk that is not part of the commit");
    }
    return r;
}

/* Indexes a list whose entries are [digest] bytes; without digests (pages) they are computed. */
static int index_list(struct commit *c, const struct doc_list *l, int with_digest, struct dmap *ret)
{
    struct wire w = wire_read(l->p, l->bytes);
    int r = 0;
    for (uint64_t i = 0; r == 0 && i < l->n; i++) {
        struct digest d;
        size_t n;
        if (with_digest)
            wire_digest(&w, &d);
        const uint8_t *at = w.p;
        const char *p = wire_bytes(&w, &n);
        if (w.bad)
            break;
        if (with_digest)
            r = check_run(c, p, n);
        else
            hash_sha256(p, n, &d);
        if (r == 0)
            r = dmap_put(ret, &d, (uint64_t)(uintptr_t)at);
    }
    if (r == 0 && wire_done(&w) < 0)
        r = fail(-EBADMSG, "a prepared commit that does not hold together");
    return r;
}

const void *commit_entry(uint64_t address, size_t *ret_n)
{
    struct wire w = wire_read((const void *)(uintptr_t)address, SIZE_MAX / 2);
    return wire_bytes(&w, ret_n);
}

/* Pages and runs of the commit, else of the database. */
static int get(void *ctx, enum db_cf cf, const struct digest *d, struct db_value *ret)
{
    struct commit *c = ctx;
    const uint64_t *at = dmap_get(cf == DB_MANIFESTS ? &c->pages : &c->runs, d);
    if (!at)
        return db_get(c->s->db, cf, d->b, sizeof d->b, ret);
    *ret = (struct db_value){0};
    ret->p = commit_entry(*at, &ret->n);
    return 0;
}

int commit_examine(struct commit *c)
{
    static const struct digest none;
    struct load_source src = {get, c};
    int r = claim(c);
    if (r == 0)
        r = recheck(c, 1);
    if (r == 0)
        r = index_list(c, &c->d.runs, 1, &c->runs);
    if (r == 0)
        r = index_list(c, &c->d.pages, 0, &c->pages);
    if (r == 0)
        r = load_manifest(&src, &c->d.root, &none, &c->arena, &c->manifest);
    if (r < 0)
        return r;
    for (size_t i = 0; i < c->manifest.nfiles; i++)
        if (S_ISREG(c->manifest.files[i].mode)) {
            c->result.files++;
            c->result.bytes += c->manifest.files[i].size;
        }
    if (c->result.files != c->d.nfiles || c->result.bytes != c->d.bytes)
        return fail(-EBADMSG, "a prepared commit whose sums are wrong");
    return *c->d.tag ? tag_valid(c->d.tag) : 0;
}
