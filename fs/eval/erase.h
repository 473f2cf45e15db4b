/* SPDX-License-Identifier: Apache-2.0 */
/* A row's content leaves the set, its past, the refused lines and the predictions; its digest and the event
 * stay. */
#pragma once
#include "fs/eval/results.h"
#include "fs/eval/set.h"

int erase_row(struct set *s, struct results *r, const struct eval_writer *w, const char *id,
              const char *reason, struct eval_erased *ret);
