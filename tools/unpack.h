/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the files of a version below a directory, whatever their paths claim: no path leaves it, no symlink
 * is followed, nothing is written over, and every file's SHA-256 is compared before it counts. */
#pragma once
#include "tools/request.h"

struct unpack;
/* dir: made when absent; -ENOTEMPTY when something is in it. */
int unpack_open(const char *dir, struct unpack **ret);
int unpack_file(struct unpack *u, const struct reply_file *f); /* begins one; the one before must be whole */
int unpack_data(struct unpack *u, const void *p, size_t n);
/* Ends the last file and gives directories their modes and times. */
int unpack_finish(struct unpack *u);
uint64_t unpack_done(const struct unpack *u); /* bytes so far */
/* Unless it was finished, all that was written is removed again, and the directory too when it was made. NULL
 * is fine. */
void unpack_close(struct unpack *u);
