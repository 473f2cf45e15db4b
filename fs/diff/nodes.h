/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX graphs node by node, whatever the order of the nodes and the names of what flows between them. */
#pragma once
#include "fs/diff/diff.h"
#include <jansson.h>

/* a graph and the initializers that the file's parser found (their types and shapes count, not their names)
 */
struct nodes_side {
    const json_t *doc;
    const struct manifest_tensor *tensors;
    size_t ntensors;
};
int nodes_compare(const struct nodes_side *a, const struct nodes_side *b, struct arena *arena,
                  struct diff_graph *ret);
/* Sets graphs and ngraphs. */
int nodes_all(struct diff *d, struct arena *a);
