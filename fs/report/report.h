/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A report is one generated file: a name, what it is, and a function that writes its text out of the engines'
 * numbers. It knows no path and no FUSE, and never sees an offset or a buffer size.
 *
 * A report is a pure function of its code version and the inputs it declares: same inputs, same bytes
 * (promise P7). The framework renders it once, shares the text among concurrent readers and keeps it under
 * the digest of those inputs.
 */
#pragma once
#include "store/base/arena.h"
#include "store/base/out.h"
#include "store/manifest.h"
#include "store/rows.h"
#include "store/store.h"
#include "store/version.h"

struct eval;

/* What a report is about. Lives as long as the call; everything in it is borrowed. */
struct subject {
    struct store *store;
    struct eval *eval;           /* the evaluation of this repo (never NULL) */
    struct arena *arena;         /* temporary memory, gone when the report is done */
    const struct version *a, *b; /* info/, tensors/: a. diff/: a and b. Else NULL */
    const char *name;            /* of a file that exists in many (an example's id), else NULL */
    const char *mountpoint;      /* where the repo is mounted, or NULL */
    /* non-zero: nobody waits any more; long work stops with -EINTR. NULL: never */
    int (*stop)(void *ctx);
    void *stop_ctx;
};

enum report_input {                    /* beside a and b, whose digests are always inputs when set */
                    INPUT_HISTORY = 1, /* every version, tag and event */
                    INPUT_SET = 2, /* the evaluation set and its configuration (spec, cost, gates, graph) */
                    INPUT_RESULTS = 4,  /* which predictions are known now */
                    INPUT_LIVE = 8,     /* never cached: progress, disk usage, the clock */
                    INPUT_IMPORTS = 16, /* predictions made elsewhere: what results still depend on where
                                           all that is missing is computed */
                    INPUT_GATES = 32,   /* the rules in force, and which of their waivers are over */
};

struct report {
    const char *name; /* "summary.txt" */
    uint32_t version; /* of its code: raise it when its text changes for equal inputs */
    unsigned inputs;  /* enum report_input */
    int slow;         /* may take more than a moment: it is rendered at open, not at stat */
    const char *doc;  /* one line for the map */
    /* 0, or -errno with a fail() text (then the text written so far is thrown away) */
    int (*render)(const struct subject *s, struct out *o);
};

/* log.txt, README.txt and store.txt; info/; diff/; eval/ : one file each below fs/report/ */
extern const struct report report_readme, report_log, report_store;
extern const struct report report_info_summary, report_info_tensors, report_info_lineage,
    report_info_manifest, report_info_card;
extern const struct report report_diff_summary, report_diff_gate, report_diff_verdict, report_diff_review,
    report_diff_page, report_diff_blocks, report_diff_config, report_diff_tensors, report_diff_files,
    report_diff_eval, report_diff_flips, report_diff_lineage;
extern const struct report report_eval_summary, report_eval_results, report_eval_status, report_eval_examples,
    report_eval_rejected, report_eval_unlabelled, report_eval_log, report_eval_example,
    report_eval_predictions;
extern const struct report report_eval_retire, report_eval_relabel, report_eval_outcomes,
    report_eval_releases, report_eval_business, report_eval_trend;

/* 1 when verdicts differ from "same": what `modelfs diff` exits with. Set by rendering the diff's summary. */
static inline int report_stopped(const struct subject *s)
{
    return s->stop && s->stop(s->stop_ctx);
}
