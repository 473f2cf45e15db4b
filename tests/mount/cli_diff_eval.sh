# SPDX-License-Identifier: Apache-2.0
# diff exits as diff(1); show, diff and eval answer from imported predictions alone, for models that no engine runs.
. "$(dirname "$0")/cli.sh"

mkdir a b
echo "weights of no known format" >a/weights.bin
echo "other weights" >b/weights.bin
expect 0 init r
expect 0 commit r a -m one
expect 0 commit r b -m two
touch -d 2001-01-01 b/weights.bin && expect 0 commit r b -m "two again, another time"
expect 0 tag r prod v1
expect 0 add r "$digits/examples.jsonl" && prints '380 kept'

expect 1 diff r v1..v2 && head -n 1 out | grep -q '^verdict: NOT MEASURED' || die "a verdict out of nothing"
expect 5 eval r v1 && says 'eval v1: '
expect 0 predictions r v1 "$digits/expected/v1-baseline.csv" && prints '380 kept'
expect 3 eval r --json # v2 and v3 cannot be evaluated yet
grep -q '"known":380' out || die "v1's predictions are not known"
expect 0 predictions r v2 "$digits/expected/v6-worse.csv"

expect 1 diff r v1..v2 && grep -q '^EVALUATION  set .*360 core rows' out || die "the evaluation is not in the review"
[ ! -s err ] || die "diff has words on stderr"
cp out review
expect 1 diff r prod..v2 && cmp out review || die "a tag is not its version"
"$modelfs" cat r diff/prod..v2/summary.txt | cmp - review
expect 0 diff r v2..v3 # the same bytes at another time
expect 0 diff r v2..v2
expect 0 show r prod && prints '380 of 380 rows'
expect 0 eval r v1 v2 && prints 'v2'
