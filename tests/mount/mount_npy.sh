# SPDX-License-Identifier: Apache-2.0
# tensors/<v>/<name>.npy holds what the checkpoint holds, and loads in NumPy, mapped or not; PyTorch, where it is installed, loads checkpoints
# from the mount.
. "$(dirname "$0")/lib.sh"
python=${PYTHON:-/usr/bin/python3}
"$python" -c 'import numpy' 2>/dev/null || { echo "no python3 with numpy" && exit 77; }

mkdir in both && cp "$digits/v1-baseline/model.safetensors" in/ && cp in/model.safetensors "$digits/pt/model.pt" both/
expect 0 init r
expect 0 commit r in -m "one file"
expect 0 commit r both -m "the same tensors twice"
if "$python" -c 'import torch' 2>/dev/null; then
    mkdir pt
    "$python" - <<'P'
import torch
torch.manual_seed(1)
torch.save({"w": torch.randn(70, 3), "half": torch.randn(5).half(), "b": torch.randn(4).bfloat16(), "n": torch.tensor(7),
            "odd/na.me": torch.arange(5)}, "pt/a.pt")
torch.save({"w": torch.randn(2)}, "pt/b.pt")
P
    expect 0 commit r pt -m pt
fi
mounted
"$python" - m <<'P'
import glob, json, mmap, struct, sys
import numpy as np

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
    for path in f"v1/{name}", f"v2/model.safetensors/{name}", f"v2/model.pt/{name}":
        for mode in None, "r":
            got = np.load(f"{m}/tensors/{path}.npy", mmap_mode=mode)
            assert got.dtype == want.dtype and got.shape == want.shape and got.tobytes() == want.tobytes(), path
    seen += 1
assert seen > 10
assert len(glob.glob(m + "/tensors/v1/*.npy")) == seen
assert len(glob.glob(m + "/tensors/v2/*/*.npy")) == 2 * seen
P
[ ! -d pt ] || "$python" - m <<'P'
import glob, sys
import numpy as np, torch

m = sys.argv[1]
a, d = torch.load(m + "/v3/a.pt"), m + "/tensors/v3/"
assert np.array_equal(np.load(d + "a.pt/w.npy"), a["w"].numpy())
assert np.array_equal(np.load(d + "half.npy"), a["half"].numpy())
assert np.array_equal(np.load(d + "b.npy"), a["b"].view(torch.int16).numpy().view(np.uint16))
assert np.load(d + "n.npy").shape == () and np.load(d + "n.npy") == 7
assert np.array_equal(np.load(d + "odd%2Fna.me.npy"), a["odd/na.me"].numpy())
assert np.load(m + "/tensors/v3/b.pt/w.npy").shape == (2,)
assert len(glob.glob(m + "/tensors/v3/**/*.npy", recursive=True)) == 6
P
unmounted
