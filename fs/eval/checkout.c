/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/checkout.h"
#include "store/base/fail.h"
#include "store/base/out.h"
#include "store/sweep.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE (1u << 20)

static int write_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t k = write(fd, p, n);
        if (k < 0 && errno != EINTR)
            return -errno;
        p += k > 0 ? k : 0;
        n -= k > 0 ? (size_t)k : 0;
    }
    return 0;
}

/* A manifest's paths have no "..", and the folder is new: nothing in it leads elsewhere. */
static int copy(struct store *s, const struct manifest_file *f, int at, char *buf)
{
    int fd = openat(at, f->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int err = fd < 0 ? -errno : 0;
    for (uint64_t off = 0; err == 0 && off < f->size;) {
        int64_t n = file_read(s, f, off, buf, PIECE);
        if (n <= 0) {
            close(fd);
            return n < 0 ? (int)n : fail(-EBADMSG, "%s ends at byte %llu", f->path, (unsigned long long)off);
        }
        err = write_all(fd, buf, (size_t)n);
        off += (uint64_t)n;
    }
    if (fd >= 0 && close(fd) != 0 && err == 0)
        err = -errno;
    return err ? fail(err, "cache: %s: %s", f->path, strerror(-err)) : 0;
}

static int fill(struct store *s, const struct manifest *m, const char *dir)
{
    int at = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), err = 0;
    char *buf = malloc(PIECE);
    if (at < 0 || !buf)
        err = fail(at < 0 ? -errno : -ENOMEM, "%s: %s", dir, strerror(at < 0 ? errno : ENOMEM));
    for (size_t i = 0; err == 0 && i < m->nfiles; i++) {
        const struct manifest_file *f = &m->files[i];
        if (!S_ISDIR(f->mode))
            err = copy(s, f, at, buf);
        else if (mkdirat(at, f->path, 0700) != 0)
            err = fail(-errno, "cache: %s: %s", f->path, strerror(errno));
    }
    free(buf);
    if (at >= 0)
        close(at);
    return err;
}

int checkout_make(struct store *s, const struct manifest *m, char **ret)
{
    static atomic_uint count;
    struct out cache = {0}, dir = {0};
    out_printf(&cache, "%s/cache", store_path(s));
    out_printf(&dir, "%s/cache/version-%d-%u", store_path(s), (int)getpid(), atomic_fetch_add(&count, 1));
    int err = out_error(&cache) ? out_error(&cache) : out_error(&dir);
    if (!err) {
        mkdir(out_cstr(&cache), 0700);
        sweep_dead(out_cstr(&cache), "version-");
        if (mkdir(out_cstr(&dir), 0700) != 0)
            err = fail(-errno, "%s: %s", out_cstr(&dir), strerror(errno));
    }
    out_fini(&cache);
    if (!err && (err = fill(s, m, out_cstr(&dir))))
        sweep_tree(out_cstr(&dir));
    if (!err && !(*ret = strdup(out_cstr(&dir))))
        err = -ENOMEM;
    out_fini(&dir);
    return err;
}

void checkout_remove(char *dir)
{
    if (dir)
        sweep_tree(dir);
    free(dir);
}
