# SPDX-License-Identifier: Apache-2.0
# What errors cost is written as files; a refused table changes nothing; the review, the results and the gates speak of money.
. "$(dirname "$0")/lib.sh"

mkdir a b
echo one >a/w.bin && echo two >b/w.bin
expect 0 init r
expect 0 commit r a -m one
expect 0 commit r b -m two
for i in $(seq 60); do
    l=ok && [ $((i % 3)) = 0 ] && l=fraud
    printf '{"id":"t%s","input":{"amount":%s},"label":"%s","value":{"amount":%s}}\n' $i $((i * 10)) $l $((i * 10))
    echo "t$i,$l" >>right
    [ $((i % 6)) = 0 ] && l=ok
    echo "t$i,$l" >>misses
done >rows.jsonl
(echo id,prediction && cat right) >right.csv
(echo id,prediction && cat misses) >misses.csv
mounted
cat rows.jsonl >>m/eval/examples.jsonl
expect 0 predictions r v1 right.csv
expect 0 predictions r v2 misses.csv
echo '{"labels":["ok","fraud"],"volume_per_month":600000}' >m/eval/spec.json
[ ! -e m/eval/cost.csv ] || die "a cost table out of nothing"
printf 'truth,pred,fixed,coef,field,unit,note\nfraud,ok,0,1,amount,EUR,missed\n*,fraud,4,,,EUR,review\n*,*,0,,,,\n' >m/eval/cost.csv
d=m/diff/v1..v2
grep -q '^because  cost/1000 rose: ' $d/summary.txt || grep -q '^because  accuracy got worse' $d/summary.txt || die "$(cat $d/summary.txt)"
# 10 of 60 rows lose 60, 120 … 600 EUR instead of 4: (3300 - 40) / 60 a row, 600,000 rows a month
grep -q 'cost/1000 .* +54333 EUR \[' $d/summary.txt || die "$(cat $d/summary.txt)"
grep -q 'at 600 k decisions a month (declared): +32.6 M EUR a month' $d/summary.txt || die "$(cat $d/summary.txt)"
grep -q 'on this eval set, not on traffic' $d/summary.txt
[ "$(sed -n 2p $d/flips.csv | cut -d, -f1,14)" = t60,596 ] || die "not the dearest first: $(sed -n 2p $d/flips.csv)"
grep -q '^v2,.*,cost_per_k,EUR,lower,55.*,bootstrap,' m/eval/results.csv || die "$(grep cost_per_k m/eval/results.csv)"

[ "$(cut -d, -f1-3,6-8 m/eval/examples/t60.csv)" = "$(printf 'version,label,prediction,right,cost,mark\nv1,fraud,fraud,1,4,\nv2,fraud,ok,0,600,broke\n')" ] || die "$(cat m/eval/examples/t60.csv)"
[ "$(ls m/eval/examples | wc -l)" = 60 ] && [ ! -e m/eval/examples/t61.csv ] && [ ! -e m/eval/examples/t60 ] || die "examples: $(ls m/eval/examples)"
grep -q '^t60,ok,core,,fraud,,,0,600,' m/eval/versions/v2/predictions.csv || die "$(tail -n 1 m/eval/versions/v2/predictions.csv)"
echo '{"id":".a%b","input":{"amount":1},"label":"ok","value":{"amount":1}}' >>m/eval/examples.jsonl
grep -q '^v2,ok,,' "m/eval/examples/%2Ea%25b.csv" || die "an id that is no name: $(ls m/eval/examples | tail -n 1)"

printf 'slice,share\namount>=300,0.1\namount<300,0.9\n' >m/eval/traffic.csv
! grep -q 'not on traffic' $d/summary.txt || die "traffic is not heard of"
printf 'slice,share\na,2\n' >t
! cat t 2>/dev/null >m/eval/traffic.csv || die "a bad share was no error"
grep -q 'line 2: share' m/eval/traffic.csv.error && grep -q '^amount<300,0.9' m/eval/traffic.csv || die "a refused text changed it"
printf 'truth,pred,fixed\nok,frued,1\n' >t
! cat t 2>/dev/null >m/eval/cost.csv || die "a typing error was no error"
unmounted
mounted && grep -q '^amount<300,0.9' m/eval/traffic.csv && grep -q 'cost/1000' m/eval/summary.txt
unmounted
