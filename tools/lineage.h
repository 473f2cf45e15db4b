/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a version comes from, as far as that can be seen at its commit; nobody has to type it.
 *
 * The record is an object of the parts data, code, model, hardware.train, hardware.eval and who. Each leaf is
 * null (not known) or {"v": value, "how": "observed" | "declared"}: observed on this machine (git, the user),
 * declared by a file beside the model or by --lineage. Read are, in the directory of the input:
 *
 *   modelfs.json         the record's own form with plain values, of everything else that is known
 *   config.json          label names, framework, hyper-parameters by key
 *   trainer_state.json   epochs, steps
 *   adapter_config.json  the adapter's base, rank, alpha and target modules
 *   metrics.json         what the training measured
 *   params.yaml, .hydra/config.yaml; dvc.lock; lock files: their digests (also at the top of the git tree)
 *
 * What is declared by modelfs.json goes before the other files, and --lineage before both.
 */
#pragma once
#include "store/base/out.h"

struct lineage {
    const char *const *paths; /* what is committed */
    size_t npaths;
    const char *file;          /* of --lineage, or NULL */
    const char *parent_commit; /* code.commit of the first parent, or NULL */
    const char *author;        /* of --author, or NULL */
    int64_t time_ns;
};
/* The record as compact JSON, appended to ret. -EINVAL: `file` is not of this form; -EINTR. */
int lineage_gather(const struct lineage *l, struct out *ret);

/* The user's name, and what --author is without it. */
const char *lineage_user(void);
