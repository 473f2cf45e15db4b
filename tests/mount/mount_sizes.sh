# SPDX-License-Identifier: Apache-2.0
# What stat says of a generated file is what every reader gets, and a row that is added shows in all of them.
. "$(dirname "$0")/lib.sh"

expect 0 init r
for v in v1-baseline v2-longer; do expect 0 commit r "$digits/$v" -m $v; done
mounted
agree() {
    for f in "$@"; do
        size=$(stat -c %s "$f")
        cat "$f" >read
        for n in "$(wc -c <"$f")" "$(wc -c <read)" "$(tail -c +1 "$f" | wc -c)" "$(dd if="$f" bs=7 status=none | wc -c)"; do
            [ "$n" = "$size" ] || die "$f: $n bytes where stat says $size"
        done
        cp "$f" copied && cmp read copied || die "$f: cp differs"
        [ "$(md5sum <"$f")" = "$(md5sum <read)" ] || die "$f: md5sum differs"
        tar -cf - "$f" 2>tar.err | tar -xOf - >untarred && cmp read untarred || die "$f: tar differs"
    done
}
agree m/README.txt m/log.txt m/eval/examples.jsonl m/eval/log.jsonl m/tensors/v1/*.npy
row one 1 >>m/eval/examples.jsonl
tail -n +1 -f m/eval/examples.jsonl >tailed &
tail=$!
row two 2 >>m/eval/examples.jsonl
until [ "$(wc -l <tailed)" = 2 ]; do sleep 0.05; done
row three 3 >>m/eval/examples.jsonl
until [ "$(wc -l <tailed)" = 3 ]; do sleep 0.05; done
kill $tail
agree m/README.txt m/log.txt m/eval/examples.jsonl m/eval/log.jsonl
cmp tailed m/eval/examples.jsonl || die "tail -f differs"

# an open file keeps its text, the next open has the new one
exec 3<m/log.txt
"$modelfs" commit r "$digits/v3-finetune" -m three >/dev/null
[ "$(cat <&3 | grep -c ^v)" = 2 ] && [ "$(grep -c ^v m/log.txt)" = 3 ] || die "not the texts of their times"
exec 3<&-
unmounted
