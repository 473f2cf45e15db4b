/* SPDX-License-Identifier: Apache-2.0 */
/* The manifests that an open store keeps loaded. For the files of this folder only. */
#pragma once
#include "store/core.h"

struct manifests *manifests_new(void);    /* NULL: out of memory */
void manifests_free(struct manifests *c); /* none may be in use; NULL is fine */
/* Calls each with those that somebody holds; it must not take or leave one. */
struct manifest;
void manifests_each_held(struct store *s, void (*each)(void *ctx, const struct manifest *m), void *ctx);
/* What the store adds to a version's record. */
int manifests_extra(struct store *s, const struct digest *version, struct record_extra *ret);
