/* SPDX-License-Identifier: Apache-2.0 */
/* The sections of summary.txt that are about tensors. */
#pragma once
#include "fs/report/section.h"

/* ARCHITECTURE: which tensors there are, of which shape. */
void weights_architecture(const struct diff *d, struct out *o);
/* WEIGHTS: by how much each block moved, and what that looks like. */
void weights_blocks(const struct diff *d, struct out *o);
