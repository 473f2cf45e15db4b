/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/fuse.h"
#include "tools/args.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/holders.h"
#include "tools/say.h"
#include <mntent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATIENCE 3000 /* ms for the daemon to end, twice */

/* The repo mounted at mnt; NULL when none is. The caller frees it. */
static char *mounted_repo(const char *mnt)
{
    FILE *f = setmntent("/proc/self/mounts", "re");
    char *repo = NULL, buf[8192];
    struct mntent m;
    while (f && getmntent_r(f, &m, buf, sizeof buf)) /* the last one is on top */
        if (strcmp(m.mnt_dir, mnt) == 0 && strcmp(m.mnt_type, "fuse.modelfs") == 0) {
            free(repo);
            repo = strdup(m.mnt_fsname);
        }
    if (f)
        endmntent(f);
    return repo;
}

static void tell_holder(void *ctx, pid_t pid, const char *comm, const char *how)
{
    (void)ctx;
    fprintf(stderr, "  %d  %s  (%s)\n", (int)pid, comm, how);
}

/*
 * The store is free for the next command only when the daemon has ended. It ends by itself when the last
 * mount is gone; but a mount namespace made in the meantime (a container's) has a copy of the mount, so it is
 * told.
 */
static void wait_for(int pid)
{
    int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    struct pollfd p = {fd, POLLIN, 0};
    if (fd < 0)
        return;
    if (poll(&p, 1, PATIENCE) == 0) {
        syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0);
        if (poll(&p, 1, PATIENCE) == 0)
            say_note(NULL, "unmounted; its daemon (%d) has not ended yet", pid);
    }
    close(fd);
}

static int run(int argc, char **argv)
{
    static const struct option longs[] = {{"lazy", no_argument, NULL, 'z'}, ARGS_END};
    struct args a = {argc, argv, ":z", longs, 0, 0};
    int lazy = 0;
    while (args_next(&a) != -1)
        lazy = 1;
    char **op = args_operands(&a, 1, 1, NULL);
    if (!op)
        return a.bad;
    char *real = realpath(op[0], NULL); /* NULL for a stale one */
    const char *mnt = real ? real : op[0];
    char *repo = mounted_repo(mnt);
    int pid = repo ? client_daemon(repo) : 0, code = SAY_DONE;
    int err = mount_remove(mnt, lazy);
    if (err < 0) {
        code = say_fail(op[0], err);
        code = err == -EBUSY ? SAY_BUSY : err == -EINVAL ? SAY_FAILED : code;
        if (err == -EBUSY)
            holders_each(mnt, tell_holder, NULL);
    } else if (!lazy) {
        wait_for(pid);
    }
    free(repo);
    free(real);
    return code;
}

const struct command cmd_umount = {
    "umount", "DIR [--lazy]", "take a mount away",
    "  -z, --lazy           even while it is in use: open files in it answer ENOTCONN from then on\n", run};
