/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The largest singular values of a matrix that is read row by row, by subspace iteration on D^T D (Halko,
 * Martinsson and Tropp 2011, algorithm 4.4) from a fixed start. One thread; memory is a window of rows and
 * two blocks of cols x (n + SPECTRUM_SPARE) floats.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define SPECTRUM_MAX   64        /* values */
#define SPECTRUM_SPARE 16        /* directions beside those asked for */
#define SPECTRUM_WIDE  (1 << 18) /* most columns */

struct spectrum_matrix {
    uint64_t rows, cols; /* cols <= SPECTRUM_WIDE */
    /* rows first … first + n - 1, finite, of a scale near 1; -errno */
    int (*read)(void *ctx, uint64_t first, size_t n, float *ret);
    void *ctx;
};

/* The n <= SPECTRUM_MAX largest, largest first, 0 beyond the matrix's own. In so many passes (2 or more) over
 * the matrix; all but the last turn the subspace towards the largest. Exact to some 1e-6 of the largest when
 * the rank is at most n + SPECTRUM_SPARE, else never too large. -EINTR when stop says so. */
int spectrum_largest(const struct spectrum_matrix *m, size_t n, int passes, int (*stop)(void *ctx),
                     void *stop_ctx, double *ret);
