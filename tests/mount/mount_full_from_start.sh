# SPDX-License-Identifier: Apache-2.0
# A disk that is full already when a repo is mounted: the very first write fails, and those after space is freed work; twice.
[ -n "${MODELFS_NS:-}" ] || MODELFS_NS=1 exec unshare -m sh "$0"
. "$(dirname "$0")/lib.sh"

mkdir disk && mount -t tmpfs -o size=256m none disk
r=$T/disk/r
expect 0 init disk/r
expect 0 commit disk/r "$digits/v1-baseline" -m one
head -c 200000 /dev/urandom | base64 -w 0 >text
long() { printf '{"id":"%s","input":{"x":"%s' "$1" "$1" && cat text && printf '"},"label":"a"}\n'; }
mounted
e=m/eval/examples.jsonl
for round in 1 2; do
    rm -rf disk/r/cache/reports/*
    dd if=/dev/zero of=disk/fill bs=4096 2>/dev/null || true
    n=0
    while long $round.$n >line && LC_ALL=C sh -c "cat line >>$e" 2>said; do # room that was held for the log
        n=$((n + 1))
        [ $n -lt 400 ] || die "the disk is never full"
    done
    grep -q 'No space left on device' said || die "$(cat said)"
    rm disk/fill
    again=0
    until row $round $round 2>/dev/null >>$e; do # it looks again every few seconds
        ! is_dead || die "the daemon died"
        again=$((again + 1))
        [ $again -lt 150 ] || die "no write works after space was freed"
        sleep 0.1
    done
done
grep -q '"id":"1"' $e && grep -q '"id":"2"' $e || die "$(wc -l <$e) rows"
unmounted
expect 0 check disk/r --read-data
