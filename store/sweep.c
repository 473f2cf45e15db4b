/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sweep.h"
#include "store/base/fail.h"
#include "store/base/out.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path) == 0 || errno == ENOENT ? 0 : -errno;
}

int sweep_tree(const char *path)
{
    int r = nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    if (r == -1)
        r = errno == ENOENT ? 0 : -errno;
    return r < 0 ? fail(r, "%s: remove: %s", path, strerror(-r)) : 0;
}

/* Whoever builds in a directory holds a lock on it, which also counts where pids mean nothing (containers).
 */
static int locked(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (fd >= 0)
        close(fd);
    return r;
}

int sweep_hold(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return fail(-errno, "%s: %s", path, strerror(errno));
    flock(fd, LOCK_SH | LOCK_NB);
    return fd;
}

int sweep_dead(const char *dir, const char *prefix)
{
    DIR *d = opendir(dir);
    if (!d)
        return errno == ENOENT ? 0 : fail(-errno, "%s: %s", dir, strerror(errno));
    int r = 0;
    for (struct dirent *e; (e = readdir(d));) {
        size_t n = strlen(prefix), digits;
        if (strncmp(e->d_name, prefix, n) != 0)
            continue;
        digits = strspn(e->d_name + n, "0123456789");
        if (digits == 0 || digits > 9 || (e->d_name[n + digits] && e->d_name[n + digits] != '-'))
            continue;
        if (kill((pid_t)atol(e->d_name + n), 0) == 0 || errno != ESRCH)
            continue;
        struct out path = {0};
        out_printf(&path, "%s/%s", dir, e->d_name);
        int k = locked(out_cstr(&path)) ? 0 : sweep_tree(out_cstr(&path));
        if (k < 0)
            r = k;
        out_fini(&path);
    }
    closedir(d);
    return r;
}
