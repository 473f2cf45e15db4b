# SPDX-License-Identifier: Apache-2.0
# Several writers at once, through the mount and through the command: every acknowledged row is there once, whole; readers see whole rows.
. "$(dirname "$0")/lib.sh"

expect 0 init r
expect 0 commit r "$root/LICENSE" -m one
mounted
e=m/eval/examples.jsonl
for w in 1 2 3 4; do
    (i=0; while [ $i -lt 50 ]; do row w$w-$i $w$i >>$e || exit 1; i=$((i + 1)); done) &
    eval "p$w=\$!"
done
i=0
while [ $i -lt 5 ]; do
    for k in 0 1 2 3 4 5 6 7 8 9; do row c-$i$k 9$i$k; done >rows
    "$modelfs" add r rows >/dev/null || die "add failed"
    cat $e >seen
    ! grep -qv '^{.*}$' seen || die "half a row was seen"
    i=$((i + 1))
done
for w in 1 2 3 4; do eval "wait \$p$w" || die "writer $w failed"; done
[ "$(wc -l <$e)" = 250 ] && [ "$(grep -o '"id":"[^"]*"' $e | sort -u | wc -l)" = 250 ] || die "$(wc -l <$e) rows"
[ ! -s m/eval/rejected.jsonl ] || die "a row was rejected"
unmounted
expect 0 check r --read-data
