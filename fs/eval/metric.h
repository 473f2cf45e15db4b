/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scores. Each is a function of rows (truth, prediction, probabilities) and their weights; every definition
 * is scikit-learn's where it has one.
 *
 *   accuracy                        share of rows that are right
 *   recall:L precision:L f1:L       of one label, by its text; without :L of the last of two
 *   macro_ / micro_ recall precision f1     mean over labels seen in truth or prediction / over all rows
 *   auroc average_precision         binary: of the last label; else mean over labels, one against the rest
 *   log_loss                        -log p(true label), p clipped to 2.2e-16
 *   brier                           binary: (p(last) - truth)^2; else the sum over labels
 *   ece                             |confidence - accuracy| over 15 equal bins of the top probability
 *   cost_per_k                      1000 x the mean cost of a row; with strata, each weighted by its share
 *   mae rmse r2 mape mse            regression
 */
#pragma once
#include "fs/eval/cost.h"
#include "fs/eval/stats.h"

enum metric_kind {
    METRIC_RIGHT, /* right or wrong per row: McNemar, Wilson */
    METRIC_MEAN,  /* mean of a per-row number: bootstrap of differences */
    METRIC_SET    /* only of a set: bootstrap, recomputed */
};

struct metric {
    char name[64];    /* as asked for, "recall:fraud"; a longer label is cut here, not in `label` */
    const char *base; /* "recall" */
    const char *unit; /* "share", "nats", "label" (the label's own unit), "" */
    int direction;    /* +1 higher is better, -1 lower */
    enum metric_kind kind;
    int needs_prob;
    int id;        /* private */
    int32_t label; /* recall:L: the label's index; -1 */
};

/* By name for these labels. -EINVAL with fail() text: no such metric, or no such label. */
int metric_find(const char *name, const char *const *labels, size_t nlabels, struct metric *ret);
int metric_is_cost(const struct metric *m); /* its unit is the cost table's */
int metric_known(const char *name);         /* is the name (label aside) a metric's? */
/* Those of a task when the spec names none; headline is the first. NULL-terminated. */
const char *const *metric_defaults(enum spec_task t);

/* n rows. Classification: truth, pred, prob; regression: y, yhat. What is not there is NULL. */
struct metric_rows {
    enum spec_task task;
    size_t n;
    size_t nlabels;
    const int32_t *truth;   /* (n) index of the label */
    const int32_t *pred;    /* (n) -1: none of the labels, or the row failed: wrong */
    const double *prob;     /* (n, nlabels) NaN: none */
    const double *y, *yhat; /* (n) NaN yhat: the row failed, left out */
    const double *weight;   /* (n) NULL: all 1 */
    const double *cost;     /* (n) of each answer; NaN: not known, left out */
    const int32_t *stratum; /* (n) index into share; -1: in none, left out of the cost. NULL: no strata */
    const double *share;    /* (nshares) of the strata; sum to 1 */
    size_t nshares;         /* at most COST_SHARES */
};

/* METRIC_RIGHT, METRIC_MEAN: the number of row i (1 right, 0 wrong; the loss); NaN: the row does not count
 * here (recall:L of a row of another label; no probability). */
double metric_row(const struct metric *m, const struct metric_rows *r, size_t i);

/* Any kind, over all rows. times: how often each row counts (the bootstrap's), NULL: once. What is costly
 * and the same for each replicate (sorting) is done once, in metric_work_new; NULL: out of memory. */
struct metric_work;
struct metric_work *metric_work_new(const struct metric *m, const struct metric_rows *r); /* keeps both */
double metric_value(const struct metric_work *w, const double *times);                    /* NaN: undefined */
void metric_work_free(struct metric_work *w);
