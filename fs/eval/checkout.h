/* SPDX-License-Identifier: Apache-2.0 */
/* A version's files as plain files in a folder of our own, below REPO/cache, for who cannot read a store. */
#pragma once
#include "store/manifest.h"

/* ret: the folder's path, the caller's; checkout_remove takes both away. What a process that is gone left
 * there is removed first. */
int checkout_make(struct store *s, const struct manifest *m, char **ret);
void checkout_remove(char *dir); /* NULL is fine */
