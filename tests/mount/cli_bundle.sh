# SPDX-License-Identifier: Apache-2.0
# The whole round of a review between two clones: a bundle, unbundled elsewhere, gated there, and a comment. Identity is by digest; damage,
# strangers' rules and what is there already change nothing.
. "$(dirname "$0")/cli.sh"

mkdir -p a/sub b c tmp
for v in a b c; do echo "weights of no known format: $v" >$v/weights.bin; done
echo nested >a/sub/notes.txt && touch -d '2001-02-03 04:05:06.123456789' a/weights.bin
cp "$digits/v1-baseline/model.safetensors" a
cp "$digits/v2-longer/model.safetensors" b
expect 0 init ours
expect 0 init theirs
expect 0 commit ours c -m "an older one"
expect 0 commit ours a -m "one: $(printf 'not utf-8 \377')" --author amy
expect 0 commit ours b -m two --tag prod
expect 0 add ours "$digits/examples.jsonl"
expect 0 predictions ours v2 "$digits/expected/v6-worse.csv"
expect 0 predictions ours v3 "$digits/expected/v1-baseline.csv"
expect 0 gate --init ours
status=0
"$modelfs" gate ours v2..prod --csv >gate.ours || status=$?
[ $status = 1 ] || die "the gate here: $status"

expect 0 bundle ours v2..prod && mv out review.bundle
expect 0 bundle ours v2..prod && cmp out review.bundle # the same bytes each time
TMPDIR=$T/tmp expect 0 unbundle theirs review.bundle && prints 'rows  380 kept' && cp out first
[ -z "$(ls tmp)" ] || die "left behind: $(ls tmp)"
a=$(sed -n 's/^v1  //p' first) b=$(sed -n 's/^v2  //p' first)
for v in 1 2; do # the same versions: identity, files, times
    w=$((v + 1))
    expect 0 export ours v$w x$v
    expect 0 export theirs v$v y$v
    diff -r x$v y$v
    for d in x y; do (cd $d$v && find . -mindepth 1 -printf '%p %m %T@\n' | sort) >$d; done
    cmp x y
done
"$modelfs" show ours v2 >show && grep -q "$a" show || die "v2 is not $a there"
expect 0 check theirs --read-data

status=0
"$modelfs" gate theirs "$a..$b" --csv >gate.theirs || status=$?
[ $status = 1 ] && cmp gate.ours gate.theirs || die "another verdict there ($status)"
mkdir here there
expect 0 review ours v2..prod -o here
expect 0 review theirs "$a..$b" -o there
sed 's/\bv2\b/v1/g; s/\bv3\b/v2/g; s/set E[0-9.]*/set E/I; 1d' here/review.md >here.md
sed 's/set E[0-9.]*/set E/I; 1d' there/review.md >there.md
diff here.md there.md || die "another review there"
! grep -q 'gates changed' there/review.md || die "the rules came after the versions"

expect 0 unbundle theirs review.bundle && prints 'was there' && prints 'rows  0 kept'
echo 'loose accuracy core margin=90pp' >gates && expect 0 put ours eval/gates gates
"$modelfs" bundle ours v2..prod >loose.bundle
expect 0 unbundle theirs - <loose.bundle && prints 'eval/gates  is another here, and stays'
[ "$("$modelfs" gate theirs "$a..$b" --csv | sed -n 2p | cut -d, -f1)" = headline ] || die "somebody else's rules hold"

expect 0 init empty
size=$(wc -c <review.bundle)
for cut in 0 5 17 20 100 $((size / 2)) $((size - 1)); do
    head -c $cut review.bundle >broken
    expect 5 unbundle empty broken
done
for at in 30 200 5000 $((size / 2)) $((size - 5)); do
    cp review.bundle broken
    byte=$(od -An -tu1 -j $at -N 1 broken)
    printf "\\$(printf %o $(((byte + 1) % 256)))" | dd of=broken bs=1 seek=$at conv=notrunc 2>/dev/null
    expect 5 unbundle empty broken
done
cat review.bundle review.bundle >broken && expect 5 unbundle empty broken && says 'after the bundle'
[ "$("$modelfs" log empty)" = "" ] || "$modelfs" log empty | grep -qi "no version" || die "a broken bundle left something"
