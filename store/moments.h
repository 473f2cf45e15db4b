/* SPDX-License-Identifier: Apache-2.0 */
/* What a tensor's values are like. Parts are summed by chunk and joined in order, so that the result does not
 * depend on which thread did which. */
#pragma once
#include "store/manifest.h"

struct moments {
    uint64_t n;      /* finite values */
    double mean, m2; /* m2: sum of squared distances from the mean */
    double min, max;
    uint64_t nan, inf, zeros;
};
int moments_of(enum dtype t);                                               /* has this type statistics? */
void moments_add(struct moments *s, enum dtype t, const void *p, size_t n); /* n elements into an empty s */
void moments_join(struct moments *s, const struct moments *next);
void moments_final(const struct moments *s, struct tensor_stats *ret);
