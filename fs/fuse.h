/* SPDX-License-Identifier: Apache-2.0 */
/* The mount: the map (fs/tree.h) served to the kernel. */
#pragma once
#include "fs/repo.h"
#include <sys/types.h>

struct mount_options {
    int allow_other; /* with default_permissions, always */
    int lenient;     /* a rejected line is no error to its writer */
};

/*
 * Checks a mountpoint before anything is opened. -ENOTCONN: a mount whose daemon died is there; -EBUSY: a
 * modelfs is mounted there already; -ENOTDIR, -ENOENT, -EACCES; -EINVAL: inside the repo. Each with a fail()
 * text and where there is one a hint.
 */
int mount_check(const char *repo, const char *mnt);

/*
 * Mounts the repo at mnt and serves it until it is unmounted or the process gets SIGTERM, SIGINT or SIGHUP:
 * then acknowledged work is finished and the mount is taken away, within 5 seconds; returns 0. `ready` is
 * called once the mount answers; non-zero from it unmounts again.
 * -errno: it could not be mounted.
 */
int mount_run(struct repo *r, const char *mnt, const struct mount_options *opt, int (*ready)(void *ctx),
              void *ctx);

/* 1: what has this device number is mounted somewhere in this process's namespace. */
int mount_stands(dev_t dev);

/* Takes a mount away: what `fusermount3 -u` does. -EBUSY: in use; lazy: from its users' hands. -EINVAL: not a
 * modelfs mount. */
int mount_remove(const char *mnt, int lazy);
