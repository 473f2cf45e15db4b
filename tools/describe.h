/* SPDX-License-Identifier: Apache-2.0 */
/* What the owner says of a repo to a command: JSON and directory entries, appended to o. 0 or -errno. */
#pragma once
#include "fs/eval/eval.h"
#include "fs/tree.h"

/* name: one version, or "" for all of them, newest first. One line of JSON each: version, digest, parents,
 * author, time, time_ns, message, tags, files, bytes, bytes_new, stored_new, and lineage when asked for. */
int describe_versions(struct store *s, const char *name, int lineage, struct out *o);
int describe_usage(struct store *s, struct out *o);
int describe_capture(const struct version *v, const struct eval_captured *c, struct out *o);
int describe_evaluation(const struct eval_result *r, struct out *o);
/* request_format_entry for each name in the directory, or for the file at path; full: with sizes and times.
 */
int describe_directory(struct repo *r, const char *path, int full, struct out *o);
/* 1 when the files of two versions differ in name or bytes, 0 when they do not. */
int describe_differ(struct store *s, const struct version *a, const struct version *b);
/* A UTC time as RFC 3339 prints it, with seconds. */
#define DESCRIBE_TIME 40
const char *describe_time(int64_t ns, char ret[DESCRIBE_TIME]);
