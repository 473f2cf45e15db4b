/* SPDX-License-Identifier: Apache-2.0 */
/* The client half of a commit: from paths to a prepared document. */
#include "store/prepare.h"
#include "store/base/fail.h"
#include "store/bases.h"
#include "store/ingest.h"
#include "store/paging.h"
#include "store/record.h"
#include "store/sweep.h"
#include "store/walk.h"
#include "store/write.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct source {
    int fd;
    const char *path;
};

static int changed(const char *path)
{
    return fail(-EBUSY, "%s: changed while it was read", path);
}

static int read_source(void *ctx, uint64_t off, void *p, size_t n)
{
    struct source *s = ctx;
    uint8_t *to = p;
    while (n) {
        ssize_t k = pread(s->fd, to, n, (off_t)off);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return fail(-errno, "%s: %s", s->path, strerror(errno));
        if (k == 0)
            return changed(s->path);
        to += k;
        off += (uint64_t)k;
        n -= (size_t)k;
    }
    return 0;
}

static int same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* What the rest relies on: segments that cover the file in order, and tensors that agree with them. */
static int holds_together(const struct layout *l, uint64_t size)
{
    uint64_t off = 0;
    for (size_t i = 0; i < l->nsegments; i++) {
        const struct segment *s = &l->segments[i];
        if (s->off != off || s->len == 0 || s->len > size - off)
            return 0;
        off += s->len;
        if (s->tensor == UINT32_MAX)
            continue;
        if (s->tensor >= l->ntensors)
            return 0;
        const struct tensor *t = &l->tensors[s->tensor];
        uint64_t bytes;
        if (!(t->flags & TENSOR_SEGMENT) || t->segment != i || dtype_size(t->dtype) == 0 ||
            t->off != s->off || t->len != s->len ||
            __builtin_mul_overflow(t->count, (uint64_t)dtype_size(t->dtype), &bytes) || bytes != t->len)
            return 0;
    }
    size_t next = 0;
    for (size_t i = 0; i < l->ntensors; i++) {
        const struct tensor *t = &l->tensors[i];
        if (t->flags & TENSOR_SEGMENT) {
            if (t->segment < next || t->segment >= l->nsegments || l->segments[t->segment].tensor != i)
                return 0;
            next = t->segment + 1;
        } else if (!(t->flags & TENSOR_EXTERNAL) && (t->off > size || t->len > size - t->off)) {
            return 0;
        }
    }
    return off == size;
}

static int make_opaque(struct layout *l, struct arena *a, uint64_t size, const char *problem)
{
    *l = (struct layout){.problem = problem};
    if (size == 0)
        return 0;
    if (!(l->segments = arena_alloc(a, sizeof *l->segments)))
        return fail(-ENOMEM, "out of memory");
    l->segments[0] = (struct segment){0, size, UINT32_MAX};
    l->nsegments = 1;
    return 0;
}

/* The tensor that has the same bytes for its segment, and makes the same of them. */
static const struct tensor *same_range(const struct layout *l, const struct tensor *t)
{
    size_t lo = 0, hi = l->nsegments;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (l->segments[mid].off < t->off)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == l->nsegments || l->segments[lo].tensor == UINT32_MAX)
        return NULL;
    const struct tensor *u = &l->tensors[l->segments[lo].tensor];
    return u->off == t->off && u->len == t->len && u->dtype == t->dtype && u->rank == t->rank &&
                   memcmp(u->shape, t->shape, t->rank * sizeof *t->shape) == 0
               ? u
               : NULL;
}

/* Tensors that share bytes with others: read again, within a budget, since a hostile file may name one range
 * a million times. Beyond it their digest stays zero: values not read. */
static int views(struct ingest *g, const struct input *in, const struct layout *l,
                 const struct ingest_segment *segments, struct ingest_segment *others)
{
    uint64_t budget = in->size * 2 + (64 << 20);
    for (size_t i = 0; i < l->ntensors; i++) {
        const struct tensor *t = &l->tensors[i], *u;
        if (!(t->flags & TENSOR_VIEW))
            continue;
        uint64_t cost = t->len + 4096;
        if (cost > budget)
            continue;
        budget -= cost;
        int r = 0;
        if ((u = same_range(l, t)) != NULL)
            others[i] = segments[u->segment];
        else
            r = ingest_view(g, in, t, &others[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int one_file(struct ingest *g, struct paging *pages, const struct walk_entry *e, uint64_t *bytes)
{
    struct source src = {.path = e->source};
    struct stat before, after, named;
    struct arena a = {0};
    struct layout l = {0};
    src.fd = open(e->source, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (src.fd < 0)
        return fail(-errno, "%s: %s", e->source, strerror(errno));
    int r = fstat(src.fd, &before) == 0 ? 0 : fail(-errno, "%s: %s", e->source, strerror(errno));
    if (r == 0 && !same(&before, &e->st))
        r = changed(e->source);
    posix_fadvise(src.fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    struct input in = {read_source, &src, (uint64_t)before.st_size, e->path};
    struct manifest_file f = {.path = e->path,
                              .mode = S_IFREG | (before.st_mode & 0777),
                              .mtime_ns =
                                  before.st_mtim.tv_sec * INT64_C(1000000000) + before.st_mtim.tv_nsec,
                              .size = in.size};
    if (r == 0)
        r = format_parse(&in, &a, &l);
    if (r == 0 && !holds_together(&l, in.size))
        r = make_opaque(&l, &a, in.size,
                        l.problem ? l.problem : "its parser's result does not hold together");
    struct ingest_segment *segments = arena_array(&a, l.nsegments + 1, sizeof *segments);
    struct ingest_segment *others = arena_array(&a, l.ntensors + 1, sizeof *others);
    if (r == 0 && (!segments || !others))
        r = fail(-ENOMEM, "out of memory");
    if (r == 0)
        r = ingest_file(g, &in, &l, &a, &f.sha256, segments);
    if (r == 0)
        r = views(g, &in, &l, segments, others);
    if (r == 0 && (fstat(src.fd, &after) != 0 || stat(e->source, &named) != 0 || !same(&before, &after) ||
                   !same(&before, &named)))
        r = changed(e->source);
    close(src.fd);
    if (r == 0 && l.structure)
        r = paging_blob(pages, l.structure, l.structure_len, &f.structure);
    if (r == 0) {
        f.format = l.format;
        f.problem = l.problem;
        *bytes += f.size;
        r = paging_file(pages, &f, &l, segments, others);
    }
    arena_fini(&a);
    return r;
}

static int one_directory(struct paging *pages, const struct walk_entry *e)
{
    struct layout none = {0};
    struct manifest_file f = {.path = e->path,
                              .mode = S_IFDIR | (e->st.st_mode & 0777),
                              .mtime_ns = e->st.st_mtim.tv_sec * INT64_C(1000000000) + e->st.st_mtim.tv_nsec};
    return paging_file(pages, &f, &none, NULL, NULL);
}

int prepare_run(const struct prepare *p, const struct prepare_owner *owner, struct out *ret)
{
    struct walk w = {0};
    struct paging pages = {0};
    struct ingest *g = NULL;
    struct doc d = {0};
    uint64_t all = 0;
    if (p->nparents > 64)
        return fail(-EINVAL, "%zu parents, at most 64", p->nparents);
    int r = walk_paths(p->repo, p->paths, p->npaths, &w);
    for (size_t i = 0; r == 0 && i < w.n; i++)
        if (S_ISREG(w.e[i].st.st_mode)) {
            all += (uint64_t)w.e[i].st.st_size;
            d.nfiles++;
        }
    if (r == 0)
        r = ingest_new(p, owner, all, &g);
    for (size_t i = 0; r == 0 && i < w.n; i++)
        r = S_ISDIR(w.e[i].st.st_mode) ? one_directory(&pages, &w.e[i])
                                       : one_file(g, &pages, &w.e[i], &d.bytes);
    if (r == 0)
        r = paging_finish(&pages, &d.root);
    if (r == 0)
        r = ingest_finish(g, &d);
    if (r == 0) {
        d.pages = (struct doc_list){pages.npages, pages.pages.p, pages.pages.n};
        d.blobs = (struct doc_list){pages.nblobs, pages.blobs.p, pages.blobs.n};
        d.message = p->message ? p->message : "";
        d.author = p->author ? p->author : "";
        d.lineage = p->lineage ? p->lineage : "{}";
        d.tag = p->tag ? p->tag : "";
        d.time_ns = p->time_ns ? p->time_ns : write_now();
        d.auto_parent = p->auto_parent != 0;
        d.foreign = p->foreign != 0;
        d.nparents = (uint32_t)p->nparents;
        d.parents = p->parents;
        size_t n = ret->n;
        doc_format(&d, ret);
        if (out_error(ret)) {
            ret->n = n;
            r = fail(-ENOMEM, "out of memory");
        }
    }
    ingest_free(g, r == 0);
    paging_fini(&pages);
    walk_fini(&w);
    return r;
}

int prepare_digest(const void *doc, size_t n, struct digest *ret)
{
    struct doc d;
    struct out body = {0};
    int r = doc_parse(doc, n, &d);
    if (r < 0)
        return r;
    struct version v = {.manifest = d.root,
                        .parents = d.parents,
                        .nparents = d.nparents,
                        .author = d.author,
                        .message = d.message,
                        .time_ns = d.time_ns,
                        .lineage = d.lineage,
                        .files = d.nfiles,
                        .bytes = d.bytes};
    record_body_format(&v, &body);
    if ((r = out_error(&body)) == 0)
        hash_sha256(body.p, body.n, ret);
    out_fini(&body);
    return r;
}

void prepare_discard(const char *repo, const void *doc, size_t n)
{
    struct doc d;
    struct out dir = {0};
    if (doc_parse(doc, n, &d) == 0 && *d.staging && staging_dir(repo, d.staging, &dir) == 0)
        sweep_tree(out_cstr(&dir));
    out_fini(&dir);
}

int prepare_sweep(const char *repo)
{
    struct out dir = {0};
    out_printf(&dir, "%s/staging", repo);
    int r = sweep_dead(out_cstr(&dir), "");
    out_fini(&dir);
    return r;
}

static int direct_has(void *ctx, const struct digest *d, size_t n, uint64_t *ids)
{
    return store_has(ctx, d, n, ids);
}

static int direct_reserve(void *ctx, uint64_t n, uint64_t *first)
{
    return store_reserve(ctx, n, first);
}

static int direct_bases(void *ctx, const struct digest *from, size_t n, struct out *ret)
{
    return bases_list(ctx, from, n, ret);
}

static int append(void *ctx, const void *p, size_t n)
{
    out_write(ctx, p, n);
    return out_error(ctx);
}

static int direct_read(void *ctx, const void *list, size_t nlist, struct out *ret)
{
    return bases_read(ctx, list, nlist, append, ret);
}

struct prepare_owner prepare_direct(struct store *s)
{
    return (struct prepare_owner){s, direct_has, direct_reserve, direct_bases, direct_read};
}
