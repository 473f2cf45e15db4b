/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/svg.h"
#include <math.h>

#define WIDTH 200.0 /* of the picture's own units; 16 high */

static void begin(struct out *o, const char *label)
{
    out_printf(o, "<svg viewBox=\"0 0 200 16\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"%s\">",
               label);
}

static void rect(struct out *o, double from, double to, const char *class)
{
    out_printf(o, "<rect x=\"%.2f\" y=\"3\" width=\"%.2f\" height=\"10\" class=\"%s\"/>", from, to - from,
               class);
}

static void upright(struct out *o, double x, double y, const char *class)
{
    out_printf(o, "<line x1=\"%.2f\" y1=\"%.0f\" x2=\"%.2f\" y2=\"%.0f\" class=\"%s\"/>", x, y, x, 16 - y,
               class);
}

/* The place of x between -max and max. */
static double place(double x, double max)
{
    double share = max > 0 ? x / max : 0;
    return WIDTH / 2 * (1 + fmin(fmax(share, -1), 1));
}

void svg_bar(struct out *o, double x, double max, const char *label)
{
    begin(o, label);
    rect(o, 0, max > 0 && x > 0 ? WIDTH * fmin(x / max, 1) : 0, "bar");
    out_str(o, "</svg>");
}

void svg_interval(struct out *o, double lo, double x, double hi, double max, const char *class,
                  const char *label)
{
    begin(o, label);
    upright(o, WIDTH / 2, 0, "zero");
    if (!isnan(lo) && !isnan(hi))
        out_printf(o, "<line x1=\"%.2f\" y1=\"8\" x2=\"%.2f\" y2=\"8\" class=\"span %s\"/>", place(lo, max),
                   place(hi, max), class);
    out_printf(o, "<line x1=\"%.2f\" y1=\"2\" x2=\"%.2f\" y2=\"14\" class=\"point %s\"/></svg>",
               place(x, max), place(x, max), class);
}

void svg_flips(struct out *o, double broken, double fixed, double max, const char *label)
{
    begin(o, label);
    rect(o, place(-broken, max), WIDTH / 2, "broken");
    rect(o, WIDTH / 2, place(fixed, max), "fixed");
    upright(o, WIDTH / 2, 0, "zero");
    out_str(o, "</svg>");
}
