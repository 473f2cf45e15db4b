/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines that change rows of the set:
 *   retire    ID REASON            the id ends at the first space; or {"id":…,"reason":…}
 *   relabel   {"id":…,"label":…,"reason":…}
 */
#pragma once
#include "fs/eval/grow.h"

/* Fills it->order, or it->reason and it->why. 0 also when the line is refused; -ENOMEM. */
int amend_parse(enum eval_lines what, struct grow_item *it);
