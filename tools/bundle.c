/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/bundle.h"
#include "store/base/fail.h"
#include "store/base/wire.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char magic[] = "modelfs bundle 1\n";
enum { MAGIC = sizeof magic - 1, HEAD = 9 };

static void write_all(struct bundle *b, const void *p, size_t n)
{
    if (b->err)
        return;
    hash_update(b->hash, p, n);
    if (n && fwrite(p, 1, n, b->f) != n)
        b->err = fail(-EIO, "%s", strerror(errno));
}

int bundle_begin(struct bundle *b, FILE *f)
{
    *b = (struct bundle){.f = f, .hash = hash_new()};
    if (!b->hash)
        return fail(-ENOMEM, "out of memory");
    write_all(b, magic, MAGIC);
    return b->err;
}

void bundle_put(struct bundle *b, enum bundle_type type, const void *p, size_t n)
{
    struct out head = {0};
    wire_put_u8(&head, (uint8_t)type);
    wire_put_u64(&head, n);
    write_all(b, head.p, head.n);
    write_all(b, p, n);
    if (out_error(&head))
        b->err = -ENOMEM;
    out_fini(&head);
}

int bundle_end(struct bundle *b)
{
    struct digest d;
    struct out end = {0};
    hash_final(b->hash, &d);
    hash_free(b->hash);
    wire_put_u8(&end, BUNDLE_END);
    wire_put_u64(&end, sizeof d);
    wire_put_digest(&end, &d);
    if (!b->err && (out_error(&end) || fwrite(end.p, 1, end.n, b->f) != end.n || fflush(b->f) != 0))
        b->err = fail(-EIO, "%s", strerror(errno));
    out_fini(&end);
    return b->err;
}

static int short_of(const char *what)
{
    return fail(-EBADMSG, "not a whole bundle: it ends inside %s", what);
}

struct reading {
    FILE *f;
    struct hash *hash;
    char *buf; /* grows to the longest section */
    size_t cap;
};

static int room(struct reading *r, size_t n)
{
    if (n <= r->cap)
        return 0;
    char *p = realloc(r->buf, n);
    if (!p)
        return fail(-ENOMEM, "out of memory");
    r->buf = p;
    r->cap = n;
    return 0;
}

/* Grows with what is there, not with what a length claims. */
static int take(struct reading *r, size_t n)
{
    for (size_t at = 0; at < n;) {
        size_t k = n - at < (1u << 20) ? n - at : 1u << 20;
        int err = room(r, at + k);
        if (err)
            return err;
        if (fread(r->buf + at, 1, k, r->f) != k)
            return short_of("a section");
        at += k;
    }
    return 0;
}

static int finish(struct reading *r, uint64_t n)
{
    struct digest d;
    hash_final(r->hash, &d);
    if (n != sizeof d)
        return fail(-EBADMSG, "not a bundle: an end of %llu bytes", (unsigned long long)n);
    int err = take(r, sizeof d);
    if (err)
        return err;
    if (memcmp(r->buf, d.b, sizeof d) != 0)
        return fail(-EBADMSG, "the bundle's digest is wrong: it was damaged or changed on its way");
    return fgetc(r->f) == EOF ? 0 : fail(-EBADMSG, "bytes after the bundle's end");
}

static int sections(struct reading *r, int (*each)(void *, enum bundle_type, const void *, size_t), void *ctx)
{
    for (;;) {
        uint8_t head[HEAD];
        if (fread(head, 1, HEAD, r->f) != HEAD)
            return short_of("a section's head");
        struct wire w = wire_read(head, HEAD);
        uint8_t type = wire_u8(&w);
        uint64_t n = wire_u64(&w);
        if (type == BUNDLE_END)
            return finish(r, n);
        if (!strchr("CVFDRP", type) || !type || n > (type == BUNDLE_DATA ? BUNDLE_PIECE : BUNDLE_MOST))
            return fail(-EBADMSG, "not a bundle: a section of type %u and %llu bytes", type,
                        (unsigned long long)n);
        int err = take(r, (size_t)n);
        if (err)
            return err;
        hash_update(r->hash, head, HEAD);
        hash_update(r->hash, r->buf, (size_t)n);
        if (each && (err = each(ctx, (enum bundle_type)type, r->buf, (size_t)n)) != 0)
            return err;
    }
}

int bundle_each(FILE *f, int (*each)(void *ctx, enum bundle_type type, const void *p, size_t n), void *ctx)
{
    char start[MAGIC];
    struct reading r = {.f = f, .hash = hash_new()};
    int err = r.hash ? room(&r, 1) : fail(-ENOMEM, "out of memory");
    if (!err && (fread(start, 1, MAGIC, f) != MAGIC || memcmp(start, magic, MAGIC) != 0))
        err = fail(-EBADMSG, "not a bundle of this format");
    if (!err) {
        hash_update(r.hash, start, MAGIC);
        err = sections(&r, each, ctx);
    }
    hash_free(r.hash);
    free(r.buf);
    return err;
}
