#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# bench.sh: modelfs beside its peers on the same files, in one run, as ratios. Prints; judges nothing.
#   MODELFS  the program                     BENCH_DIR  where the files are made (default: a new directory; kept when given)
#   RUNS     repetitions, the median counts  SERIES     options of series.py ("--dim 128 --layers 2" for a quick look)
# Root: drops the page cache before each cold read. Needs python3-torch for the checkpoints; squashfs-tools, squashfuse
# and restic for their rows (a row whose peer is missing says so).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
MODELFS=${MODELFS:-modelfs}
RUNS=${RUNS:-3}
[ "$(id -u)" = 0 ] || { echo "bench.sh: needs root (page cache, mounts)" >&2; exit 1; }
if [ -n "${BENCH_DIR:-}" ]; then dir=$BENCH_DIR; mkdir -p "$dir"; else dir=$(mktemp -d "${TMPDIR:-/var/tmp}/modelfs-bench-XXXXXX"); fi
mnt=$dir/mnt sq=$dir/sq
clean() {
    "$MODELFS" umount "$mnt" >/dev/null 2>&1 || :
    fusermount3 -uz "$sq" 2>/dev/null || fusermount -uz "$sq" 2>/dev/null || :
    if [ -z "${BENCH_DIR:-}" ]; then rm -rf "$dir"; fi
}
trap clean EXIT
trap 'exit 130' INT TERM
mkdir -p "$mnt" "$sq"

have() { command -v "$1" >/dev/null 2>&1; }
cold() { sync; echo 3 >/proc/sys/vm/drop_caches; }
# seconds COMMAND…: wall time, on standard output
seconds() {
    begin=$(date +%s%N)
    "$@" >/dev/null 2>"$dir/err" || { cat "$dir/err" >&2; exit 1; }
    echo $(($(date +%s%N) - begin)) | awk '{printf "%.4f\n", $1 / 1e9}'
}
median() { sort -n | awk '{a[NR] = $1} END {print NR % 2 ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2}'; }
bytes() { du -sb --apparent-size "$1" | cut -f1; }
row() { printf '  %-44s %10s   %s\n' "$1" "$2" "${3:-}"; }
ratio() { awk "BEGIN{printf \"%.2f\", $1 / $2}"; }
rate() { awk "BEGIN{printf \"%.0f MB/s\", $1 / $2 / 1e6}"; }
read_all() { cat "$1"/*/* >/dev/null; }

series=$dir/series
[ -d "$series/lora-f32" ] || /usr/bin/python3 "$here/series.py" "$series" ${SERIES:-} >"$dir/train.log"
size=$(bytes "$series")
echo "modelfs bench: $(awk -F': ' '/model name/{print $2; exit}' /proc/cpuinfo), $(nproc) cores, Linux $(uname -r)"
echo "series: $(find "$series" -type f | wc -l) files, $((size / 1000000)) MB, $(ls "$series" | wc -l) versions of one transformer; median of $RUNS"

# ---- commit: every version into an empty repo, against a copy and a backup ----
order="base-f32 base-bf16 base-f16 base-int8 adamw continued-f32 full-f32 frozen-f32 lora-f32"
commit_all() {
    rm -rf "$dir/repo"
    "$MODELFS" init "$dir/repo"
    for v in $order; do "$MODELFS" commit "$dir/repo" "$series/$v" -m "$v"; done
}
copy_all() { rm -rf "$dir/copy"; cp -r "$series" "$dir/copy"; sync -f "$dir/copy"; }
restic_all() {
    rm -rf "$dir/restic"
    RESTIC_PASSWORD=x restic init -q -r "$dir/restic" --no-cache
    for v in $order; do RESTIC_PASSWORD=x restic backup -q -r "$dir/restic" --no-cache --compression max "$series/$v"; done
}
: >"$dir/t-commit"; : >"$dir/t-copy"; : >"$dir/t-restic"
i=0
while [ $i -lt "$RUNS" ]; do
    seconds copy_all >>"$dir/t-copy"
    seconds commit_all >>"$dir/t-commit"
    if have restic; then seconds restic_all >>"$dir/t-restic"; fi
    i=$((i + 1))
done
commit=$(median <"$dir/t-commit") copy=$(median <"$dir/t-copy")
echo "commit of the series (each version durable before the next)"
row "modelfs commit" "$commit s" "$(rate "$size" "$commit")"
row "cp + sync" "$copy s" "modelfs takes $(ratio "$commit" "$copy")x as long"
if have restic; then
    restic=$(median <"$dir/t-restic")
    row "restic backup, max compression" "$restic s" "modelfs takes $(ratio "$commit" "$restic")x as long"
else row "restic" "not installed"; fi

# ---- stored bytes ----
echo "stored bytes"
stored=$(bytes "$dir/repo")
row "the files" "$size"
row "modelfs repo, all in all" "$stored" "$(ratio "$size" "$stored")x smaller"
if have restic; then
    n=$(bytes "$dir/restic")
    row "restic, max compression" "$n" "$(ratio "$size" "$n")x; modelfs is $(ratio "$n" "$stored")x smaller than it"
fi
n=$(tar -C "$series" -cf - . | zstd -q -3 --long=31 -c | wc -c)
row "tar | zstd -3 --long=31" "$n" "$(ratio "$size" "$n")x; modelfs is $(ratio "$n" "$stored")x smaller than it"

# ---- cold sequential read of the same files ----
echo "cold sequential read of all files (fresh mount, page cache dropped)"
have mksquashfs && { rm -f "$dir/s.img"; mksquashfs "$series" "$dir/s.img" -comp zstd -no-progress -quiet >/dev/null; }
: >"$dir/r-ext4"; : >"$dir/r-modelfs"; : >"$dir/r-squash"; : >"$dir/r-warm"
i=0
while [ $i -lt "$RUNS" ]; do
    cold; seconds read_all "$series" >>"$dir/r-ext4"
    "$MODELFS" mount "$dir/repo" "$mnt"
    cold; seconds sh -c "cat '$mnt'/v[0-9]*/* >/dev/null" >>"$dir/r-modelfs"
    seconds sh -c "cat '$mnt'/v[0-9]*/* >/dev/null" >>"$dir/r-warm"
    "$MODELFS" umount "$mnt"
    if have squashfuse && have mksquashfs; then
        squashfuse "$dir/s.img" "$sq"
        cold; seconds read_all "$sq" >>"$dir/r-squash"
        fusermount3 -u "$sq" 2>/dev/null || fusermount -u "$sq"
    fi
    i=$((i + 1))
done
e=$(median <"$dir/r-ext4") m=$(median <"$dir/r-modelfs") w=$(median <"$dir/r-warm")
row "modelfs mount" "$m s" "$(rate "$size" "$m")"
row "the same again (kernel's page cache)" "$w s" "$(rate "$size" "$w")"
row "$(df --output=fstype "$series" | tail -n 1)" "$e s" "$(rate "$size" "$e"); modelfs reads at $(ratio "$e" "$m") of its speed"
if [ -s "$dir/r-squash" ]; then
    q=$(median <"$dir/r-squash")
    row "squashfuse, zstd" "$q s" "$(rate "$size" "$q"); modelfs reads at $(ratio "$q" "$m")x its speed"
else row "squashfuse" "not installed"; fi

# ---- diff: cost is in what changed ----
echo "first reading of diff/<a>..<b>/summary.txt (nothing cached)"
diff_cold() { rm -rf "$dir/repo/cache"; "$MODELFS" cat "$dir/repo" "diff/$1/summary.txt"; }
number() { # the version whose message is $1
    "$MODELFS" log "$dir/repo" --json | /usr/bin/python3 -c '
import json, sys
text = sys.stdin.read()
try: versions = json.loads(text)
except ValueError: versions = [json.loads(line) for line in text.splitlines()]
print([v["version"] for v in versions if v["message"].strip() == sys.argv[1]][0])' "$1"
}
base=$(number base-f32) frozen=$(number frozen-f32) full=$(number full-f32)
: >"$dir/d-part"; : >"$dir/d-all"
i=0
while [ $i -lt "$RUNS" ]; do
    cold; seconds diff_cold "$base..$frozen" >>"$dir/d-part"
    cold; seconds diff_cold "$base..$full" >>"$dir/d-all"
    i=$((i + 1))
done
p=$(median <"$dir/d-part") a=$(median <"$dir/d-all")
row "versions that share all but one layer" "$p s"
row "versions that share no tensor" "$a s" "$(ratio "$a" "$p")x as long"
