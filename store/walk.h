/* SPDX-License-Identifier: Apache-2.0 */
/* The files and directories that a commit is made of. */
#pragma once
#include "store/base/arena.h"
#include <stddef.h>
#include <sys/stat.h>

struct walk_entry {
    const char *path;   /* in the version */
    const char *source; /* where it is read */
    struct stat st;     /* when it was found; symlinks followed */
};
struct walk {
    struct walk_entry *e; /* (n), sorted by path */
    size_t n, cap;
    struct arena arena;
};
/* Collects the content of directories, and files by their last component. Refuses what is neither (-EINVAL),
 * a directory inside itself (-ELOOP), the repo (-EINVAL), two entries of one name (-EEXIST), and nothing at
 * all (-EINVAL). */
int walk_paths(const char *repo, const char *const *paths, size_t npaths, struct walk *ret);
void walk_fini(struct walk *w);
