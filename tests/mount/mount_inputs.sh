# SPDX-License-Identifier: Apache-2.0
# Large inputs are .npy files of eval/inputs, which rows name by digest; a model answers them as it does arrays in the row.
. "$(dirname "$0")/lib.sh"

python=${PYTHON:-/usr/bin/python3}
"$python" -c "import numpy" 2>/dev/null || { echo "no python3 with numpy" && exit 77; }
expect 0 init r
expect 0 commit r "$digits/v1-baseline" -m one
expect 0 put r eval/graph.onnx "$digits/graph.onnx"
"$python" - "$digits/examples.jsonl" <<'P' || die "no arrays"
import json, sys
import numpy
rows = [json.loads(line) for line in list(open(sys.argv[1]))[:40]]
with open("inline.jsonl", "w") as f:
    for i, r in enumerate(rows):
        f.write(json.dumps({"id": "i%d" % i, "input": r["input"], "label": r["label"]}) + "\n")
        numpy.save("a%d.npy" % i, numpy.array(r["input"]["x"], ["float32", "float64", "uint8"][i % 3]))
numpy.save("wrong.npy", numpy.zeros((3, 3)))
numpy.save("other.npy", numpy.zeros((2, 2)))
numpy.save("fortran.npy", numpy.asfortranarray(numpy.ones((8, 8))))
numpy.save("complex.npy", numpy.ones(64, "complex64"))
P
mounted
cp a*.npy wrong.npy m/eval/inputs/ || die "inputs cannot be written"
[ "$(ls m/eval/inputs | wc -l)" = 41 ] && cmp a7.npy m/eval/inputs/a7.npy
refuses 'Invalid argument' cp fortran.npy m/eval/inputs/
refuses 'Invalid argument' cp complex.npy m/eval/inputs/
! cp "$root/LICENSE" m/eval/inputs/x.npy 2>/dev/null || die "what is no array was taken"
[ ! -e m/eval/inputs/fortran.npy ]
"$python" - >refs.jsonl <<'P'
import hashlib, json
for i, line in enumerate(open("inline.jsonl")):
    r = json.loads(line)
    digest = hashlib.sha256(open("m/eval/inputs/a%d.npy" % i, "rb").read()).hexdigest()
    print(json.dumps({"id": "f%d" % i, "input": {"x": {"ref": "sha256:" + digest}}, "label": r["label"]}))
P
cat inline.jsonl refs.jsonl >both.jsonl
expect 0 add r both.jsonl && prints '80 kept'
none=$(printf '%064d' 0)
! echo '{"input":{"x":{"ref":"sha256:'$none'"}},"label":"1"}' 2>/dev/null >>m/eval/examples.jsonl || die "nothing was referred to"
grep -q 'no_input.*no file of eval/inputs is' m/eval/rejected.jsonl || die "$(cat m/eval/rejected.jsonl)"
! echo '{"input":{"x":{"ref":"sha256:'$(sha256sum <wrong.npy | cut -c1-64)'"}},"label":"1"}' 2>/dev/null >>m/eval/examples.jsonl ||
    die "a wrong shape was kept"
grep -q shape_mismatch m/eval/rejected.jsonl
expect 0 eval r v1
"$python" - <<'P' || die "files and arrays are answered differently"
import csv
rows = {r["id"]: r for r in csv.DictReader(open("m/eval/versions/v1/predictions.csv"))}
assert len(rows) == 80
for i in range(40):
    a, b = rows["i%d" % i], rows["f%d" % i]
    assert all(a[k] == b[k] for k in a if k.startswith("p") or k in ("loss", "right")), (a, b)
    assert a["prediction"] != ""
P
refuses 'Operation not permitted' cp a8.npy m/eval/inputs/a7.npy
refuses 'Operation not permitted' rm m/eval/inputs/a7.npy
cp a7.npy m/eval/inputs/a7.npy || die "the same again is no change"
cp other.npy m/eval/inputs/wrong.npy && rm m/eval/inputs/wrong.npy && [ ! -e m/eval/inputs/wrong.npy ] || die "what nothing refers to cannot be changed"
expect 0 retire r f7 --reason gone
refuses 'Operation not permitted' rm m/eval/inputs/a7.npy
expect 0 erase r f7 --reason "personal"
[ ! -e m/eval/inputs/a7.npy ] && [ -e m/eval/inputs/a8.npy ] || die "the input of what was erased is there: $(ls m/eval/inputs)"
unmounted
expect 0 check r
expect 0 ls r eval/inputs && [ "$(wc -l <out)" = 39 ]
