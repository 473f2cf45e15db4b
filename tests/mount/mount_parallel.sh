# SPDX-License-Identifier: Apache-2.0
# Many readers at once, in order and at random, past the cache: all bytes are right, also while somebody commits and appends.
. "$(dirname "$0")/lib.sh"

expect 0 init r
mkdir in && head -c 9000000 /dev/urandom >in/noise && head -c 5000000 /dev/zero >in/zeros
for i in 1 2 3; do cp "$digits"/v$i-*/model.safetensors in/m$i.safetensors; done
expect 0 commit r in -m one
mounted -o cache=4M
(cd in && sha256sum ./*) >sums
readers=
for i in 1 2 3 4 5 6 7 8; do
    case $((i % 4)) in
    0) (for k in 1 2 3; do (cd m/v1 && sha256sum --quiet -c "$T/sums") || exit 1; done) & ;;
    1) (for k in 1 2 3; do dd if=m/v1/noise bs=1000003 status=none | cmp - in/noise || exit 1; done) & ;;
    2) (for k in $(seq 40); do
        at=$((k * 7919 * i % 8900)) && dd if=m/v1/noise bs=1000 skip=$at count=37 status=none >part.$i &&
            tail -c +$((at * 1000 + 1)) in/noise | head -c 37000 | cmp - part.$i || exit 1
    done) & ;;
    3) (for k in 1 2 3; do dd if=m/v1/noise bs=64k iflag=direct status=none | cmp - in/noise || exit 1; done) & ;;
    esac
    readers="$readers $!"
done
for i in 1 2 3; do
    expect 0 commit r in/m$i.safetensors -m more
    row $i $i >>m/eval/examples.jsonl
    cat m/log.txt m/README.txt >/dev/null
done
for p in $readers; do wait "$p" || die "a reader saw other bytes"; done
[ "$(ls -d m/v* | wc -l)" = 4 ]
unmounted
