/* SPDX-License-Identifier: Apache-2.0 */
/* What a self-contained SVG needs: escaped text, axes with round numbers, colours for light and dark. */
#pragma once
#include "store/base/out.h"

/* The head with its style sheet: classes text, dim, grid, model, set, none (see the colours there). */
void plot_begin(struct out *o, int width, int height, const char *title);
void plot_end(struct out *o);
/* User text, safe in markup; at most max columns (0: all). */
void plot_escape(struct out *o, const char *text, size_t max);
/* anchor: "start", "middle", "end". */
void plot_text(struct out *o, const char *class, double x, double y, const char *anchor, const char *text);
void plot_line(struct out *o, const char *class, double x1, double y1, double x2, double y2);

/* A scale from values to pixels; values grow upwards. */
struct plot_axis {
    double lo, hi;   /* values, lo < hi */
    double from, to; /* the pixels of lo and of hi */
    double step;     /* between two ticks: 1, 2 or 5 times a power of ten */
};
/* Holds all values from lo to hi with some air, and about `ticks` ticks. */
struct plot_axis plot_axis(double lo, double hi, double from, double to, int ticks);
double plot_at(const struct plot_axis *a, double value);
/* Grid lines across x1 to x2 with their values at the left; unit " %" or " pp": a hundred times as much. */
void plot_grid(struct out *o, const struct plot_axis *a, double x1, double x2, const char *unit);
