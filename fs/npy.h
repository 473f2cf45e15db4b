/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "store/manifest.h"

/*
 * The header that makes a tensor's bytes a NumPy file (NEP 1: version 1.0, or 2.0 when it is over 64 KiB),
 * padded so that the data begin on a multiple of 64 bytes. bf16 and fp8, which NumPy has not, are their bits
 * as unsigned integers.
 */
void npy_header(const struct manifest_tensor *t, struct out *o);
