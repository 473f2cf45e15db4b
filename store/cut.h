/* SPDX-License-Identifier: Apache-2.0 */
/* Where chunks end. */
#pragma once
#include "store/format/dtype.h"
#include <stddef.h>
#include <stdint.h>

#define CUT_ELEMENTS \
    131072u /* of a tensor, for every dtype: copies in other dtypes have chunks that correspond */
#define CUT_BYTES_MIN 16384u
#define CUT_BYTES_AVG 65536u
#define CUT_BYTES_MAX 262144u

/* Bytes of a tensor's next chunk, when left bytes of it are left; of a type without a size: as if of bytes.
 */
uint64_t cut_tensor(enum dtype t, uint64_t left);
/* Length of the first chunk of n plain bytes; n is all that is left, or at least CUT_BYTES_MAX. */
size_t cut_bytes(const void *p, size_t n);
