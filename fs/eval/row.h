/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row of the evaluation set: a line of JSON from anyone, judged, named by its content, and put in the
 * form in which it is stored and shown.
 *
 *   {"id":"tx-88121","input":{"text":"…"},"label":"fraud","slices":["country=ES"],"tags":[],"weight":1.0,
 *    "value":{"amount":980},"group":"cust-771","source":{"kind":"failure","version":"v3","ref":"INC-2231"},
 *    "reason":"…","added_by":"amy"}
 *
 * Only input is required. Other keys are kept as they are. The keys the owner of the store adds
 * (struct row_stamp) are dropped from what a writer sends: nobody can forge them, and a line copied out of
 * examples.jsonl can be appended again.
 */
#pragma once
#include "store/base/canon.h"

#define ROW_MAX_BYTES (4u << 20)
#define ROW_MAX_DEPTH 16
#define ROW_MAX_ID    200 /* bytes; ids become file names */

enum row_cohort {
    ROW_CORE,
    ROW_FAILURES,
    ROW_MUST_PASS,
    ROW_OTHER /* synthetic, import, leak: in no headline */
};

/* Why a line was refused. Only the first seven can come from row_parse; the others are its callers'. */
enum row_reason {
    ROW_FINE,
    ROW_BAD_JSON,
    ROW_NOT_UTF8,
    ROW_TOO_BIG,
    ROW_NO_INPUT,
    ROW_BAD_LABEL,
    ROW_NON_FINITE,
    ROW_BAD_FIELD, /* a known key of the wrong type or value */
    ROW_SHAPE_MISMATCH,
    ROW_DUP_ID,
    ROW_LABEL_CONFLICT,
    ROW_TRUNCATED,
    ROW_NO_SUCH_ROW, /* of a line that changes one */
    ROW_REASON_MAX
};

struct row {
    json_t *json;   /* owned: the writer's keys, normalised; everything below points into it */
    json_t *was;    /* owned: what it said before, see row_remember; NULL */
    json_t *known;  /* owned: "pred_at_add", what the newest version was known to say of it; NULL */
    const char *id; /* given, or "r-" and 16 hex digits of digest */
    const json_t *input;
    const json_t *label;         /* string, number or boolean; NULL: unlabelled */
    const json_t *value;         /* object of numbers; NULL */
    const json_t *slices, *tags; /* arrays of strings; NULL */
    const char *group;           /* NULL: by itself */
    double weight;               /* >= 0; 1 */
    enum row_cohort cohort;
    struct digest digest;       /* of {"input","label","scorer"}, canonical: this row as it is scored */
    struct digest input_digest; /* of the input: what a prediction depends on */
};

/* What the owner of the store knows of a row, and its writer does not say. */
struct row_stamp {
    uint64_t row;     /* sequence number, from 1 */
    uint64_t rev;     /* sequence number of the set revision that brought it */
    uint64_t retired; /* of the one that took it out; 0: none did */
    int64_t added_at; /* seconds since 1970, UTC */
    uint32_t uid;
    int64_t pid; /* of the writer; 0: unknown */
};

/* One line, without its newline. 0, or -EINVAL with fail() text and *ret_reason; -ENOMEM (ROW_FINE). ret is
 * untouched on failure; end it with row_fini. scorer: spec_scorer_digest's. */
int row_parse(const char *p, size_t n, const struct digest *scorer, struct row *ret,
              enum row_reason *ret_reason);
void row_fini(struct row *r);

/* The stored form: canonical JSON on one line (no newline) of the writer's keys and "row", "rev", "digest",
 * "input_digest", "added_at" (RFC 3339), "uid", "pid", "retired", "was" and "pred_at_add". */
void row_format(const struct row *r, const struct row_stamp *s, struct out *o);
/* Reads the stored form again: as row_parse, and the stamp. -EBADMSG: not what row_format wrote. */
int row_load(const char *p, size_t n, const struct digest *scorer, struct row *ret,
             struct row_stamp *ret_stamp);

/* Same input and label came again: unites slices and tags of `more` into r. 1: r changed; 0: nothing new;
 * -ENOMEM. */
int row_merge(struct row *r, const struct row *more);

/*
 * A row carries its own past, so that nothing of it is anywhere else: in "was", oldest first, objects such as
 *   {"until":7,"label":"ok","why":"typing error"}
 * with what label, slices and tags were (null: absent) in revisions before number 7.
 * row_remember notes where `old` differs from r; row_at makes r what it was at a revision.
 */
int row_remember(struct row *r, const struct row *old, uint64_t until, const char *why);
int row_at(struct row *r, uint64_t rev, const struct digest *scorer);
/* Gives it another label. */
int row_relabel(struct row *r, const json_t *label, const struct digest *scorer);

int row_has_tag(const struct row *r, const char *tag);
int row_in_slice(const struct row *r, const char *slice);
/* A label's text: strings as they are, numbers as canonical JSON prints them, true/false. */
void row_label_text(const json_t *label, struct out *o);

const char *row_cohort_name(enum row_cohort c); /* "core", "failures", "must-pass", "other" */
const char *row_reason_name(enum row_reason r); /* "bad_json", …: the code in rejected.jsonl */
