/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an answer costs, and how often such a row comes: eval/cost.csv and eval/traffic.csv.
 *
 *   truth,pred,fixed,coef,field,unit,note       the first rule that matches decides; * matches anything
 *   fraud,ok,0,1.0,amount,EUR,missed fraud loses the amount
 *   *,wrong,4,,,EUR,any other error
 *
 *   cost = fixed + coef * value[field]          classification; value: the row's own
 *   cost = fixed + coef * |error| [* value[field]]    regression, pred: over, under (or * )
 *
 *   slice,share                                 slices that exclude each other; shares sum to 1
 *   country=ES,0.12
 */
#pragma once
#include "fs/eval/spec.h"
#include "fs/eval/where.h"
#include "store/base/arena.h"

#define COST_SHARES 64 /* slices of traffic, at most */

struct cost_rule {
    const char *truth, *pred; /* NULL: any; pred "wrong": any but the truth */
    double fixed, coef;
    const char *field; /* of the row's value; NULL */
    const char *note;  /* "" none */
};
struct cost {
    struct arena arena;
    struct cost_rule *rules;
    size_t n;
    const char *unit; /* "EUR"; "" when no rule names one */
};
/* -EINVAL with a text that names the line. spec: whose labels, when it gives any, are the ones
 * allowed; NULL: a table that was accepted before. */
int cost_parse(const char *p, size_t n, const struct spec *spec, struct cost *ret);
void cost_fini(struct cost *c);

/* NaN: no rule matches, or the row's value lacks the field. value may be NULL. */
double cost_of_label(const struct cost *c, const char *truth, const char *pred, const json_t *value);
double cost_of_number(const struct cost *c, double truth, double pred, const json_t *value);
/* Of a row that the model fails on: that of the dearest answer, so that failing never gains. */
double cost_of_failure(const struct cost *c, const char *truth, const json_t *value);

struct cost_share {
    const char *slice;
    struct where where; /* n = 0: the name is no expression */
    double share;
};
struct cost_traffic {
    struct arena arena;
    struct cost_share *shares;
    size_t n;
};
int cost_traffic_parse(const char *p, size_t n, struct cost_traffic *ret);
void cost_traffic_fini(struct cost_traffic *t);
