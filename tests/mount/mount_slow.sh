# SPDX-License-Identifier: Apache-2.0
# A report that takes its time blocks nobody but its readers; these share one rendering, and a signal frees each at once.
. "$(dirname "$0")/lib.sh"
command -v cc >/dev/null || { echo "no C compiler for an engine that blocks" && exit 77; }

cat >slow.c <<C
#include <fcntl.h>
const void *OrtGetApiBase(void)
{
    open("$T/entered", O_WRONLY);
    open("$T/leave", O_RDONLY);
    return 0;
}
C
mkfifo entered leave
cc -shared -fPIC -o slow.so slow.c
expect 0 init r
for v in v1-baseline v2-longer; do expect 0 commit r "$digits/$v" -m $v; done
expect 0 put r eval/graph.onnx "$digits/graph.onnx"
export MODELFS_ONNXRUNTIME="$T/none.so"
head -n 20 "$digits/examples.jsonl" >rows && expect 0 add r rows
export MODELFS_ONNXRUNTIME="$T/slow.so"
mounted
cat m/eval/results.csv >one &
first=$!
: <entered # an engine is being loaded for it
cat m/eval/results.csv >two &
second=$!
env --default-signal=INT cat m/eval/results.csv >three &
third=$!
env --default-signal=INT cat m/diff/v1..v2/flips.csv >four &
fourth=$!
for p in $third $fourth; do
    until [ "$(cat /proc/$p/comm)" = cat ] && grep -q '^State:.[SD]' /proc/$p/status; do sleep 0.02; done
    kill -INT $p
    status=0 && wait $p || status=$?
    [ $status = 130 ] || die "an interrupted reader: exit $status"
done
ls m/diff/v1..v2 | grep -q flips.csv && [ "$(stat -c %s-%b m/diff/v1..v2/summary.txt)" = 1048576-0 ] || die "names and guesses"
cmp "$digits/v1-baseline/config.json" m/v1/config.json && cat m/README.txt m/diff/v1..v2/files.csv >/dev/null || die "others are blocked"
kill -0 $first && kill -0 $second || die "a reader gave up"
: >leave
wait $first && wait $second || die "a reader failed"
[ -s one ] && cmp one two || die "two readers got two texts"
unmounted
