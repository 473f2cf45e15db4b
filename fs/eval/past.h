/* SPDX-License-Identifier: Apache-2.0 */
/* The set as it was: nothing is stored for a revision, all of it follows from rows and events. */
#pragma once
#include "fs/eval/view.h"

/* "E1.41"; -ENOENT: there is no such revision. */
int past_view(struct set *s, const char *name, const struct eval_set **ret);
int past_each(struct set *s, int (*each)(void *ctx, const char *revision), void *ctx);
