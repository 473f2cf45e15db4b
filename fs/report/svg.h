/* SPDX-License-Identifier: Apache-2.0 */
/* Small pictures of report.html, each as wide as its place: a bar, a change with its interval, flips. Colours
 * are the page's classes; label is for who cannot see them (markup already). */
#pragma once
#include "store/base/out.h"

/* From 0 to x of max. */
void svg_bar(struct out *o, double x, double max, const char *label);
/* x in [lo, hi] around 0 in the middle, better to the right; both ends of the picture are max. lo and hi may
 * be NaN: the change alone. class: "improved", "ok", "regressed", "undecided". */
void svg_interval(struct out *o, double lo, double x, double hi, double max, const char *class,
                  const char *label);
/* Broken to the left, fixed to the right. */
void svg_flips(struct out *o, double broken, double fixed, double max, const char *label);
