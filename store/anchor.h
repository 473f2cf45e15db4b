/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The anchor: a small file beside the database that says how far acknowledged history reaches, so that a
 * database that lost its tail is seen to be damaged instead of merely shorter. Its form is drawn in anchor.c.
 */
#pragma once
#include "store/base/hash.h"

struct anchor {
    struct digest store_id;
    uint64_t generation; /* counts the writes of this file */
    uint64_t seq;        /* of the newest acknowledged event; 0: none yet */
    struct digest hash;  /* that event's; zero when seq is 0 */
};

/* Creates the file, synced (its directory is the caller's to sync). */
int anchor_create(int dirfd, const struct anchor *a);
/* An open descriptor, for anchor_write when writable, and the newest valid slot. *ret_bad counts slots that
 * do not verify: one may be the torn write of a crash. -EBADMSG when none does, -ENOENT when there is no
 * file. */
int anchor_open(int dirfd, int writable, struct anchor *ret, int *ret_bad);
/* Writes the slot that does not hold the newest one and syncs it; increments a->generation. */
int anchor_write(int fd, struct anchor *a);
