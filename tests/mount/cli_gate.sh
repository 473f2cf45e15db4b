# SPDX-License-Identifier: Apache-2.0
# gate: the verdict is the exit code; an error is none. The rules are written as a whole, checked, and what was loosened is shown.
. "$(dirname "$0")/cli.sh"

gate() { # CODE ARG…: gate, whose codes 1, 3 and 4 are no failures
    code=$1 status=0
    shift
    "$modelfs" gate "$@" >out 2>err || status=$?
    [ $status = "$code" ] || die "gate $*: exit $status where $code was expected"
}

mkdir a b c
echo "weights of no known format" >a/weights.bin
echo "other weights" >b/weights.bin
echo "others again" >c/weights.bin
expect 0 init r
for v in a b c a; do expect 0 commit r $v -m $v; done
gate 3 r v1..v2 # no rows
gate 0 r v1..v4 # the same bytes
expect 0 add r "$digits/examples.jsonl"
gate 3 r v1..v2 # nothing answers them
expect 0 predictions r v1 "$digits/expected/v1-baseline.csv"
expect 0 predictions r v2 "$digits/expected/v6-worse.csv"
expect 0 predictions r v3 "$digits/expected/v2-longer.csv"
gate 0 r v1..v3
head -n 1 out | grep -q '^gate,metric,where,' || die "no gate.csv"
gate 1 r v2..v1 --csv
for bad in "r v1..v9" "r v1" "r" "nowhere v1..v2" "r v1..v2 more"; do gate 2 $bad && [ -s err ] || die "gate $bad says nothing"; done

expect 0 gate --init r && prints eval/gates
gate 2 --init r && says exists
"$modelfs" cat r eval/gates >gates
gate 0 r v1..v3
printf 'floor accuracy core min=99%%\n' >loose && expect 0 put r eval/gates loose
gate 1 r v1..v3 --table
prints 'verdict: FAIL' && prints '+floor' && grep -q '^floor  *accuracy  *core' out || die "no table"
expect 0 put r eval/gates gates
printf 'floor accuracy core minn=99%%\n' >loose
expect 5 put r eval/gates loose && says 'line 1: no such option'
"$modelfs" cat r eval/gates | cmp - gates
[ "$("$modelfs" cat r diff/v1..v3/verdict)" = PASS ] || die "a verdict of another rule"
