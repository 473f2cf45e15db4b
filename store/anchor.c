/* SPDX-License-Identifier: Apache-2.0 */
/*
 * REPO/anchor is two slots, at bytes 0 and 4096 of 8192; generation g is written to slot g mod 2. A slot,
 * little-endian:
 *
 *   8 bytes "mfsanchr"
 *   u32     version 1
 *   u32     0
 *   32      store id
 *   u64     generation
 *   u64     seq of the newest acknowledged event
 *   32      that event's hash
 *   u64     XXH3-64 of the 96 bytes before
 *
 * The rest is zero. A slot is written in place (no block is allocated: a full disk does not matter) and
 * synced, so that a crash can tear only the slot that was not yet acknowledged.
 */
#include "store/anchor.h"
#include "store/base/fail.h"
#include "store/base/wire.h"
#include <fcntl.h>
#include <unistd.h>

enum { SLOT = 4096, BODY = 96, VERSION = 1 };
static const char magic[8] = {'m', 'f', 's', 'a', 'n', 'c', 'h', 'r'};

static int slot_format(const struct anchor *a, uint8_t ret[SLOT])
{
    struct out o = {0};
    wire_put(&o, magic, sizeof magic);
    wire_put_u32(&o, VERSION);
    wire_put_u32(&o, 0);
    wire_put_digest(&o, &a->store_id);
    wire_put_u64(&o, a->generation);
    wire_put_u64(&o, a->seq);
    wire_put_digest(&o, &a->hash);
    if (!out_error(&o))
        wire_put_u64(&o, hash_xxh3(o.p, o.n));
    int r = out_error(&o);
    if (r == 0) {
        memset(ret, 0, SLOT);
        memcpy(ret, o.p, o.n);
    }
    out_fini(&o);
    return r;
}

static int slot_parse(const uint8_t *p, size_t n, struct anchor *ret)
{
    struct wire w = wire_read(p, n);
    const void *m = wire_get(&w, sizeof magic);
    uint32_t version = wire_u32(&w);
    wire_u32(&w);
    struct anchor a;
    wire_digest(&w, &a.store_id);
    a.generation = wire_u64(&w);
    a.seq = wire_u64(&w);
    wire_digest(&w, &a.hash);
    uint64_t sum = wire_u64(&w);
    if (w.bad || memcmp(m, magic, sizeof magic) != 0 || sum != hash_xxh3(p, BODY))
        return -EBADMSG;
    if (version != VERSION)
        return -ENOTSUP;
    *ret = a;
    return 0;
}

static int write_all(int fd, const uint8_t *p, size_t n, off_t at)
{
    while (n) {
        ssize_t k = pwrite(fd, p, n, at);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return fail(k < 0 ? -errno : -EIO, "anchor: write: %s", strerror(k < 0 ? errno : EIO));
        p += k;
        n -= (size_t)k;
        at += k;
    }
    return 0;
}

int anchor_create(int dirfd, const struct anchor *a)
{
    uint8_t slot[2 * SLOT];
    int r = slot_format(a, slot);
    if (r < 0)
        return fail(r, "anchor: out of memory");
    memcpy(slot + SLOT, slot, SLOT);
    int fd = openat(dirfd, "anchor", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
    if (fd < 0)
        return fail(-errno, "anchor: %s", strerror(errno));
    r = write_all(fd, slot, sizeof slot, 0);
    if (r == 0 && fsync(fd) != 0)
        r = fail(-errno, "anchor: sync: %s", strerror(errno));
    close(fd);
    return r;
}

int anchor_open(int dirfd, int writable, struct anchor *ret, int *ret_bad)
{
    int fd = openat(dirfd, "anchor", (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return fail(-errno, "anchor: %s", strerror(errno));
    int bad = 0, found = 0;
    for (int i = 0; i < 2; i++) {
        uint8_t slot[SLOT];
        struct anchor a;
        ssize_t n = pread(fd, slot, SLOT, (off_t)i * SLOT);
        int r = slot_parse(slot, n < 0 ? 0 : (size_t)n, &a);
        if (r == -ENOTSUP) {
            close(fd);
            return fail(r, "anchor: written by a newer modelfs");
        }
        if (r < 0) {
            bad++;
        } else if (!found || a.generation > ret->generation) {
            *ret = a;
            found = 1;
        }
    }
    *ret_bad = bad;
    if (!found) {
        close(fd);
        return fail(-EBADMSG, "anchor: damaged: neither of its two slots verifies");
    }
    return fd;
}

int anchor_write(int fd, struct anchor *a)
{
    struct anchor next = *a;
    next.generation++;
    uint8_t slot[SLOT];
    int r = slot_format(&next, slot);
    if (r < 0)
        return fail(r, "anchor: out of memory");
    r = write_all(fd, slot, SLOT, next.generation % 2 ? SLOT : 0);
    if (r == 0 && fdatasync(fd) != 0)
        r = fail(-errno, "anchor: sync: %s", strerror(errno));
    if (r == 0)
        *a = next;
    return r;
}
