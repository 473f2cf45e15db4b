/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A repo at work: its store, its evaluation, the texts of its reports. The one door through which both the
 * mount (fs/fuse.c) and a command's owner half change anything, so that whoever listens hears of each change.
 * All functions may be called from any thread.
 */
#pragma once
#include "fs/eval/eval.h"
#include "fs/report/report.h"
#include "store/prepare.h"

struct repo;

/* flags as store_open's; errors as there. Clears what a crashed process left in staging/ and cache/. */
int repo_open(const char *path, unsigned flags, struct repo **ret);
void repo_close(struct repo *r);
struct store *repo_store(struct repo *r);
struct eval *repo_eval(struct repo *r);
const char *repo_mountpoint(struct repo *r); /* NULL: not mounted */
void repo_set_mountpoint(struct repo *r, const char *path);

/* When versions are evaluated (reading computes, unless told otherwise); call it before others use the repo.
 */
int repo_evaluate(struct repo *r, enum eval_mode mode);
/* See eval_fill. */
int repo_fill(struct repo *r, const struct version *v, int (*stop)(void *ctx), void *ctx);

/* What changed, told after the change is durable and before the changer is answered. The mount turns it into
 * kernel invalidations (never from a FUSE operation's own thread: see fuse.c). */
enum repo_change { REPO_VERSIONS = 1, REPO_TAGS = 2, REPO_ROWS = 4, REPO_CONFIG = 8, REPO_RESULTS = 16 };
void repo_listen(struct repo *r, void (*changed)(void *ctx, unsigned what), void *ctx);

/* Who asks: stamped by whoever took the request (peer credentials, FUSE context), never by the requester. */
struct who {
    uint32_t uid, gid;
    int32_t pid;
    char name[64]; /* the user's name, or the uid in digits */
};
void who_self(struct who *ret);
void who_from_ids(uint32_t uid, uint32_t gid, int32_t pid, struct who *ret);

/* ---- changes ---- */
int repo_commit(struct repo *r, const struct who *w, const void *doc, size_t n, struct commit_result *ret);
int repo_tag(struct repo *r, const struct who *w, const char *tag, const char *version /* NULL: remove */);
int repo_remove(struct repo *r, const struct who *w, const char *version, int force);

/*
 * Lines (whole ones; a missing last newline is supplied) offered to the evaluation set, as rows or as changes
 * of rows (eval_amend): each is kept, merged, or rejected with its reason; all of it is durable when this
 * returns. Returns 0 also when some were rejected (look at ret). first_error: the first rejection as one
 * line, "" when none.
 */
struct append_result {
    uint64_t kept, merged, rejected, unlabelled;
    char first_error[256];
};
int repo_append_rows(struct repo *r, const struct who *w, enum eval_lines what, const char *p, size_t n,
                     struct append_result *ret);
/* See eval_erase; the texts of all reports go too. */
int repo_erase(struct repo *r, const struct who *w, const char *id, const char *reason,
               struct eval_erased *ret);
/* See eval_ratchet; done by itself when a tag moves and when results were computed ahead. */
int repo_ratchet(struct repo *r, const struct who *w, const struct version *v);
/* See eval_capture. */
int repo_capture(struct repo *r, const struct who *w, const struct version *v, const char *p, size_t n,
                 int (*progress)(void *ctx, uint64_t done, uint64_t all), void *ctx,
                 struct eval_captured *ret);
/* Imported predictions for a version: JSON lines {"id":…,"prediction":…,"probability":…|"p_<label>":…}. */
int repo_import_predictions(struct repo *r, const struct who *w, const char *version, const char *p, size_t n,
                            struct append_result *ret);
/* eval/spec.json, eval/graph.onnx …: validated, then kept; -EINVAL with the reason in fail_text(). */
int repo_config(struct repo *r, const struct who *w, const char *name, const void *p, size_t n);

/* ---- texts ---- */
/*
 * The text of a report, rendered at most once however many ask (single flight), kept under the digest of its
 * inputs in REPO/cache/reports (deletable at any time, least recently used go first). Shared and immutable:
 * text_unref when done. stop as in struct subject: -EINTR when this caller gives up; the work itself stops
 * when nobody waits for it.
 */
struct text {
    const char *p;
    size_t n;
    struct digest digest; /* of the inputs: the same digest is the same text */
};
int repo_text(struct repo *r, const struct report *rep, const struct version *a, const struct version *b,
              const char *name, int (*stop)(void *ctx), void *stop_ctx, const struct text **ret);
/* Only when it is at hand or cheap to make: -EAGAIN when it is slow and not rendered yet. */
int repo_text_now(struct repo *r, const struct report *rep, const struct version *a, const struct version *b,
                  const char *name, const struct text **ret);
/* The digest of a report's inputs as they are now; of an INPUT_LIVE report always zero. */
int repo_text_key(struct repo *r, const struct report *rep, const struct version *a, const struct version *b,
                  const char *name, struct digest *ret);
/* By the digest of its inputs, whether or not they are still the newest; -ENOENT: not rendered, or dropped.
 */
int repo_text_find(struct repo *r, const struct digest *key, const struct text **ret);
/*
 * As repo_text without waiting. Returns 1 with *ret when the text is at hand; else 0, and ask->done is called
 * once, from another thread, with the text (borrowed, ref it) or with why there is none. `ask` is the
 * caller's and must stay until done has returned, or until repo_text_cancel has returned 1 (then done is not
 * called any more; 0: it is being called, or was).
 */
struct text_ask {
    void (*done)(struct text_ask *ask, int err, const char *why, const struct text *t);
    struct text_ask *next; /* internal */
};
int repo_text_ask(struct repo *r, const struct report *rep, const struct version *a, const struct version *b,
                  const char *name, struct text_ask *ask, const struct text **ret);
int repo_text_cancel(struct repo *r, struct text_ask *ask);
/* Why the last rendering of this report, or the last text offered for a configuration (repo_config), failed:
 * one line. -ENOENT: it did not. */
int repo_text_failure(struct repo *r, const struct report *rep, const struct version *a,
                      const struct version *b, const char *name, const struct text **ret);
int repo_config_failure(struct repo *r, const char *name, const struct text **ret);
/* A configuration as it was written; -ENOENT: never. */
int repo_config_text(struct repo *r, const char *name, const struct text **ret);
const struct text *text_ref(const struct text *t);
void text_unref(const struct text *t); /* NULL is fine */

/* When history last moved: the time of the newest event, 0 in an empty repo. */
int64_t repo_changed_ns(struct repo *r);
