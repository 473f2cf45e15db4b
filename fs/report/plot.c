/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/plot.h"
#include <math.h>
#include <string.h>

static const char style[] =
    "svg{--bg:#ffffff;--fg:#1f2328;--dim:#59636e;--grid:#d8dee4;--model:#0969da;--set:#bc4c00}\n"
    "@media (prefers-color-scheme:dark){svg{--bg:#0d1117;--fg:#e6edf3;--dim:#9198a1;--grid:#30363d;"
    "--model:#58a6ff;--set:#f0883e}}\n"
    "text{font:14px system-ui,sans-serif;fill:var(--fg)}\n"
    "text.title{font-size:18px;font-weight:600}\n"
    "text.dim{fill:var(--dim);font-size:13px}\n"
    ".bg{fill:var(--bg)}\n"
    "line.grid{stroke:var(--grid)}\n"
    "line.zero{stroke:var(--dim)}\n"
    ".model{stroke:var(--model);fill:var(--model);stroke-width:2}\n"
    ".set{stroke:var(--set);fill:var(--set);stroke-width:2}\n"
    "polyline.model{fill:none}\n"
    "rect{stroke:none}\n";

void plot_escape(struct out *o, const char *text, size_t max)
{
    struct out safe = {0};
    out_text(&safe, text, strlen(text), max);
    for (size_t i = 0; i < safe.n; i++)
        switch (safe.p[i]) {
        case '&':
            out_str(o, "&amp;");
            break;
        case '<':
            out_str(o, "&lt;");
            break;
        case '>':
            out_str(o, "&gt;");
            break;
        case '"':
            out_str(o, "&quot;");
            break;
        default:
            out_char(o, safe.p[i]);
        }
    if (out_error(&safe))
        o->err = out_error(&safe);
    out_fini(&safe);
}

void plot_begin(struct out *o, int width, int height, const char *title)
{
    out_printf(o,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
               "role=\"img\">\n<title>",
               width, height, width, height);
    plot_escape(o, title, 0);
    out_printf(o, "</title>\n<style>\n%s</style>\n<rect class=\"bg\" width=\"%d\" height=\"%d\"/>\n", style,
               width, height);
}

void plot_end(struct out *o)
{
    out_str(o, "</svg>\n");
}

void plot_text(struct out *o, const char *class, double x, double y, const char *anchor, const char *text)
{
    out_printf(o, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", class, x, y, anchor);
    plot_escape(o, text, 0);
    out_str(o, "</text>\n");
}

void plot_line(struct out *o, const char *class, double x1, double y1, double x2, double y2)
{
    out_printf(o, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class, x1, y1, x2,
               y2);
}

struct plot_axis plot_axis(double lo, double hi, double from, double to, int ticks)
{
    double span = hi - lo;
    if (!(span > 0))
        span = fabs(hi) > 0 ? fabs(hi) / 10 : 1;
    double raw = span / ticks, power = pow(10, floor(log10(raw))), over = raw / power;
    struct plot_axis a = {.from = from, .to = to};
    a.step = (over > 5 ? 10 : over > 2 ? 5 : over > 1 ? 2 : 1) * power;
    a.lo = a.step * floor((lo - span * 0.04) / a.step);
    a.hi = a.step * ceil((hi + span * 0.04) / a.step);
    if (!(a.hi > a.lo))
        a.hi = a.lo + a.step;
    return a;
}

double plot_at(const struct plot_axis *a, double value)
{
    return a->from + (value - a->lo) / (a->hi - a->lo) * (a->to - a->from);
}

void plot_grid(struct out *o, const struct plot_axis *a, double x1, double x2, const char *unit)
{
    int n = (int)llround((a->hi - a->lo) / a->step);
    double scale = *unit ? 100 : 1;
    int decimals = (int)fmax(0, -floor(log10(a->step * scale) + 1e-9));
    for (int i = 0; i <= n && i < 100; i++) {
        double value = a->lo + i * a->step, y = plot_at(a, value);
        struct out text = {0};
        if (fabs(value) < a->step / 1e6)
            value = 0;
        out_printf(&text, "%.*f%s", decimals, scale * value, unit);
        plot_line(o, value == 0 ? "zero" : "grid", x1, y, x2, y);
        plot_text(o, "dim", x1 - 8, y + 4, "end", out_cstr(&text));
        out_fini(&text);
    }
}
