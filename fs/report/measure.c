/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/measure.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

int measure_is_share(const char *unit)
{
    return strcmp(unit, "share") == 0;
}

/* Significant digits without an exponent where that is readable. */
static void number(struct out *o, double x, int digits, int sign)
{
    double size = fabs(x);
    int decimals = digits - 1;
    if (size > 0 && (size >= 1e7 || size < 1e-6)) {
        out_printf(o, sign ? "%+.*e" : "%.*e", digits - 1, x);
        return;
    }
    for (double y = size; y >= 10 && decimals > 0; y /= 10)
        decimals--;
    for (double y = size; y > 0 && y < 1 && decimals < 9; y *= 10)
        decimals++;
    out_printf(o, sign ? "%+.*f" : "%.*f", size > 0 ? decimals : 1, x);
}

/* Four significant digits, fewer where they need more than 8 columns. */
static void short_number(struct out *o, double x)
{
    struct out text = {0};
    for (int digits = 4; digits == 4 || (digits > 0 && text.n > 8); digits--) {
        out_reset(&text);
        number(&text, x, digits, 0);
    }
    out_str(o, out_cstr(&text));
    out_fini(&text);
}

void measure_value(struct out *o, const char *unit, double x, uint64_t rows)
{
    if (isnan(x))
        out_char(o, '-');
    else if (!measure_is_share(unit))
        short_number(o, x);
    else if (rows < MEASURE_SMALL)
        out_printf(o, "%.2f", x);
    else
        out_printf(o, "%.2f %%", 100 * x);
}

void measure_change(struct out *o, const struct eval_change *c, int digits)
{
    int share = measure_is_share(c->unit), interval = !isnan(c->lo);
    if (isnan(c->delta)) {
        out_char(o, '-');
    } else if (share) {
        out_printf(o, "%+.*f pp", digits, 100 * c->delta);
        if (interval)
            out_printf(o, " [%+.*f, %+.*f]", digits, 100 * c->lo, digits, 100 * c->hi);
    } else {
        number(o, c->delta, 3, 1);
        if (interval) {
            out_str(o, " [");
            number(o, c->lo, 3, 1);
            out_str(o, ", ");
            number(o, c->hi, 3, 1);
            out_char(o, ']');
        }
    }
}

/* Two significant digits, in at most `most` decimals. */
static void put_p(struct out *o, double p, int most)
{
    char text[32];
    int decimals = p < 0.0001 ? 4 : p < 0.00095 ? 5 : p < 0.0095 ? 4 : p < 0.095 ? 3 : 2;
    decimals = decimals < most ? decimals : most;
    double least = decimals == 3 ? 0.001 : 0.0001;
    snprintf(text, sizeof text, "%.*f", decimals, fmax(p, least));
    out_printf(o, "%s%s", p < least ? "<" : "", text[0] == '0' ? text + 1 : text);
}

void measure_p(struct out *o, double p)
{
    if (!isnan(p))
        put_p(o, p, 5);
}

void measure_p_pair(struct out *o, double p, double adjusted, size_t columns)
{
    struct out text = {0};
    for (int most = 5; most >= 3; most--) {
        out_reset(&text);
        put_p(&text, p, most);
        out_char(&text, '/');
        put_p(&text, adjusted, most);
        if (text.n <= columns)
            break;
    }
    out_str(o, out_cstr(&text));
    out_fini(&text);
}

void measure_flips(struct out *o, uint64_t broken, uint64_t fixed)
{
    out_printf(o, "%llu broken, %llu fixed", (unsigned long long)broken, (unsigned long long)fixed);
}

int measure_by_count(const struct eval_change *c)
{
    return strcmp(c->test, "mcnemar") == 0 && (c->pairs < MEASURE_SMALL || c->broken + c->fixed < 6);
}
