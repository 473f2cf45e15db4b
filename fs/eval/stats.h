/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the difference real? Exact tests and intervals over counts, and the paired bootstrap.
 *
 * Counts: n rows that both versions answered; broken: A right, B wrong; fixed: the reverse. Differences are
 * B - A as fractions of rows (+0.0147, never per cent). Nothing here allocates but the bootstrap, nothing
 * keeps state: any thread may call anything.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct stats_interval {
    double lo, hi;
};

/* Regularised incomplete beta function I_x(a, b), a, b > 0 (DLMF 8.17.22's continued fraction). */
double stats_beta(double a, double b, double x);

/* Exact two-sided McNemar test: min(1, 2 P(X <= min(broken, fixed))), X ~ Bin(broken + fixed, 1/2). */
double stats_mcnemar(uint64_t broken, uint64_t fixed);

/* Clopper-Pearson limits of k of n at the given level (0.95). Real-valued counts are fine: what a set that
 * has grown in proportion would show. n = 0: [0, 1]. */
struct stats_interval stats_exact(double k, double n, double level);
/* Wilson's score interval of a proportion (level 0.95 or whatever). n = 0: [0, 1]. */
struct stats_interval stats_wilson(double k, double n, double level);

/*
 * Interval for (fixed - broken) / n that excludes 0 exactly when stats_mcnemar's p <= 1 - level. With
 * pi = exact(fixed of m) and theta = exact(m of n), m = broken + fixed:
 *   lo = (2 pi.lo - 1) * (2 pi.lo < 1 ? theta.hi : theta.lo), hi alike; m = 0: -+ (1 - (1-level)/2)^(1/n)).
 * Full enumeration over n up to 400: coverage at least 0.95.
 */
struct stats_interval stats_flips(double n, double broken, double fixed, double level);

/* Holm's step-down adjustment of k p-values: ret[i] >= p[i], at most 1. ret may be p. -ENOMEM. */
int stats_holm(const double *p, size_t k, double *ret);

/* About the smallest change of accuracy that n rows with m flips can show: 2.8 sqrt(m) / n (80 % power at
 * 5 %); with m = 0 the upper limit of the share of flips; never 0. */
double stats_smallest_detectable(double n, double m);
/* How many rows in all, flips growing in proportion, until the interval either stays above -d or excludes 0.
 * n itself when it already does; 0 when even 10^9 rows would not do. */
uint64_t stats_rows_to_settle(uint64_t n, uint64_t broken, uint64_t fixed, double d);

/* ---- the paired bootstrap ---- */

#define STATS_REPLICATES 2000
#define STATS_MIN_ROWS   20 /* below these there is no interval worth printing */
#define STATS_MIN_GROUPS 10

/*
 * The statistic of one replicate: times[i] says how often row i was drawn (a whole number as a double, so it
 * multiplies a row's weight). NaN where it is undefined (no positive row was drawn): that replicate is left
 * out.
 */
typedef double stats_statistic(void *ctx, const double *times);

struct stats_boot {
    size_t n;
    const uint32_t *group; /* (n) number of each row's group, 0 .. n_groups-1; NULL: each row by itself */
    size_t n_groups;
    uint64_t seed;
    double level;      /* 0.95 */
    size_t replicates; /* 0: STATS_REPLICATES */
};
struct stats_boot_result {
    struct stats_interval ci; /* percentile interval: excludes 0 exactly when p <= 1 - level */
    double p;                 /* two-sided: min(1, 2 (1 + min(#<=0, #>=0)) / (replicates + 1)) */
    double se;                /* standard deviation over the replicates */
    size_t used;              /* replicates that were defined */
};

/* 1 with an interval; 0 without one (fewer than STATS_MIN_ROWS rows or STATS_MIN_GROUPS groups, or over a
 * tenth of the replicates undefined); -ENOMEM, -EINVAL (a group number out of range). */
int stats_bootstrap(const struct stats_boot *b, stats_statistic *f, void *ctx, struct stats_boot_result *ret);
/* The same for a mean of per-row numbers (differences B - A): sum(w d) / sum(w). weight NULL: all 1. */
int stats_bootstrap_mean(const struct stats_boot *b, const double *d, const double *weight,
                         struct stats_boot_result *ret);

/* xoshiro256** (Blackman and Vigna 2018, public domain) seeded by splitmix64: same seed, same numbers,
 * anywhere. */
struct stats_rng {
    uint64_t s[4];
};
void stats_rng_init(struct stats_rng *r, uint64_t seed);
uint64_t stats_rng_next(struct stats_rng *r);
uint32_t stats_rng_below(struct stats_rng *r, uint32_t n); /* uniform in 0 .. n-1; n > 0 */
