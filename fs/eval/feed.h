/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the raw input of a row to what an engine is fed: fields found by name, nested arrays flattened, every
 * number checked against the dtype and every length against the shape.
 */
#pragma once
#include "fs/eval/spec.h"
#include "store/format/dtype.h"

#define FEED_MAX_RANK 8

/* One input or output of a model. */
struct feed_port {
    const char *name;
    enum dtype dtype; /* DTYPE_NONE: strings */
    uint32_t rank;
    int64_t shape[FEED_MAX_RANK]; /* -1: free */
};
void feed_port_text(const struct feed_port *p, struct out *o); /* "x" f32 [?,1,8,8] */

/* The value of one row for one input. */
struct feed_value {
    uint32_t rank;
    uint64_t shape[FEED_MAX_RANK]; /* of one row: without the batch dimension */
    uint64_t count;
    void *data; /* (count) of the port's dtype, or (count) const char * into the row's JSON; malloc'd */
};

/*
 * Finds port's value in a row's input and converts it.
 *   where   model's "inputs" entry for the port, if any; else the field named as the port; else, for the only
 *           input of a model (`only`), the field "x", an input that is an object of one field, or the bare
 * input shape   the port's without its first `batch` (0 or 1) dimensions; a flat array of the right count is
 * taken for any fixed shape, a bare number for a shape of one element null    missing: NaN when nan_ok, else
 * an error -EINVAL with fail() text ("input "x": 63 numbers where [1,8,8] needs 64"); -ENOMEM.
 */
int feed_convert(const json_t *input, const struct spec_model *m, const struct feed_port *port, int only,
                 int batch, int nan_ok, struct feed_value *ret);
/* The field of an input by its name or dotted path, "input." in front or not; NULL. */
const json_t *feed_field(const json_t *input, const char *path);
