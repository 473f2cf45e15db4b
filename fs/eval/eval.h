/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The evaluation of one repo: its growing set of rows, what "evaluate" means there, the predictions of every
 * version on every row (each computed once and kept), and the comparison of two versions on the same rows.
 * No text, no paths of the mount, no FUSE. Any thread may call.
 */
#pragma once
#include "fs/eval/cost.h"
#include "fs/eval/metric.h"
#include "fs/eval/row.h"
#include "fs/eval/spec.h"
#include "fs/eval/word.h"
#include "store/base/arena.h"
#include "store/rows.h"
#include "store/version.h"

struct eval;
int eval_open(struct store *s, struct eval **ret); /* loads the set; -EBADMSG: a stored row does not parse */
void eval_close(struct eval *e);

/* ---- the set ---- */
struct eval_writer { /* who adds, stamped by whoever took the request */
    const char *name;
    uint32_t uid;
    int32_t pid;
};
struct eval_added {
    uint64_t kept, merged, rejected, unlabelled;
    char first_error[256];
};
/* Whole lines; durable on return; one event for the batch. `newest` may be NULL (an empty repo): inputs are
 * checked against its signature. */
int eval_append(struct eval *e, const struct eval_writer *w, const char *p, size_t n, struct eval_added *ret);
/* Lines that change rows, see amend.h; `kept` counts those carried out. A row that leaves or gets another
 * label begins a new epoch; a row that waited for its label has it now. */
enum eval_lines { EVAL_ROWS, EVAL_RETIRE, EVAL_RELABEL, EVAL_OUTCOMES /* see outcome.h */ };
int eval_amend(struct eval *e, const struct eval_writer *w, enum eval_lines what, const char *p, size_t n,
               struct eval_added *ret);
/*
 * One line, {"input":…,"reason":…,"label":…}, that a version met in the wild: the version is run on it, and
 * the row is added as a failure of that version (as curated when the version is right). -EINVAL: refused,
 * fail() says why. The version that cannot be run is no reason to refuse.
 */
struct eval_captured {
    struct eval_added added;
    char id[256];      /* of the row, also when it was there already */
    char pred[256];    /* what the version says; "" unknown */
    double p;          /* probability of that; NaN unknown */
    int right;         /* 1, 0; -1 not known */
    char problem[256]; /* why pred is not known */
};
int eval_capture(struct eval *e, const struct eval_writer *w, const struct version *v, const char *p,
                 size_t n, int (*progress)(void *ctx, uint64_t done, uint64_t all), void *ctx,
                 struct eval_captured *ret);
/* Looks for failures that the version, if a release tag names it, is known to answer right: they are proposed
 * as must-pass (an event), or tagged so with "ratchet": "on". How many in *ret_rows. */
int eval_ratchet(struct eval *e, const struct eval_writer *w, const struct version *v, uint64_t *ret_rows);
/* Predictions made elsewhere (see import.h for the lines); -EINVAL when no line could be kept. */
int eval_import(struct eval *e, const struct eval_writer *w, const struct version *v, const char *p, size_t n,
                struct eval_added *ret);
/* spec.json, graph.onnx, cost.csv …: -EINVAL with the reason in fail_text(), and nothing changes. */
int eval_is_input(const char *name); /* "inputs/NAME.npy", see inputs.h */
int eval_configure(struct eval *e, const struct eval_writer *w, const char *name, const void *p, size_t n);

/* The content of a row leaves every revision, the refused lines, the predictions and the disk: of all rows
 * that have or had the id, and of whatever else has an input of theirs. A new epoch begins when one of them
 * was active. -ENOENT: no such row. */
struct eval_erased {
    uint64_t rows, lines; /* of the set; refused ones */
};
int eval_erase(struct eval *e, const struct eval_writer *w, const char *id, const char *reason,
               struct eval_erased *ret);
/* At most so many bytes of known predictions are held in memory (256 MiB unless said). Returns what is now.
 */
uint64_t eval_memory(struct eval *e, uint64_t bytes);

/* "E1.42": raised by append (k) and by a change of what scores (N). The digest covers rows and configuration.
 */
void eval_revision(struct eval *e, char ret[32], struct digest *ret_digest);
/* Changes whenever a prediction, row or configuration becomes known: the key of reports that show results. */
void eval_known(struct eval *e, struct digest *ret);
/* Changes when predictions are imported. With the set's digest and the versions' it decides all results, once
 * what is missing is computed. */
void eval_imports(struct eval *e, struct digest *ret);
/* 1: an engine was asked for that is not here: results say so, and would differ where it is. */
int eval_lacks_engine(struct eval *e);

/* A consistent view of the set at its newest revision; rows never change under it. */
struct eval_set {
    char revision[32];
    struct digest digest;
    const struct row **rows; /* (nrows) active ones, by seq */
    size_t nrows;
    uint64_t unlabelled, retired, rejected;
    const struct spec *spec;            /* as configured; what is inferred is in each version's result */
    const struct cost *cost;            /* NULL: there is no cost.csv */
    const struct cost_traffic *traffic; /* NULL: there is no traffic.csv */
    struct digest money;                /* of the two files; zero without a cost.csv */
};
int eval_view(struct eval *e, const struct eval_set **ret);
/* The set as it was at a revision, scored as it was then; -ENOENT: there is no such one. Of rows that were
 * erased since, there is a line of JSON each in *eval_view_erased. */
int eval_view_at(struct eval *e, const char *revision, const struct eval_set **ret);
const char *eval_view_erased(const struct eval_set *v);
/* All revisions, oldest first. Non-zero from each stops and is returned. */
int eval_revisions(struct eval *e, int (*each)(void *ctx, const char *revision), void *ctx);
void eval_view_unref(const struct eval_set *v);
/* Row i as stored, on one line without a newline; the i-th that waits for a label: -ENOENT past the last. */
void eval_view_text(const struct eval_set *v, size_t i, struct out *o);
int eval_view_find(const struct eval_set *v, const char *id, size_t *ret); /* its index; -ENOENT */
int eval_view_unlabelled(const struct eval_set *v, size_t i, struct out *o);

/* ---- results of one version ---- */
enum eval_want { EVAL_KNOWN, EVAL_COMPUTE }; /* only what is known already, or compute what is missing */

/* Who computes: whoever reads a report; besides, a thread ahead of the readers; nobody but eval_version's
 * callers who say so: reports show what is known. */
enum eval_mode { EVAL_READ, EVAL_AUTO, EVAL_OFF };
void eval_set_mode(struct eval *e, enum eval_mode m);
enum eval_mode eval_mode(struct eval *e);
enum eval_want eval_reading(struct eval *e); /* what a report may ask for */

struct eval_cell {       /* one row, one version */
    int state;           /* 0 not known, 1 predicted, 2 error */
    const char *error;   /* of state 2 */
    int right;           /* classification: 1 right, 0 wrong (an error too); -1 regression, or not known */
    int32_t label, pred; /* classes: indices into labels; -1 none */
    double value;        /* regression: the prediction; binary: probability of the positive class */
    double truth;        /* regression: the row's label */
    double p_label;      /* probability of the true label; NaN unknown */
    double loss;         /* log loss or squared error of the row; NaN unknown */
    double margin;       /* how near to another decision; NaN unknown */
    double cost;         /* what the answer costs, in the cost table's unit; NaN unknown */
    const double *p;     /* (nlabels) probabilities, or NULL */
};
/*
 * Whose predictions: an entry of the spec's "models" that runs here; else those imported for this version,
 * which somebody took the trouble to give; else what zero configuration runs. Imported ones cover the rows
 * they cover: the others stay unknown.
 */
struct eval_result {
    const struct version *version;
    const struct eval_set *set;
    const char *problem; /* NULL, or why this version cannot be evaluated, one line */
    const char *hint;    /* with problem: the ways in */
    const char *engine;  /* "onnx", "xgboost", "imported", "" */
    const char *fingerprint;
    struct digest
        model;         /* of the files that answer and what of the spec reaches them; of what was imported */
    struct digest run; /* what decided the predictions, all but the input; zero with a problem */
    enum spec_task task;       /* SPEC_TASK_INFER: no row was answered yet */
    const char *const *labels; /* (nlabels), class order; binary: the last is the positive one */
    size_t nlabels;
    struct eval_cell *cells;     /* (set->nrows) */
    size_t known, errors;        /* cells of state 1 or 2; of state 2 */
    int complete;                /* every row is known */
    struct intervals *intervals; /* computed before; internal */
};
/* The caller frees it with eval_result_free. progress may be NULL: rows done and in all; non-zero: -EINTR. */
int eval_version(struct eval *e, const struct version *v, enum eval_want want, const struct eval_set *set,
                 int (*progress)(void *ctx, uint64_t done, uint64_t all), void *ctx,
                 struct eval_result **ret);
void eval_result_free(struct eval_result *r);
/* Computes what is missing of a version on the newest set, and gives way while anybody else computes. stop:
 * -EINTR. *ret_computed: rows, also on failure. */
int eval_fill(struct eval *e, const struct version *v, int (*stop)(void *ctx), void *ctx,
              uint64_t *ret_computed);

/* ---- scores ---- */
struct eval_score {
    const char *metric, *unit;
    const char *slice;    /* "" = all rows of the cohort */
    const char *cohort;   /* "core", "failures", "must-pass" */
    int direction;        /* +1 higher is better, -1 lower */
    double value, lo, hi; /* 95 %; NaN: none */
    const char *ci_method, *note;
    uint64_t n, scored, errors, hits; /* hits: count behind a proportion */
    int partial;
};
int eval_scores(const struct eval_result *r, struct arena *a, struct eval_score **ret, size_t *ret_n);

/* The headline on core as the set was at a time. */
struct eval_then {
    char revision[32];
    const char *unit;
    int direction;
    uint64_t rows, added; /* there were then; came since */
    double value, now;    /* on those rows; on all of today's. NaN: none */
};
/* -ENOENT: the set was another one then (no rows, or an older epoch), or the scores are not known. */
int eval_score_then(struct eval *e, const struct eval_result *r, int64_t time_ns, struct eval_then *ret);

/* ---- two versions on the same rows ---- */
struct eval_change {
    const char *metric, *unit, *slice, *cohort;
    int direction;
    uint64_t rows, pairs, errors_a, errors_b; /* rows of the slice; those both answered */
    double a, b, delta, lo, hi, p, p_adj;     /* NaN: does not apply */
    size_t family;                            /* of the Holm adjustment; 0: none */
    uint64_t broken, fixed;
    double smallest_detectable, margin;
    const char *test, *ci_method, *note;
    const char *gate; /* the rule whose margin it has, "": none (see policy.h) */
    enum word word;   /* IMPROVED, OK, REGRESSED, UNDECIDED */
};
/* The number of the cost table that the sign of the change of cost hangs on most. */
struct eval_even {
    const char *what; /* NULL: none is near */
    double now, at;   /* what it is; where the change would be nothing */
    int above;        /* at > now */
    int scales;       /* a coef, not a fixed cost */
    int gain;         /* B costs less */
};
struct eval_compare {
    const struct eval_result *a, *b;
    int comparable; /* 0: see why */
    const char *why;
    struct eval_change
        *changes; /* headline first, the other metrics on core, the headline on slices (worst first; a
                     family), the other metrics on slices, right or wrong on failures and must-pass */
    size_t nchanges, headline;
    /* Row indices of all cohorts: nbroken, worst first; nfixed, best first; nother, whose prediction differs
     * without either (wrong to other wrong; regression: any). */
    uint32_t *flips;
    size_t nbroken, nfixed, nother;
    struct eval_even even;
    uint64_t churn; /* rows whose prediction differs at all */
    uint64_t core_pairs, core_right_a, core_right_b, core_broken, core_fixed; /* rows of core */
};
/* Everything lives in arena; a and b must be results on the same set. */
int eval_compare(const struct eval_result *ra, const struct eval_result *rb, struct arena *a,
                 struct eval_compare *ret);

/* ---- what releases did outside, see outcome.h ---- */
struct eval_outcome {
    uint32_t version, vs; /* numbers; vs 0: the one released before */
    int is_experiment;    /* 0: before and after, where other things changed too */
    const char *metric, *unit, *experiment, *by;
    double value, lo, hi;  /* NaN lo and hi: without an interval */
    const char *from, *to; /* dates, or "" */
};
/* Whole lines of CSV. -errno only when none could be judged; ret says how many were refused. */
int eval_outcomes_append(struct eval *e, const struct eval_writer *w, const char *p, size_t n,
                         struct eval_added *ret);
int eval_outcomes(struct eval *e, struct arena *a, struct eval_outcome **ret,
                  size_t *ret_n);                      /* as appended */
int eval_outcomes_text(struct eval *e, struct out *o); /* the file, with its header */

/* The A/A control: a version against itself, run twice. */
struct eval_control {
    uint64_t rows, flips;
    double most; /* change of a probability, or of a number */
};
/* r: its result, which is complete. Up to 200 rows (fewer of a large version), once in a run's life.
 * -ENOENT: it has no engine in this process. */
int eval_control(struct eval *e, const struct eval_result *r, enum eval_want want,
                 int (*progress)(void *ctx, uint64_t done, uint64_t all), void *ctx,
                 struct eval_control *ret);

/* What is running now, for status.txt. */
struct eval_status {
    uint64_t done, all;            /* rows of running work */
    const struct version *version; /* the caller unrefs it; NULL: nothing runs */
    double seconds;
};
void eval_status(struct eval *e, struct eval_status *ret);
