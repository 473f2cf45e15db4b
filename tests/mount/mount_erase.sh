# SPDX-License-Identifier: Apache-2.0
# erase: the content is in no revision, report or file of the repo any more; its digest and the event stay.
. "$(dirname "$0")/lib.sh"

expect 0 init r
expect 0 commit r "$digits/v1-baseline" -m one
mounted
e=m/eval
row ann 1 SECRET-ann >>$e/examples.jsonl
row bob 2 fine >>$e/examples.jsonl
! row eve 1 SECRET-other 2>/dev/null >>$e/examples.jsonl || die "a contradiction was kept"
printf '{"id":"ann","prediction":"SECRET-ann","probability":0.5}\n{"id":"bob","prediction":"fine"}\n' >answers.jsonl
expect 0 predictions r v1 answers.jsonl
for f in $e/examples.jsonl $e/rejected.jsonl $e/results.csv $e/revs/E1.1/examples.jsonl $e/revs/E1.2/results.csv; do
    cat $f >/dev/null || die "$f cannot be read"
done
find_secret() { grep -rlaF SECRET r m 2>/dev/null || true; }
grep -rqaF SECRET r/db && grep -rqaF SECRET r/cache || die "the secret was nowhere"
digest=$(sed -n 's/.*"digest":"\([0-9a-f]*\)".*"id":"ann".*/\1/p' $e/examples.jsonl)
[ ${#digest} = 64 ]

expect 1 erase r nobody --reason x && says 'no row of the set is or was "nobody"'
expect 2 erase r ann
expect 0 erase r ann --reason "INC-9: she asked for it" && prints 'erased 1 row and 1 refused line'
[ -z "$(find_secret)" ] || die "the secret is still in: $(find_secret)"
[ "$(wc -l <$e/examples.jsonl)" = 1 ] && grep -q '"id":"bob"' $e/examples.jsonl
grep '"erased":true' $e/revs/E1.1/examples.jsonl | grep -q "\"digest\":\"$digest\"" || die "$(cat $e/revs/E1.1/examples.jsonl)"
grep '"kind":"erase"' $e/log.jsonl | grep "$digest" | grep -q 'INC-9: she asked for it' || die "$(cat $e/log.jsonl)"
grep -q '^set *E2.0, 1 rows' $e/status.txt
expect 1 erase r ann --reason again
row ann 1 back >>$e/examples.jsonl || die "the input cannot come back"
unmounted
expect 0 cat r eval/revs/E1.2/examples.jsonl && prints '"erased":true' && prints '"id":"bob"'
expect 0 check r
[ -z "$(find_secret)" ] || die "the secret is back in: $(find_secret)"
