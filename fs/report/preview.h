/* SPDX-License-Identifier: Apache-2.0 */
/* One row on one line, for whoever looks for a pattern: amount=980 country=ES. */
#pragma once
#include "fs/eval/row.h"

/* At most max columns, escaped; max 0: all of it. */
void preview_row(const struct row *r, struct out *o, size_t max);
