# SPDX-License-Identifier: Apache-2.0
"""diffs.csv: what numpy says of pairs of the digits checkpoints, tensor by tensor, in double precision."""
import csv
import os

import numpy as np
from truth import HERE, read_safetensors

PAIRS = [("v1-baseline", "v2-longer"), ("v2-longer", "v3-finetune"), ("v2-longer", "v4-lowrank"), ("v4-lowrank", "v5-cast")]


def g(x):
    return "%.17g" % x


def decoded(tensor):
    dtype, bits, _ = tensor
    if dtype == "BF16":
        bits = (bits.astype("<u4") << 16).view("<f4")
    return bits.astype(np.float64).ravel()


with open(os.path.join(HERE, "diffs.csv"), "w", newline="") as f:
    out = csv.writer(f, lineterminator="\n")
    out.writerow("a b name n n_val l2_a l2_b l2_d max_abs max_at dot".split())
    for va, vb in PAIRS:
        a, b = (read_safetensors(os.path.join(HERE, "digits", v, "model.safetensors")) for v in (va, vb))
        for name in sorted(b):
            x, y = decoded(a[name]), decoded(b[name])
            d = np.abs(y - x)
            out.writerow([va, vb, name, x.size, np.count_nonzero(x != y), g(np.sqrt(np.dot(x, x))), g(np.sqrt(np.dot(y, y))),
                          g(np.sqrt(np.dot(d, d))), g(d.max()), int(d.argmax()), g(np.dot(x, y))])
