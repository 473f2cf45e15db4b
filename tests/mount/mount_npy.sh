# SPDX-License-Identifier: Apache-2.0
# tensors/<v>/<name>.npy holds what the checkpoint holds, and loads in NumPy, mapped or not; PyTorch loads checkpoints from the mount.
. "$(dirname "$0")/lib.sh"
python=${PYTHON:-/usr/bin/python3}
"$python" -c 'import numpy, torch' 2>/dev/null || { echo "no python3 with numpy and torch" && exit 77; }

mkdir in && cp "$digits/v1-baseline/model.safetensors" in/model.safetensors
"$python" - <<'P'
import torch
torch.manual_seed(1)
torch.save({"w": torch.randn(70, 3), "half": torch.randn(5).half(), "b": torch.randn(4).bfloat16(), "n": torch.tensor(7),
            "odd/na.me": torch.arange(5)}, "in/a.pt")
torch.save({"w": torch.randn(2)}, "in/b.pt")
P
expect 0 init r
expect 0 commit r in -m one
mounted
"$python" - m <<'P'
import sys, json, struct, mmap, glob, numpy as np, torch
m = sys.argv[1]
f = open(m + "/v1/model.safetensors", "rb")
b = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
n = struct.unpack("<Q", b[:8])[0]
head = json.loads(b[8:8 + n])
kinds = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "F16": "<f2"}
seen = 0
for name, t in head.items():
    if name == "__metadata__":
        continue
    lo, hi = t["data_offsets"]
    want = np.frombuffer(b[8 + n + lo:8 + n + hi], kinds[t["dtype"]]).reshape(t["shape"])
    for mode in None, "r":
        got = np.load(f"{m}/tensors/v1/{name}.npy", mmap_mode=mode)
        assert got.dtype == want.dtype and got.shape == want.shape and got.tobytes() == want.tobytes(), name
    seen += 1
a, d = torch.load(m + "/v1/a.pt"), m + "/tensors/v1/"
assert np.array_equal(np.load(d + "a.pt/w.npy"), a["w"].numpy())
assert np.array_equal(np.load(d + "half.npy"), a["half"].numpy())
assert np.array_equal(np.load(d + "b.npy"), a["b"].view(torch.int16).numpy().view(np.uint16))
assert np.load(d + "n.npy").shape == () and np.load(d + "n.npy") == 7
assert np.array_equal(np.load(d + "odd%2Fna.me.npy"), a["odd/na.me"].numpy())
assert np.load(m + "/tensors/v1/b.pt/w.npy").shape == (2,)
assert len(glob.glob(m + "/tensors/v1/**/*.npy", recursive=True)) == seen + 6
P
unmounted
