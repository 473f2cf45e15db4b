/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One graph, many checkpoints: the initializers of an ONNX graph bound by name to a version's tensors.
 *
 * Names are equal, or equal once "module.", "_orig_mod." and "model." in front are gone from both (when that
 * makes all match). Every initializer that has no data of its own must be found; one that has data and whose
 * name the version holds takes the version's. Shapes must be equal, dtypes too, but that a narrower float
 * (bf16, f16, fp8) is decoded to the graph's f32 or f64.
 */
#pragma once
#include "fs/eval/graph.h"
#include "fs/eval/runner.h"

#define WEIGHTS_LOCATION "modelfs" /* the one external file the bound graph knows: `data` */

struct weights {
    struct out model; /* the graph's bytes, rewritten */
    uint8_t *data;    /* (len) */
    size_t len;
    const char **unused; /* (nunused) names of tensors that no initializer took; in the arena */
    size_t nunused;
};

/* -EINVAL with a text that names the tensor; what read() returns; -ENOMEM. */
int weights_bind(const struct runner_source *src, struct graph *g, struct arena *a, struct weights *ret);
void weights_fini(struct weights *w);
