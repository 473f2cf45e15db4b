# SPDX-License-Identifier: Apache-2.0
# capture: one line turns what a version met in the wild into an example, mounted or not, with a label or without.
. "$(dirname "$0")/cli.sh"

expect 0 init r
expect 0 commit r "$root/tests/data/breast_cancer/v1-10-rounds" -m one
expect 0 tag r prod v1
expect 0 add r "$root/tests/data/breast_cancer/examples.jsonl"
rows=$(wc -l <"$root/tests/data/breast_cancer/examples.jsonl")
head -n 1 "$root/tests/data/breast_cancer/examples.jsonl" >row
python3 - <<'P' || die "no input"
import json
x = json.load(open("row"))["input"]
for i, name in enumerate(["one", "two", "three"]):
    x["mean radius"] = 20 + i
    json.dump(x, open(name + ".json", "w"))
P
expect 0 eval r v1 --json
grep -q '"problem"' out && { tail -n 1 out && exit 77; }

expect 0 capture r prod one.json --reason INC-1
prints 'v1 says malignant (p ' && prints 'waits for a label' && prints 'hint: modelfs relabel r r-'
id=$(sed -n 's/^\(r-[0-9a-f]*\) waits.*/\1/p' out)
expect 0 cat r eval/unlabelled.jsonl
grep -F '"reason":"INC-1"' out | grep -qF '"source":{"kind":"failure","pred":"malignant","version":"v1"}' || die "its source is lost"
grep -qF '"pred_at_add":{"pred":"malignant","version":"v1"}' out || die "what the newest version says is not noted"
expect 0 relabel r "$id" benign --reason "seen by amy"
expect 0 capture r v1 - --reason INC-2 --label benign <two.json
prints ': wrong' && prints 'is added (failure)'
expect 0 capture r v1 "$(cat three.json)" --reason INC-3 --label malignant
prints ': right' && prints 'is added (curated)'
expect 0 capture r v1 one.json --reason INC-4 --label benign && prints 'was there already'
expect 5 capture r v1 one.json --reason INC-5 --label malignant && says 'label_conflict'
expect 5 capture r v1 '{"mean radius":"wide"}' --reason INC-6 && says 'mean radius'
expect 5 capture r v1 "$root/LICENSE" --reason x && says 'not JSON'
expect 2 capture r v1 one.json
expect 1 capture r v9 one.json --reason x

# nothing was computed twice: of these rows only the captured ones are new, and they are known
expect 0 cat r eval/status.txt && prints "$((rows + 3)) rows"
grep -q "known *$((rows + 3)) of $((rows + 3)) rows" out || die "predictions were lost"

# a version that nothing can run
expect 0 commit r "$root/LICENSE" -m two
expect 0 capture r v2 '{"mean radius":1}' --reason INC-7 --label benign && prints 'v2 was not run: ' && prints 'is added (failure)'
