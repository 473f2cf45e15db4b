/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack := { u64 id, u32 n, n bytes }..., little-endian
 */
#include "store/staging.h"
#include "store/base/fail.h"
#include "store/base/wire.h"
#include "store/db.h"
#include "store/key.h"
#include "store/sweep.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct staging {
    char *root; /* REPO/staging */
    struct out dir, name;
    int hold;
    FILE *pack;
    uint64_t packed;
    struct db_sst *table;
    uint64_t in_table;
    uint32_t tables;
};

int staging_new(const char *repo, struct staging **ret)
{
    struct staging *st = calloc(1, sizeof *st);
    struct out root = {0};
    out_printf(&root, "%s/staging", repo);
    if (!st || !(st->root = out_take(&root, NULL))) {
        out_fini(&root);
        free(st);
        return fail(-ENOMEM, "out of memory");
    }
    st->hold = -1;
    *ret = st;
    return 0;
}

static int begin(struct staging *st)
{
    for (unsigned i = 0;; i++) {
        out_reset(&st->name);
        out_reset(&st->dir);
        out_printf(&st->name, "%ld-%u", (long)getpid(), i);
        out_printf(&st->dir, "%s/%s", st->root, out_cstr(&st->name));
        if (mkdir(out_cstr(&st->dir), 0770) == 0)
            break;
        if (errno != EEXIST)
            return fail(-errno, "%s: %s", out_cstr(&st->dir), strerror(errno));
    }
    st->hold = sweep_hold(out_cstr(&st->dir));
    return st->hold < 0 ? st->hold : 0;
}

static int open_pack(struct staging *st)
{
    struct out path = {0};
    out_printf(&path, "%s/pack", out_cstr(&st->dir));
    st->pack = fopen(out_cstr(&path), "w+e");
    int r = st->pack ? 0 : fail(-errno, "%s: %s", out_cstr(&path), strerror(errno));
    out_fini(&path);
    return r;
}

static int pack_failed(struct staging *st)
{
    int e = errno ? errno : EIO;
    return fail(-e, "%s/pack: %s", out_cstr(&st->dir), strerror(e));
}

static int close_table(struct staging *st, int keep)
{
    int r = db_sst_close(st->table, keep);
    st->table = NULL;
    return r;
}

static int add_to_table(struct staging *st, uint64_t id, const void *p, size_t n)
{
    int r = 0;
    if (st->table && st->in_table >= STAGING_TABLE)
        r = close_table(st, 1);
    if (r == 0 && !st->table) {
        struct out path = {0};
        staging_table(out_cstr(&st->dir), st->tables++, &path);
        r = out_error(&path) ? fail(-ENOMEM, "out of memory") : db_sst_open(path.p, &st->table);
        out_fini(&path);
        st->in_table = 0;
    }
    if (r < 0)
        return r;
    struct key k = key_id(id);
    st->in_table += n;
    return db_sst_put(st->table, k.b, k.n, p, n);
}

static int each_packed(FILE *f, int (*each)(void *ctx, uint64_t id, const void *p, size_t n), void *ctx)
{
    uint8_t head[12];
    uint8_t *room = NULL;
    size_t cap = 0, got;
    int r = 0;
    while (r == 0 && (got = fread(head, 1, sizeof head, f)) != 0) {
        struct wire w = wire_read(head, got);
        uint64_t id = wire_u64(&w);
        uint32_t n = wire_u32(&w);
        if (w.bad || n > STAGING_PACK) {
            r = fail(-EBADMSG, "a staged pack does not hold together");
            break;
        }
        if (n > cap) {
            free(room);
            cap = n;
            if (!(room = malloc(cap))) {
                r = fail(-ENOMEM, "out of memory");
                break;
            }
        }
        r = fread(room, 1, n, f) == n ? each(ctx, id, room, n) : fail(-EBADMSG, "a staged pack ends early");
    }
    if (r == 0 && ferror(f))
        r = fail(-EIO, "a staged pack cannot be read");
    free(room);
    return r;
}

static int move_one(void *ctx, uint64_t id, const void *p, size_t n)
{
    return add_to_table(ctx, id, p, n);
}

/* It has become too much for a pack: what is there moves into a table. */
static int unpack(struct staging *st)
{
    if (fflush(st->pack) != 0)
        return pack_failed(st);
    rewind(st->pack);
    int r = each_packed(st->pack, move_one, st);
    fclose(st->pack);
    st->pack = NULL;
    struct out path = {0};
    out_printf(&path, "%s/pack", out_cstr(&st->dir));
    if (r == 0 && unlink(out_cstr(&path)) != 0)
        r = fail(-errno, "%s: %s", out_cstr(&path), strerror(errno));
    out_fini(&path);
    return r;
}

int staging_add(struct staging *st, uint64_t id, const void *p, size_t n)
{
    int r;
    if (st->hold < 0 && ((r = begin(st)) < 0 || (r = open_pack(st)) < 0))
        return r;
    if (st->pack && st->packed + n > STAGING_PACK && (r = unpack(st)) < 0)
        return r;
    if (!st->pack)
        return add_to_table(st, id, p, n);
    uint8_t head[12];
    for (int i = 0; i < 8; i++)
        head[i] = (uint8_t)(id >> 8 * i);
    for (int i = 0; i < 4; i++)
        head[8 + i] = (uint8_t)(n >> 8 * i);
    errno = 0;
    if (fwrite(head, sizeof head, 1, st->pack) != 1 || fwrite(p, 1, n, st->pack) != n)
        return pack_failed(st);
    st->packed += n;
    return 0;
}

int staging_finish(struct staging *st, enum staging_kind *ret_kind, uint32_t *ret_files)
{
    int r = 0;
    *ret_kind = st->pack ? STAGING_PACKED : st->tables ? STAGING_TABLES : STAGING_NONE;
    if (st->pack) {
        errno = 0;
        if (fclose(st->pack) != 0)
            r = pack_failed(st);
        st->pack = NULL;
    }
    if (st->table)
        r = close_table(st, 1); /* synced by RocksDB, and again when it is taken in */
    *ret_files = st->tables;
    return r;
}

const char *staging_name(const struct staging *st)
{
    return st->name.n ? st->name.p : "";
}

void staging_free(struct staging *st, int keep)
{
    if (!st)
        return;
    if (st->pack)
        fclose(st->pack);
    close_table(st, 0);
    if (!keep && st->hold >= 0)
        sweep_tree(out_cstr(&st->dir));
    if (st->hold >= 0)
        close(st->hold);
    out_fini(&st->dir);
    out_fini(&st->name);
    free(st->root);
    free(st);
}

int staging_dir(const char *repo, const char *name, struct out *ret)
{
    size_t n = strlen(name);
    if (n == 0 || strspn(name, "0123456789-") != n)
        return fail(-EINVAL, "no staging directory has such a name");
    out_printf(ret, "%s/staging/%s", repo, name);
    return out_error(ret) ? fail(-ENOMEM, "out of memory") : 0;
}

int staging_pack_each(const char *dir, int (*each)(void *ctx, uint64_t id, const void *p, size_t n),
                      void *ctx)
{
    struct out path = {0};
    out_printf(&path, "%s/pack", dir);
    int fd = open(out_cstr(&path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
    int r = f ? each_packed(f, each, ctx) : fail(-errno, "%s: %s", out_cstr(&path), strerror(errno));
    if (f)
        fclose(f);
    else if (fd >= 0)
        close(fd);
    out_fini(&path);
    return r;
}

void staging_table(const char *dir, uint32_t i, struct out *ret)
{
    out_printf(ret, "%s/%03u.sst", dir, i);
    out_char(ret, 0);
}
