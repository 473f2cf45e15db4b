# SPDX-License-Identifier: Apache-2.0
# The example of modelfs(5): eval/predict.py answers for a format that no engine here knows. It runs only where that is allowed, its
# answers are kept, and whatever goes wrong in it is one line.
. "$(dirname "$0")/cli.sh"
command -v python3 >/dev/null || { echo "no python3" && exit 77; }

expect 0 init r
mkdir v
echo '{"weights": [2, -1], "bias": 0.5}' >v/model.json
expect 0 commit r v -m "a linear model"
echo '{"weights": [3, -1], "bias": 0.5}' >v/model.json
expect 0 commit r v -m "another"
for i in 1 2 3 4 5 6 7 8; do echo "{\"input\":{\"x\":[$i,1]},\"label\":$((2 * i)).5}"; done >rows.jsonl
expect 0 add r rows.jsonl

cat >predict.py <<'END'
import json, os

def load(dir):
    with open(os.path.join(dir, "model.json")) as f:
        return json.load(f)

def predict(model, inputs):
    print("stdout is free for what one likes")
    return [sum(w * x for w, x in zip(model["weights"], row["x"])) + model["bias"] for row in inputs]
END
expect 5 eval r v1 && says 'eval/predict.py; predictions made elsewhere'
expect 0 put r eval/predict.py predict.py
"$modelfs" cat r eval/predict.py | cmp - predict.py
expect 5 eval r v1 && says 'may not run here: 8 of 8 rows wait' && says '--allow-python'
"$modelfs" cat r eval/summary.txt | grep -q '^v1 .*may not run here' || die "the summary does not say so"

runs() { "$modelfs" eval r --allow-python --json "$@" >out 2>err || die "eval: exit $?"; }
runs
grep -q '"engine":"python"' out || die "another engine"
[ "$(grep -c '"known":8' out)" = 2 ] || die "not all is known"
grep -q 'stdout is free' err || die "what it prints is lost"
"$modelfs" cat r eval/results.csv | grep '^v1,.*,core,,mae' | grep -q ',1,' || die "v1 is off by 1 on each row"
expect 0 eval r v1 v2 # what is known needs no leave
! ls r/cache | grep version- || die "a version's files are left behind"

# bad LINES MESSAGE: a predict.py of these lines makes the evaluation of v1 end with that message
bad() {
    printf '%s\n' "$1" >bad.py
    expect 0 put r eval/predict.py bad.py
    expect 5 eval r v1 --allow-python && says "$2"
}
ok='def load(dir): pass'
bad 'def load(dir): pass
def predict(model inputs): pass' 'eval/predict.py: load: line 2: SyntaxError'
bad "$ok" 'it defines no function predict'
bad 'def load(dir): open(dir + "/weights.pt")
def predict(m, x): pass' 'eval/predict.py: load: line 1: FileNotFoundError'
bad "$ok
def predict(m, x): return [1]" 'predict answered 1 times for 8 inputs'
bad "$ok
def predict(m, x): return 'abc'" 'predict answered str, where a list'
bad "$ok
def predict(m, x): return [{}] * len(x)" 'predict answered dict, where text, a number or numbers'
bad "$ok
import os
def predict(m, x): os._exit(3)" 'eval/predict.py: ended with status 3'
bad "$ok
import os
def predict(m, x): os.kill(os.getpid(), 11)" 'was killed by signal 11'
bad 'def load(dir): x = bytearray(9 << 30)
def predict(m, x): pass' 'load: line 1: MemoryError'

# what goes wrong with one row is that row's
cat >predict.py <<'END'
import os

def load(dir):
    return None

def predict(model, inputs):
    at = {row["x"][0] for row in inputs}
    if 3 in at:
        raise ValueError("three is too much")
    if 5 in at:
        os._exit(9)
    return [float("nan") if row["x"][0] == 7 else 1 for row in inputs]
END
expect 0 put r eval/predict.py predict.py
runs v1
grep -q '"known":8.*"errors":3\|"errors":3.*"known":8' out || die "three rows fail and five do not"

# too slow, and nobody waits for it any longer: Ctrl-C, and modelfs gone without a word
printf '{"models":[{"match":"model.json","engine":"python","file":"eval/predict.py","seconds":1}]}' >spec.json
expect 0 put r eval/spec.json spec.json
cat >predict.py <<'END'
import os, sys

def load(dir):
    with open(os.environ["PID_FILE"], "a") as f:
        print(os.getpid(), file=f)

def predict(model, inputs):
    while True:
        pass
END
export PID_FILE="$T/pids"
expect 0 put r eval/predict.py predict.py
expect 5 eval r v1 --allow-python && says 'eval/predict.py: took longer than 1 s'
sed s/:1}/:600}/ spec.json >slow.json && expect 0 put r eval/spec.json slow.json
for signal in INT KILL; do
    : >pids
    env --default-signal=INT "$modelfs" eval r v1 --allow-python >out 2>err & # a script's jobs ignore it otherwise
    eval=$!
    timeout 30 sh -c "until [ -s pids ]; do sleep 0.05; done" || die "it was not started"
    kill -$signal $eval
    ! wait $eval || die "it ended well"
    timeout 10 sh -c "while grep -qs '^State:[[:space:]]*[^ZX]' /proc/$(cat pids)/status; do sleep 0.05; done" || die "it outlives modelfs after SIG$signal"
done
