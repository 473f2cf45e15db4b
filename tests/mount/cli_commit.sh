# SPDX-License-Identifier: Apache-2.0
# commit: what it prints, what it makes of parents, times, unchanged input, and of the code around the input.
. "$(dirname "$0")/cli.sh"
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b

expect 0 init r
expect 0 commit r "$digits/v1-baseline" -m one --author amy --tag first
grep -qE '^v1  sha256:[0-9a-f]{12}  3 files, [0-9]+ kB, [0-9]+ kB new \([0-9]+ kB stored\)$' out || die "not the promised line"
expect 0 commit r "$digits/v1-baseline" -m "the same again"
prints '0 B new (0 B stored), the same files as its parent'
expect 1 commit r "$digits/v2-longer" -m two --tag first && says 'tag first is taken by v1' && says "tag $T/r first latest"
expect 5 commit r "$digits/v2-longer" -m two --tag latest && says 'a name that the mount uses itself'
expect 0 commit r "$digits/v2-longer" -m "$(printf 'two\nlines')" --parent first --json
prints '"version":"v3"'
expect 0 log r --json
head -n 1 out >newest
grep -qF '"parents":["v1"]' newest && grep -qF '"message":"two\nlines"' newest || die "not its parent and message"
expect 0 log r
[ "$(wc -l <out)" = 3 ] && grep -q 'amy  \[first\] one$' out || die "the log is wrong"

# the same input, time and place: the same identity, in any repo
for repo in s t; do
    expect 0 init $repo
    SOURCE_DATE_EPOCH=1700000000 expect 0 commit $repo "$digits/v1-baseline" -m same
    cut -c 1-25 out >id.$repo
done
cmp id.s id.t || die "identities differ"
expect 0 commit s "$digits/v1-baseline" -m later --time 1700000001.5
expect 0 log s && prints '2023-11-14T22:13:21Z'

# lineage
git init -q code && mkdir code/run && cp "$digits/v1-baseline/"* code/run
echo 'lr: 1' >code/params.yaml && echo run >code/.gitignore && git -C code add -A && git -C code commit -qm "first code"
git -C code remote add origin https://amy:secret@host/x.git
expect 0 init l
expect 0 commit l code/run -m one
echo 'lr: 2' >code/params.yaml && git -C code commit -qam "faster"
echo 'lr: 3' >code/params.yaml
echo '{"data":{"n_rows":600},"hardware":{"train":{"accelerator":"A100"}}}' >facts.json
expect 0 commit l code/run -m two --lineage facts.json
expect 0 log l --json && head -n 1 out >newest
for fact in '"repo":{"how":"observed","v":"https://host/x.git"}' '"dirty":{"how":"observed","v":true}' \
    '"commits":{"how":"observed","v":1}' '"subjects":{"how":"observed","v":["faster"]}' '"added":{"how":"observed","v":1}' \
    '"n_rows":{"how":"declared","v":600}' '"accelerator":{"how":"declared","v":"A100"}' '"label_names":{"how":"declared"' \
    '"licence":null' 'params.yaml sha256:'; do
    grep -qF -- "$fact" newest || die "lineage lacks $fact: $(cat newest)"
done
! grep -q secret newest || die "a password in the lineage"
