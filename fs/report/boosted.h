/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "fs/report/section.h"

/* ARCHITECTURE and TREES of each booster that is in both. */
void boosted_render(const struct diff *d, struct out *o);
