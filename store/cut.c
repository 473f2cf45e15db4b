/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain bytes are cut by FastCDC (Xia et al., USENIX ATC 2016) with its normalised chunking: a gear hash,
 * harder to satisfy before the average length and easier after it. The table is SplitMix64's first 256
 * numbers. Where cuts fall decides only what is shared, never what is read back.
 */
#include "store/cut.h"
#include <pthread.h>

static uint64_t gear[256];

static void gear_init(void)
{
    uint64_t x = 0;
    for (int i = 0; i < 256; i++) {
        uint64_t z = x += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        gear[i] = z ^ z >> 31;
    }
}

uint64_t cut_tensor(enum dtype t, uint64_t left)
{
    uint64_t most = (uint64_t)CUT_ELEMENTS * (dtype_size(t) ? dtype_size(t) : 1);
    return left < most ? left : most;
}

size_t cut_bytes(const void *p, size_t n)
{
    /* 18 and 14 bits, taken from the top: the hash's low bits see only the last few bytes */
    const uint64_t hard = UINT64_C(0x3ffff) << 46, easy = UINT64_C(0x3fff) << 50;
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, gear_init);
    const uint8_t *b = p;
    if (n <= CUT_BYTES_MIN)
        return n;
    if (n > CUT_BYTES_MAX)
        n = CUT_BYTES_MAX;
    size_t i = CUT_BYTES_MIN, middle = n < CUT_BYTES_AVG ? n : CUT_BYTES_AVG;
    uint64_t h = 0;
    for (; i < middle; i++)
        if (!((h = (h << 1) + gear[b[i]]) & hard))
            return i + 1;
    for (; i < n; i++)
        if (!((h = (h << 1) + gear[b[i]]) & easy))
            return i + 1;
    return n;
}
