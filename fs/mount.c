/* SPDX-License-Identifier: Apache-2.0 */
/* Mountpoints: what is there already, and taking a mount away. */
#include "fs/fuse.h"
#include "store/base/fail.h"
#include <errno.h>
#include <limits.h>
#include <mntent.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* 1: a modelfs is mounted at this absolute path, whether its daemon lives or not. */
static int is_mounted(const char *path)
{
    struct mntent ent;
    char buf[3 * PATH_MAX];
    int found = 0;
    FILE *f = setmntent("/proc/self/mounts", "re");
    if (!f)
        return 0;
    while (getmntent_r(f, &ent, buf, sizeof buf)) /* the last one at a path is the one on top */
        if (strcmp(ent.mnt_dir, path) == 0)
            found = strcmp(ent.mnt_type, "fuse.modelfs") == 0;
    endmntent(f);
    return found;
}

int mount_stands(dev_t dev)
{
    char *line = NULL;
    size_t size = 0;
    unsigned maj, min;
    int found = 0;
    FILE *f = fopen("/proc/self/mountinfo", "re");
    while (f && !found && getline(&line, &size, f) > 0)
        found = sscanf(line, "%*d %*d %u:%u ", &maj, &min) == 2 && makedev(maj, min) == dev;
    free(line);
    if (f)
        fclose(f);
    return found;
}

/* The absolute path of a mountpoint whose last component may not answer. */
static int absolute(const char *mnt, char ret[PATH_MAX])
{
    char copy[PATH_MAX], parent[PATH_MAX];
    size_t n = strlen(mnt);
    if (realpath(mnt, ret))
        return 0;
    if (errno != ENOTCONN)
        return -errno;
    while (n > 1 && mnt[n - 1] == '/')
        n--;
    if (n >= sizeof copy)
        return -ENAMETOOLONG;
    memcpy(copy, mnt, n);
    copy[n] = 0;
    char *slash = strrchr(copy, '/');
    const char *name = slash ? slash + 1 : copy, *dir = !slash ? "." : slash == copy ? "/" : copy;
    if (slash && slash != copy)
        *slash = 0;
    if (!realpath(dir, parent))
        return -errno;
    return snprintf(ret, PATH_MAX, "%s/%s", strcmp(parent, "/") ? parent : "", name) < PATH_MAX
               ? 0
               : -ENAMETOOLONG;
}

int mount_check(const char *repo, const char *mnt)
{
    struct stat st;
    char m[PATH_MAX], r[PATH_MAX];
    int err = absolute(mnt, m);
    if (err < 0)
        return fail(err, "%s: %s", mnt, strerror(-err));
    if (stat(m, &st) < 0) {
        err = fail(-errno, errno == ENOTCONN ? "%s: a mount whose daemon is gone is there" : "%s: %m", mnt);
        if (err == -ENOTCONN)
            fail_hint("fusermount3 -uz %s", mnt);
        return err;
    }
    if (!S_ISDIR(st.st_mode))
        return fail(-ENOTDIR, "%s: not a directory", mnt);
    if (is_mounted(m))
        return fail(-EBUSY, "%s: a model repo is mounted there already", mnt);
    size_t n = realpath(repo, r) ? strlen(r) : 0;
    if (n && strncmp(m, r, n) == 0 && (m[n] == '/' || m[n] == 0))
        return fail(-EINVAL, "%s: inside the repo", mnt);
    return 0;
}

/* fusermount3 has the rights that a user lacks. */
static int fusermount(const char *path, int lazy)
{
    char *argv[] = {(char *)"fusermount3", (char *)"-q", (char *)(lazy ? "-uz" : "-u"),
                    (char *)"--",          (char *)path, NULL};
    pid_t pid;
    int status, err = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
    if (err)
        return -err;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EBUSY;
}

int mount_remove(const char *mnt, int lazy)
{
    char m[PATH_MAX];
    int err = absolute(mnt, m);
    if (err < 0)
        return fail(err, "%s: %s", mnt, strerror(-err));
    if (!is_mounted(m))
        return fail(-EINVAL, "%s: no model repo is mounted there", mnt);
    err = umount2(m, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) < 0 ? -errno : 0;
    if (err == -EPERM)
        err = fusermount(m, lazy);
    return err < 0 ? fail(err, "%s: %s", mnt, err == -EBUSY ? "in use" : strerror(-err)) : 0;
}
