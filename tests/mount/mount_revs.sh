# SPDX-License-Identifier: Apache-2.0
# Rows leave by eval/retire and change by eval/relabel; every revision stays readable, and the commands do the same.
. "$(dirname "$0")/lib.sh"

expect 0 init r
expect 0 commit r "$digits/v1-baseline" -m one
mounted
e=m/eval
(row a 1 ok && row b 2 ok) >batch
cat batch >>$e/examples.jsonl
row c 3 ok >>$e/examples.jsonl
ls $e/revs >names # the kernel knows them now
echo 'b left the product' >>$e/retire || die "retire failed"
[ "$(wc -l <$e/examples.jsonl)" = 2 ] && grep -qx 'b left the product' $e/retire || die "b is still there"
echo '{"id":"a","label":"bad","reason":"typing error"}' >>$e/relabel || die "relabel failed"
grep '"id":"a"' $e/examples.jsonl | grep -q '"label":"bad"' && grep -q '"was":"ok"' $e/relabel
grep -q '^set *E3.0, 2 rows' $e/status.txt || die "retire and relabel begin no epochs: $(cat $e/status.txt)"
! echo 'nobody is gone' 2>/dev/null >>$e/retire || die "a row that is not there was retired"
grep -q no_such_row $e/rejected.jsonl
refuses 'Operation not permitted' sh -c "echo x >$e/retire"
printf '{"id":"a","label":"ok","reason":"no, it was right"}' >>$e/relabel && [ "$(wc -l <$e/relabel)" = 2 ]

[ "$(ls $e/revs | tr '\n' ' ')" = "E1.0 E1.1 E1.2 E2.0 E3.0 E4.0 " ] || die "revisions: $(ls $e/revs)"
check() {
    [ "$(sed 's/,"was":.*//; s/.*"id":"\([^"]*\)".*"label":"\([^"]*\)".*/\1=\2/' "$1" | tr '\n' ' ')" = "$2" ] || die "$1: $(cat "$1")"
}
check $e/revs/E1.1/examples.jsonl "a=ok b=ok "
check $e/revs/E1.2/examples.jsonl "a=ok b=ok c=ok "
check $e/revs/E3.0/examples.jsonl "a=bad c=ok "
check $e/revs/E4.0/examples.jsonl "a=ok c=ok "
head -n 2 $e/revs/E1.1/results.csv | tail -n 1 | grep -q '^v1,.*,E1.1,' || die "$(cat $e/revs/E1.1/results.csv)"
[ ! -e $e/revs/E9.9 ]

expect 0 retire r c --reason "same as a" && prints '1 done'
expect 5 retire r c --reason again && says 'no_such_row'
expect 2 retire r a
echo '{"id":"w","input":{"x":7}}' >>$e/examples.jsonl
expect 0 relabel r w ok --reason seen && prints '1 done'
check $e/examples.jsonl "a=ok w=ok "
unmounted
expect 0 cat r eval/revs/E1.2/examples.jsonl && check out "a=ok b=ok c=ok "
expect 0 check r
