/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that exist: the most recently used in memory, more of them as files. The store room of fs/texts.c. */
#pragma once
#include "fs/repo.h"

struct keep;
int keep_open(const char *dir, struct keep **ret); /* dir NULL: no files */
void keep_close(struct keep *k);
int keep_find(struct keep *k, const struct digest *key, const struct text **ret); /* -ENOENT */
void keep_clear(struct keep *k); /* no text is known any more; references stay good */
/* Takes the bytes of o. A file that cannot be written is no failure: the text is in memory. */
int keep_add(struct keep *k, const struct digest *key, struct out *o, int file, const struct text **ret);
/* A text under the key that nobody but the caller gets. */
int keep_pass(const struct digest *key, struct out *o, const struct text **ret);
