# SPDX-License-Identifier: Apache-2.0
# A damaged chunk is an I/O error for exactly the reads that touch it, never other bytes; a report that needs it says why beside itself.
. "$(dirname "$0")/lib.sh"
python=${PYTHON:-/usr/bin/python3}
"$python" -c '' 2>/dev/null || { echo "no python3" && exit 77; }

mkdir in
make_tensors() {
    "$python" - "$1" <<'P'
import json, random, struct, sys
n, r = 300000, random.Random(int(sys.argv[1]))
head = json.dumps({"w": {"dtype": "F32", "shape": [n], "data_offsets": [0, 4 * n]}}).encode()
head += b" " * (-len(head) % 8)
open("in/model.safetensors", "wb").write(struct.pack("<Q", len(head)) + head + b"".join(struct.pack("<f", r.gauss(0, 1)) for _ in range(n)))
P
}
expect 0 init r
make_tensors 1 && cp in/model.safetensors want && expect 0 commit r in -m one
make_tensors 2 && expect 0 commit r in -m two
expect 0 log r # the log of writes has become a table
sst=$(ls -S r/db/*.sst | head -n 1)
at=$(($(stat -c %s "$sst") / 4))
"$python" -c "
f = open('$sst', 'r+b'); f.seek($at); b = f.read(1); f.seek($at); f.write(bytes([b[0] ^ 1]))"
mounted
bad=
for v in 1 2; do
    [ $v = 2 ] && cp in/model.safetensors want
    for k in $(seq 0 9); do # 128 kB each
        dd if=m/v$v/model.safetensors bs=131072 skip="$k" count=1 iflag=direct status=none of=got 2>err || { bad="$bad $v-$k" && grep -q 'Input/output error' err; continue; }
        dd if=want bs=131072 skip="$k" count=1 status=none | cmp - got || die "other bytes"
    done
done
[ -n "$bad" ] || die "the damage has hit nothing"
[ "$(echo $bad | wc -w)" -lt 12 ] || die "reads that do not touch it fail: $bad"
[ ! -e m/diff/v1..v2/tensors.csv.error ]
refuses 'Input/output error' cat m/diff/v1..v2/tensors.csv
[ "$(wc -l <m/diff/v1..v2/tensors.csv.error)" = 1 ] || die "no reason beside it"
ls m/diff/v1..v2 | grep -q tensors.csv.error || die "it is not listed"
cat m/log.txt m/info/v1/summary.txt >/dev/null || die "other reports fail"
unmounted
expect 4 check r --read-data
