# SPDX-License-Identifier: Apache-2.0
# Rows are appended; a line that cannot be kept is an error where a shell sees it, and is kept with its reason.
. "$(dirname "$0")/lib.sh"

expect 0 init r
expect 0 commit r "$root/LICENSE" -m one
mounted
e=m/eval/examples.jsonl
row a 1 >>$e || die "append failed"
grep -q '"id":"a"' $e && [ "$(wc -l <$e)" = 1 ] || die "not there at once"
printf '%s' "$(row b 2)" >>$e || die "append without a newline failed"
[ "$(wc -l <$e)" = 2 ] || die "a whole line that lacks its newline is not there"
! echo '{bad' 2>/dev/null >>$e || die "a bad line was no error"
grep -q '"reason":"bad_json"' m/eval/rejected.jsonl && [ "$(wc -l <$e)" = 2 ]
printf '{"input":{"x":' >>$e
until grep -q '"reason":"truncated"' m/eval/rejected.jsonl; do sleep 0.02; done # its release comes after its close
(row c 3 && echo '{worse' && row d 4) >batch
! sh -c 'cat batch >>'$e 2>/dev/null || die "a rejected line among good ones was no error"
[ "$(wc -l <$e)" = 4 ] && [ "$(grep -c bad_json m/eval/rejected.jsonl)" = 2 ] || die "its neighbours were not kept"
row a 1 >>$e && [ "$(wc -l <$e)" = 4 ] || die "a repeated row was added"
! row z 1 b 2>/dev/null >>$e && grep -q label_conflict m/eval/rejected.jsonl || die "a contradiction was kept"
echo '{"input":{"x":9}}' >>$e && grep -q '"x":9' m/eval/unlabelled.jsonl || die "a row without a label is lost"

# one line in many writes, two writers in turns: never mixed
(printf '{"input":{"x":1'; printf '00},'; row e 5 >>$e; printf '"label":"a","id":"f"}\n') >>$e
grep -q '"id":"e"' $e && grep '"id":"f"' $e | grep -q '"x":100' || die "lines were mixed"
head -c 1000000 /dev/zero | tr '\0' y >long
(printf '{"id":"long","input":{"x":"' && cat long && printf '"},"label":"a"}\n') >>$e && grep -q '"id":"long"' $e
cp $e before
unmounted
expect 0 cat r eval/examples.jsonl && cmp out before || die "another set after unmounting"
mounted -o lenient
echo '{bad' >>$e || die "lenient is not"
cmp $e before
unmounted
