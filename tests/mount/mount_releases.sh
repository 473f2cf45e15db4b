# SPDX-License-Identifier: Apache-2.0
# What releases did is appended; releases.csv and business.txt set it beside what the set foretold, and follow the tag.
. "$(dirname "$0")/lib.sh"

mkdir a b
echo one >a/w.bin && echo two >b/w.bin
expect 0 init r
expect 0 commit r a -m one
expect 0 commit r b -m two
for i in $(seq 60); do
    row q$i $i $([ $((i % 2)) = 0 ] && echo even || echo odd)
    echo "q$i,$([ $((i % 2)) = 0 ] && echo even || echo odd)" >>right
    echo "q$i,$([ $((i % 3)) = 0 ] && echo even || echo odd)" >>poor
done >rows.jsonl
(echo id,prediction && cat poor) >poor.csv
(echo id,prediction && cat right) >right.csv
mounted
cat rows.jsonl >>m/eval/examples.jsonl
expect 0 predictions r v1 poor.csv
expect 0 predictions r v2 right.csv
grep -q 'no release tags' m/eval/business.txt || die "$(cat m/eval/business.txt)"
echo '{"release_tags":["prod"]}' >m/eval/spec.json
grep -q 'nothing was released yet' m/eval/business.txt
expect 0 tag r prod v1
ln -sfn ../v2 m/tags/prod
o=m/eval/outcomes.csv
[ "$(wc -l <$o)" = 1 ] || die "outcomes out of nothing: $(cat $o)"
echo 'v2,v1,experiment,clicks,share,0.02,0.01,0.03,,,exp-1' >>$o || die "an outcome was refused"
grep -q '^v2,v1,experiment,clicks,share,0.02,0.01,0.03,,,exp-1,' $o || die "$(cat $o)"
[ "$(tail -n 1 $o | cut -d, -f12)" = "$(id -un)" ] || die "not stamped with who: $(tail -n 1 $o)"
echo 'v2,v1,guess,clicks,,1' >t
! cat t 2>/dev/null >>$o || die "a bad line was no error"
grep -q 'kind: must be' $o.error && [ "$(wc -l <$o)" = 2 ] || die "no reason: $(cat $o.error)"
! echo x 2>/dev/null >$o || die "outcomes were written over"
grep -q '^v2,prod,.*,accuracy,share,.*,clicks,share,0.02,0.01,0.03,experiment,exp-1,yes,$' m/eval/releases.csv || die "$(cat m/eval/releases.csv)"
grep -q 'experiment exp-1; agrees in sign' m/eval/business.txt || die "$(cat m/eval/business.txt)"
echo 'v1,,before_after,clicks,share,0.5' >late
expect 0 put r eval/outcomes.csv late && prints '1 kept'
[ ! -e $o.error ] && [ "$(wc -l <$o)" = 3 ]
grep -q 'nothing was predicted' m/eval/business.txt || die "$(cat m/eval/business.txt)"
head -c 200 m/eval/trend.svg | grep -q '<svg xmlns="http://www.w3.org/2000/svg"' || die "no picture"
cp m/eval/business.txt before
unmounted
expect 0 cat r eval/business.txt && cmp out before
