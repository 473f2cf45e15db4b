# SPDX-License-Identifier: Apache-2.0
# A full disk is an error to whoever writes; the daemon lives, readers go on, and the next write after space is freed works.
[ -n "${MODELFS_NS:-}" ] || MODELFS_NS=1 exec unshare -m sh "$0"
. "$(dirname "$0")/lib.sh"

mkdir disk && mount -t tmpfs -o size=2m none disk
r=$T/disk/r
expect 0 init disk/r
cp "$digits/v1-baseline/config.json" one && expect 0 commit disk/r one -m one
head -c 100000 /dev/urandom >noise && expect 0 commit disk/r noise -m noise
mounted
e=m/eval/examples.jsonl
row first 1 >>$e
head -c 150000 /dev/urandom | base64 -w 0 >text
full= n=0
while [ $n -lt 40 ] && [ -z "$full" ]; do
    (printf '{"id":"%s","input":{"x":"%s' $n $n && cat text && printf '"},"label":"a"}\n') >line
    LC_ALL=C sh -c 'cat line >>'$e 2>said || full=$n
    n=$((n + 1))
done
[ -n "$full" ] && grep -q 'No space left' said || die "the disk was not full after $n rows: $(cat said)"
! is_dead || die "the daemon died"
cmp noise m/v2/noise && [ "$(wc -l <$e)" -ge "$full" ] && grep -q '"id":"first"' $e || die "readers do not go on"
mount -o remount,size=128m "$T/disk" # RocksDB wants a write buffer of free space before it goes on
again=0
until row last 2 2>/dev/null >>$e; do # it looks again every few seconds
    again=$((again + 1))
    [ $again -lt 150 ] || die "no write works after space was freed"
    sleep 0.1
done
grep -q '"id":"last"' $e
unmounted
expect 0 check disk/r --read-data
expect 0 cat disk/r eval/examples.jsonl && grep -q '"id":"last"' out
