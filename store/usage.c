/* SPDX-License-Identifier: Apache-2.0 */
/* What a repo costs. */
#include "store/base/fail.h"
#include "store/codec.h"
#include "store/core.h"
#include "store/version.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int add_version(void *ctx, const struct version *v)
{
    struct store_usage *u = ctx;
    u->versions++;
    u->files += v->files;
    u->logical += v->bytes;
    return 0;
}

/* Bytes that the directory's files take, all the way down: not the room that RocksDB holds in advance for its
 * log and gives back when it closes. Files may come and go meanwhile. */
static uint64_t disk(int at, const char *name, int depth)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    uint64_t sum = 0;
    if (!d) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    for (struct dirent *e; (e = readdir(d));) {
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        uint64_t held = (uint64_t)st.st_blocks * 512, used = ((uint64_t)st.st_size + 4095) & ~UINT64_C(4095);
        sum += held < used ? held : used;
        if (S_ISDIR(st.st_mode) && depth < 16)
            sum += disk(fd, e->d_name, depth + 1);
    }
    closedir(d);
    return sum;
}

int store_usage(struct store *s, struct store_usage *ret)
{
    struct store_usage u = {.ncodec = CODEC_MAX};
    for (int i = 0; i < CODEC_MAX; i++)
        u.codec[i].name = codec_name((unsigned)i);
    int r = version_each(s, add_version, &u);
    if (r < 0)
        return r;
    struct db_iter *it = db_iter_new(s->db, DB_IDX, NULL, 0, NULL, 0);
    if (!it)
        return fail(-ENOMEM, "out of memory");
    struct db_record rec;
    while ((r = db_next(it, &rec)) == 1) {
        struct record_idx x;
        if ((r = record_idx_parse(rec.p, rec.n, &x)) < 0)
            break;
        u.chunks++;
        u.raw_unique += x.raw;
        u.stored += x.stored;
        if (x.codec < CODEC_MAX) {
            u.codec[x.codec].chunks++;
            u.codec[x.codec].raw += x.raw;
            u.codec[x.codec].stored += x.stored;
        }
    }
    db_iter_free(it);
    if (r < 0)
        return r;
    u.disk = disk(s->dirfd, ".", 0);
    u.cache = disk(s->dirfd, "cache", 0);
    *ret = u;
    return 0;
}
