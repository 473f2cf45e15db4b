/* SPDX-License-Identifier: Apache-2.0 */
/* The rules in force: eval/gates as it was written, else the default ones; every text is kept. */
#pragma once
#include "fs/eval/rules.h"

/* ret_text, when wanted, is appended to. Rules that no longer parse are -EBADMSG. */
int policy_load(struct store *s, struct rules *ret, struct out *ret_text);
/* -EINVAL, and nothing changes, when it would not be accepted. */
int policy_configure(struct store *s, const struct eval_writer *w, const void *p, size_t n);
/* What was in force when the version was committed. ret_written: 0, the default ones. */
int policy_before(struct store *s, const struct version *v, struct rules *ret, int *ret_written);
/* 1: eval/gates was written; 0: never, or -errno. */
int policy_written(struct store *s);
/* What of them decides a verdict today: their text, and which waivers are over. */
void policy_key(struct store *s, struct digest *ret);

int policy_expired(const struct rules_waiver *w); /* today, UTC */

/* Gives each change the margin of the rule that is about it (c->gate names it), decides the words anew, and
 * sorts the slices by them. The names are borrowed from r. */
void policy_apply(const struct rules *r, struct eval_compare *c);
