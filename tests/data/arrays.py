#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""arrays.py: writes tests/data/arrays: the same four tensors as .safetensors, .pt, .npz, .npy (one) and .gguf, the last
with a block-quantised one beside them. Needs Debian's python3-numpy and python3-torch."""
import json
import os
import struct

import numpy as np
import torch

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "arrays")
r = np.random.default_rng(1)
w = {
    "layer.weight": r.standard_normal((30, 40)).astype("<f4"),
    "layer.bias": r.standard_normal(200).astype("<f4"),
    "half": r.standard_normal((16, 32)).astype("<f2"),
    "steps": r.integers(0, 1 << 40, 64).astype("<i8"),
}

np.save(f"{here}/weight.npy", w["layer.weight"])
np.savez(f"{here}/w.npz", **w)
torch.save({k: torch.from_numpy(v) for k, v in w.items()}, f"{here}/w.pt")

head, data = {}, b""
for k, v in w.items():
    kind = {"<f4": "F32", "<f2": "F16", "<i8": "I64"}[v.dtype.str]
    head[k] = {"dtype": kind, "shape": list(v.shape), "data_offsets": [len(data), len(data) + v.nbytes]}
    data += v.tobytes()
text = json.dumps(head).encode()
text += b" " * (-len(text) % 8)
with open(f"{here}/w.safetensors", "wb") as f:
    f.write(struct.pack("<Q", len(text)) + text + data)


def string(s):
    return struct.pack("<Q", len(s)) + s.encode()


tensors = [(k, v.shape, {"<f4": 0, "<f2": 1, "<i8": 27}[v.dtype.str], v.tobytes()) for k, v in w.items()]
tensors.append(("quantised", (3, 64), 2, bytes(range(108))))  # Q4_0: 18 bytes for 32 elements
infos, data = b"", b""
for name, shape, kind, raw in tensors:
    infos += string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *reversed(shape), kind, len(data))
    data += raw + bytes(-len(raw) % 32)
pairs = string("general.architecture") + struct.pack("<I", 8) + string("test")
pairs += string("general.alignment") + struct.pack("<II", 4, 32)
pairs += string("tokens") + struct.pack("<IIQ", 9, 8, 2) + string("a") + string("b")
pairs += string("scores") + struct.pack("<IIQ3f", 9, 6, 3, 1, 2, 3)
pairs += string("eps") + struct.pack("<If", 6, 0.5)
head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), 5) + pairs + infos
with open(f"{here}/w.gguf", "wb") as f:
    f.write(head + bytes(-len(head) % 32) + data)
