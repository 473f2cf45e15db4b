/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/input_file.h"
#include "store/base/fail.h"
#include "tools/stop.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int changed(const struct stat *a, const struct stat *b)
{
    return a->st_size != b->st_size || a->st_mtim.tv_sec != b->st_mtim.tv_sec ||
           a->st_mtim.tv_nsec != b->st_mtim.tv_nsec;
}

static int read_all(int fd, const char *path, size_t most, struct out *ret)
{
    char buf[65536];
    struct stat before, after;
    if (fstat(fd, &before) != 0)
        return fail(-errno, "%s: %s", path, strerror(errno));
    if (S_ISDIR(before.st_mode))
        return fail(-EISDIR, "%s: is a directory", path);
    for (ssize_t n; (n = read(fd, buf, sizeof buf)) != 0;) {
        if (n < 0 && errno == EINTR && !stop_asked(NULL))
            continue;
        if (n < 0)
            return fail(-errno, "%s: %s", path, strerror(errno));
        if (ret->n + (size_t)n > most)
            return fail(-EMSGSIZE, "%s: longer than %zu bytes", path, most);
        out_write(ret, buf, (size_t)n);
    }
    if (S_ISREG(before.st_mode) && (fstat(fd, &after) != 0 || changed(&before, &after)))
        return fail(-EBUSY, "%s: changed while it was read", path);
    return out_error(ret);
}

int input_file_read(const char *path, size_t most, struct out *ret)
{
    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, "stdin", most, ret);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(-errno, "%s: %s", path, strerror(errno));
    int err = read_all(fd, path, most, ret);
    close(fd);
    return err;
}
