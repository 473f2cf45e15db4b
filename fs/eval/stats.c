/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/stats.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* Lentz's evaluation of the continued fraction of I_x(a, b); converges fast for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int m = 1; m <= 100000; m++) {
        double up = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        d = 1 + up * d;
        c = 1 + up / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        h *= d * c;
        up = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 + up * d;
        c = 1 + up / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        h *= d * c;
        if (fabs(d * c - 1) < 1e-16)
            break;
    }
    return h;
}

/* lgamma writes signgam, which threads share */
static double log_gamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}

double stats_beta(double a, double b, double x)
{
    if (x <= 0)
        return 0;
    if (x >= 1)
        return 1;
    double front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a
                                     : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double stats_mcnemar(uint64_t broken, uint64_t fixed)
{
    double m = (double)broken + (double)fixed, k = (double)(broken < fixed ? broken : fixed);
    /* P(X <= k) = I_1/2(m - k, k + 1) */
    double p = 2 * k >= m ? 1 : 2 * stats_beta(m - k, k + 1, 0.5);
    return p < 1 ? p : 1;
}

/* The x in [0, 1] where the increasing I_x(a, b) reaches p, to the last bit that bisection gives. */
static double beta_inverse(double a, double b, double p)
{
    double lo = 0, hi = 1;
    for (int i = 0; i < 200 && lo < hi; i++) {
        double mid = lo + (hi - lo) / 2;
        if (mid <= lo || mid >= hi)
            break;
        if (stats_beta(a, b, mid) < p)
            lo = mid;
        else
            hi = mid;
    }
    return lo + (hi - lo) / 2;
}

struct stats_interval stats_exact(double k, double n, double level)
{
    double tail = (1 - level) / 2;
    struct stats_interval r = {0, 1};
    if (n > 0 && k > 0)
        r.lo = beta_inverse(k, n - k + 1, tail);
    if (n > 0 && k < n)
        r.hi = beta_inverse(k + 1, n - k, 1 - tail);
    return r;
}

/* Acklam's rational start, then one Halley step on erfc: good to a few ulps. */
static double normal_quantile(double p)
{
    static const double a[] = {-3.969683028665376e+01, 2.209460984245205e+02,  -2.759285104469687e+02,
                               1.383577518672690e+02,  -3.066479806614716e+01, 2.506628277459239e+00};
    static const double b[] = {-5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02,
                               6.680131188771972e+01, -1.328068155288572e+01};
    static const double c[] = {-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
                               -2.549732539343734e+00, 4.374664141464968e+00,  2.938163982698783e+00};
    static const double d[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
                               3.754408661907416e+00};
    double q, x;
    if (p < 0.02425) {
        q = sqrt(-2 * log(p));
        x = (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) /
            ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1);
    } else if (p > 1 - 0.02425) {
        return -normal_quantile(1 - p);
    } else {
        q = p - 0.5;
        double r = q * q;
        x = (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
            (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
    }
    double e = 0.5 * erfc(-x / M_SQRT2) - p, u = e * sqrt(2 * M_PI) * exp(x * x / 2);
    return x - u / (1 + x * u / 2);
}

struct stats_interval stats_wilson(double k, double n, double level)
{
    if (n <= 0)
        return (struct stats_interval){0, 1};
    double z = normal_quantile(0.5 + level / 2), p = k / n, zz = z * z / n;
    double centre = (p + zz / 2) / (1 + zz), half = z / (1 + zz) * sqrt(p * (1 - p) / n + zz / n / 4);
    struct stats_interval r = {centre - half, centre + half};
    if (k <= 0) /* exactly there, but for rounding */
        r.lo = 0;
    if (k >= n)
        r.hi = 1;
    return r;
}

struct stats_interval stats_flips(double n, double broken, double fixed, double level)
{
    double m = broken + fixed;
    if (n <= 0)
        return (struct stats_interval){-1, 1};
    if (m <= 0) {
        double t = -expm1(log((1 - level) / 2) / n);
        return (struct stats_interval){-t, t};
    }
    struct stats_interval pi = stats_exact(fixed, m, level), theta = stats_exact(m, n, level);
    double lo = 2 * pi.lo - 1, hi = 2 * pi.hi - 1;
    return (struct stats_interval){lo * (lo < 0 ? theta.hi : theta.lo), hi * (hi > 0 ? theta.hi : theta.lo)};
}

static int by_value(const void *a, const void *b)
{
    double x = **(const double *const *)a, y = **(const double *const *)b;
    return (x > y) - (x < y);
}

int stats_holm(const double *p, size_t k, double *ret)
{
    const double **at = calloc(k ? k : 1, sizeof *at);
    double *adj = calloc(k ? k : 1, sizeof *adj);
    int err = at && adj ? 0 : -ENOMEM;
    if (!err) {
        for (size_t i = 0; i < k; i++)
            at[i] = p + i;
        qsort(at, k, sizeof *at, by_value);
        double least = 0;
        for (size_t i = 0; i < k; i++) {
            double x = *at[i] * (double)(k - i);
            least = fmax(least, fmin(x, 1));
            adj[at[i] - p] = least;
        }
        for (size_t i = 0; i < k; i++)
            ret[i] = adj[i];
    }
    free(at);
    free(adj);
    return err;
}

double stats_smallest_detectable(double n, double m)
{
    if (n <= 0)
        return 1;
    return m > 0 ? 2.8 * sqrt(m) / n : stats_flips(n, 0, 0, 0.95).hi;
}

static int settled(double n, double rows, double broken, double fixed, double d)
{
    double grow = rows > 0 ? n / rows : 0;
    struct stats_interval ci = stats_flips(n, broken * grow, fixed * grow, 0.95);
    return ci.lo >= -d || ci.hi < 0;
}

uint64_t stats_rows_to_settle(uint64_t n, uint64_t broken, uint64_t fixed, double d)
{
    const double most = 1e9;
    double b = (double)broken, c = (double)fixed, rows = (double)n, hi = rows > 1 ? rows : 1;
    if (n > 0 && settled(rows, rows, b, c, d))
        return n;
    double lo = hi;
    while (!settled(hi, rows, b, c, d)) {
        lo = hi;
        if ((hi *= 2) > most)
            return 0;
    }
    while (hi - lo > 1) {
        double mid = floor(lo + (hi - lo) / 2);
        if (settled(mid, rows, b, c, d))
            hi = mid;
        else
            lo = mid;
    }
    return (uint64_t)hi;
}

/* ---- the paired bootstrap ---- */

void stats_rng_init(struct stats_rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) { /* splitmix64 */
        uint64_t z = seed += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        r->s[i] = z ^ z >> 31;
    }
}

static uint64_t rotl(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

uint64_t stats_rng_next(struct stats_rng *r)
{
    uint64_t *s = r->s, ret = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return ret;
}

/* Lemire 2019: a multiplication, and a rare second draw that takes the bias away. */
uint32_t stats_rng_below(struct stats_rng *r, uint32_t n)
{
    uint64_t m = (stats_rng_next(r) >> 32) * n;
    if ((uint32_t)m < n)
        for (uint32_t least = -n % n; (uint32_t)m < least;)
            m = (stats_rng_next(r) >> 32) * n;
    return (uint32_t)(m >> 32);
}

static int by_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The percentile interval and p of `used` sorted replicates out of `asked`. */
static int summarise(double *v, size_t used, size_t asked, double level, struct stats_boot_result *ret)
{
    if (used == 0 || used * 10 < asked * 9)
        return 0;
    qsort(v, used, sizeof *v, by_double);
    /* the k-th from either end, with k the most that p's formula still calls significant */
    size_t k = (size_t)floor((1 - level) / 2 * (double)(used + 1));
    k = k > 0 ? k - 1 : 0;
    size_t below = 0, above = 0;
    double mean = 0, sq = 0;
    for (size_t i = 0; i < used; i++) {
        below += v[i] <= 0;
        above += v[i] >= 0;
        mean += v[i] / (double)used;
    }
    for (size_t i = 0; i < used; i++)
        sq += (v[i] - mean) * (v[i] - mean);
    ret->ci = (struct stats_interval){v[k], v[used - 1 - k]};
    ret->p = fmin(1, 2 * (1 + (double)(below < above ? below : above)) / (double)(used + 1));
    ret->se = used > 1 ? sqrt(sq / (double)(used - 1)) : 0;
    ret->used = used;
    return 1;
}

int stats_bootstrap(const struct stats_boot *b, stats_statistic *f, void *ctx, struct stats_boot_result *ret)
{
    size_t asked = b->replicates ? b->replicates : STATS_REPLICATES, units = b->group ? b->n_groups : b->n;
    if (b->n < STATS_MIN_ROWS || (b->group && b->n_groups < STATS_MIN_GROUPS))
        return 0;
    if (units > UINT32_MAX)
        return -EINVAL;
    for (size_t i = 0; b->group && i < b->n; i++)
        if (b->group[i] >= b->n_groups)
            return -EINVAL;
    double *times = calloc(b->n, sizeof *times), *drawn = b->group ? calloc(units, sizeof *drawn) : times;
    double *v = calloc(asked, sizeof *v);
    int err = times && drawn && v ? 0 : -ENOMEM;
    size_t used = 0;
    struct stats_rng rng;
    stats_rng_init(&rng, b->seed);
    for (size_t rep = 0; !err && rep < asked; rep++) {
        for (size_t i = 0; i < units; i++)
            drawn[i] = 0;
        for (size_t i = 0; i < units; i++)
            drawn[stats_rng_below(&rng, (uint32_t)units)]++;
        for (size_t i = 0; b->group && i < b->n; i++)
            times[i] = drawn[b->group[i]];
        double x = f(ctx, times);
        if (!isnan(x))
            v[used++] = x;
    }
    if (!err)
        err = summarise(v, used, asked, b->level, ret);
    if (drawn != times)
        free(drawn);
    free(times);
    free(v);
    return err;
}

struct mean {
    const double *d, *weight;
    size_t n;
};

static double mean(void *ctx, const double *times)
{
    const struct mean *m = ctx;
    double sum = 0, total = 0;
    for (size_t i = 0; i < m->n; i++) {
        double w = times[i] * (m->weight ? m->weight[i] : 1);
        sum += w * m->d[i];
        total += w;
    }
    return total > 0 ? sum / total : NAN;
}

int stats_bootstrap_mean(const struct stats_boot *b, const double *d, const double *weight,
                         struct stats_boot_result *ret)
{
    struct mean m = {d, weight, b->n};
    return stats_bootstrap(b, mean, &m, ret);
}
