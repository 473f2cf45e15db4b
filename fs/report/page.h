/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the evaluation's section share: who is compared, and the lines of the comparison. */
#pragma once
#include "fs/report/results_of.h"
#include "fs/report/section.h"

struct page {
    const struct subject *s;
    struct out *o;
    const struct results_of_pair *p;
    const struct eval_compare *c;
    char a[16], b[16]; /* "v3", "v4" */
};

/* The headline metric on core; NULL: nothing was measured. */
const struct eval_change *page_headline(const struct page *g);
/* The change of a cohort as a whole; NULL. */
const struct eval_change *page_cohort(const struct page *g, const char *name);
int page_is_slice(const struct page *g, const struct eval_change *c); /* the headline on a slice of core */
/* Texts in the request's arena. */
const char *page_cstr(const struct page *g, struct out *o); /* moves it there */
const char *page_safe(const struct page *g, const char *text, size_t max);
const char *page_value(const struct page *g, const struct eval_change *c, double x);
/* The text, and a newline, broken into lines of 80 columns, each after `indent` spaces. */
void page_wrap(struct out *o, size_t indent, const char *text);
