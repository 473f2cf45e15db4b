# SPDX-License-Identifier: Apache-2.0
# A reader that gives up stops what nobody else wants; what was computed is kept, also by a daemon that is killed, and nothing is computed
# twice. eval=off shows what is known; eval=auto computes ahead.
. "$(dirname "$0")/lib.sh"

expect 0 init r
mkdir a b
echo one >a/weights.bin
echo two >b/weights.bin
expect 0 commit r a -m one
cat >predict.py <<P
import time

def load(dir):
    return open(dir + "/weights.bin").read()

def predict(model, inputs):
    time.sleep(0.1)  # a slow model
    with open("$T/calls", "a") as f:
        f.writelines("%s %d\n" % (model.strip(), x["x"]) for x in inputs)
    return ["a"] * len(inputs)
P
echo '{"models":[{"match":"weights.bin","engine":"python","file":"eval/predict.py"}],"task":"classification","labels":["a","b"]}' >spec.json
rows=1600 # 50 batches
i=0
while [ $i -lt $rows ]; do
    row r$i $i
    i=$((i + 1))
done >rows.jsonl
expect 0 put r eval/predict.py predict.py
expect 0 put r eval/spec.json spec.json
expect 0 add r rows.jsonl
calls() { [ ! -e calls ] || cat calls; }

mounted -o allow_python
env --default-signal=INT cat m/eval/results.csv >results.csv & # else a shell without job control has it ignore Ctrl-C
reader=$!
until grep -q '^running *v1: [1-9][0-9]* of 1600 rows .*s left$' m/eval/status.txt; do sleep 0.05; done
kill -INT $reader
began=$(date +%s%N)
! wait $reader || die "the reader was not interrupted"
until grep -q '^running *nothing' m/eval/status.txt; do sleep 0.02; done
took=$((($(date +%s%N) - began) / 1000000))
[ $took -lt 2000 ] || die "work nobody wants went on for $took ms"
done=$(calls | wc -l)
[ "$done" -gt 0 ] && [ "$done" -lt $rows ] || die "$done of $rows rows when it was stopped"

# two readers: the one that stays gets all of it
env --default-signal=INT cat m/eval/results.csv >first.csv &
first=$!
cat m/eval/results.csv >second.csv &
second=$!
until grep -q '^running *v1: [1-9]' m/eval/status.txt; do sleep 0.02; done
kill -INT $first
! wait $first || die "the first reader was not interrupted"
# while it goes on the daemon is killed: what it knew is known after a restart
before=$(calls | wc -l)
until [ "$(calls | wc -l)" -gt $((before + 96)) ]; do sleep 0.02; done
kill -9 $daemon
wait $second || true
ended 137
umount -l m
mounted -o allow_python,eval=off
grep -q '^computed *only by modelfs eval' m/eval/status.txt
grep -q ',partial,' m/eval/results.csv || die "$(cat m/eval/results.csv)"
known=$(sed -n 's/^known *\([0-9]*\) of .*/\1/p' m/eval/status.txt)
[ "$known" -gt "$done" ] && [ "$known" -lt $rows ] || die "$known of $rows rows are known after kill -9"
left=$(calls | wc -l)
cat m/eval/summary.txt >/dev/null
[ "$(calls | wc -l)" = "$left" ] || die "eval=off computed"
unmounted

# ahead of all readers, the newest version first; of what was in flight when the daemon was killed a few batches are computed again
expect 0 commit r b -m two
mounted -o allow_python,eval=auto
until [ "$(calls | grep -c '^two ')" -ge 64 ]; do sleep 0.05; done
ps -L -o nice= -p $daemon | grep -qw 19 || die "no thread of low priority"
expect 0 eval r v1 v2 -j 2 --json
[ "$(grep -c '"complete":true' out)" = 2 ] || die "$(cat out)"
head -n 3 m/eval/results.csv | tail -n 1 | grep -q ',ok,' || die "$(cat m/eval/results.csv)"
[ "$(calls | sort -u | wc -l)" = $((2 * rows)) ] || die "some rows were not computed"
twice=$(calls | sort | uniq -d | wc -l)
[ "$twice" -le 64 ] || die "$twice rows were computed twice"
before=$(calls | wc -l)
row new 5000 >>m/eval/examples.jsonl
until [ "$(calls | grep -c ' 5000$')" = 2 ]; do sleep 0.05; done
[ "$(calls | wc -l)" = $((before + 2)) ] || die "a new row costs more than one answer a version"
unmounted
