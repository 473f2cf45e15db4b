# SPDX-License-Identifier: Apache-2.0
# A failure that a released version answers right is proposed as must-pass, once; with "ratchet" on it is tagged.
. "$(dirname "$0")/cli.sh"

expect 0 init r
expect 0 commit r "$root/LICENSE" -m one
expect 0 commit r "$root/README.md" -m two
echo '{"task":"classification","labels":["a","b"],"release_tags":["prod"]}' >spec.json
expect 0 put r eval/spec.json spec.json
row() { printf '{"id":"%s","input":%s,"label":"%s","source":{"kind":"%s"}}\n' "$@"; }
{
    row f1 1 a failure
    row f2 2 a failure
    row f3 3 b failure
    row c1 4 a curated
} >rows.jsonl
expect 0 add r rows.jsonl
answers() { printf 'id,prediction\nf1,%s\nf2,%s\nf3,%s\nc1,%s\n' "$@" >answers.csv; }
answers a b a a
expect 0 predictions r v1 answers.csv
answers a a a a
expect 0 predictions r v2 answers.csv
ratchets() {
    expect 0 cat r eval/log.jsonl
    sed -n 's/.*"kind":"ratchet".*"must_pass":\([a-z]*\),"rows":\(\[[0-9,]*\]\).*"version":"\(v[0-9]\)".*/\3 \2 \1/p' out | tr '\n' ' '
}
[ -z "$(ratchets)" ] || die "a version that is not released has no say"
expect 0 tag r prod v1
[ "$(ratchets)" = "v1 [1] false " ] || die "$(ratchets)"
expect 0 eval r --json
expect 0 tag r other v2
[ "$(ratchets)" = "v1 [1] false " ] || die "it is proposed twice, or by a version that is not released: $(ratchets)"
expect 0 tag r prod v2
[ "$(ratchets)" = "v1 [1] false v2 [2] false " ] || die "$(ratchets)"
expect 0 cat r eval/examples.jsonl
! grep -q must-pass out || die "a proposal changed a row"

sed 's/{/{"ratchet":"on",/' spec.json >on.json
expect 0 put r eval/spec.json on.json
expect 0 eval r v2 --json
[ "$(ratchets)" = "v1 [1] false v2 [2] false v2 [1,2] true " ] || die "$(ratchets)"
expect 0 cat r eval/examples.jsonl
[ "$(grep -c '"tags":\["must-pass"\]' out)" = 2 ] && grep '"id":"f3"' out | grep -qv must-pass || die "the wrong rows are tagged"
expect 0 eval r v2 --json
[ "$(ratchets)" = "v1 [1] false v2 [2] false v2 [1,2] true " ] || die "again: $(ratchets)"
sed 's/{/{"ratchet":"maybe",/' spec.json >bad.json
expect 5 put r eval/spec.json bad.json && says ratchet
