# SPDX-License-Identifier: Apache-2.0
# review writes the comment and the page, and keeps one comment a pair on the pull request, found by its hidden key; a card is sorted.
. "$(dirname "$0")/cli.sh"

mkdir a b bin out-dir
echo "weights of no known format" >a/weights.bin
echo "other weights" >b/weights.bin
expect 0 init r
expect 0 commit r a -m one
expect 0 commit r b -m two
expect 0 add r "$digits/examples.jsonl"
expect 0 predictions r v1 "$digits/expected/v1-baseline.csv"
expect 0 predictions r v2 "$digits/expected/v6-worse.csv"

expect 0 review r v1..v2 -o out-dir && prints out-dir/report.html
"$modelfs" cat r diff/v1..v2/review.md | cmp - out-dir/review.md
"$modelfs" cat r diff/v1..v2/report.html | cmp - out-dir/report.html
expect 1 review r v1..v2 -o nowhere && says nowhere/review.md
expect 0 card r v2 && LC_ALL=C sort -c out && prints 'score.accuracy: '
expect 1 card r v9

# a forge: comments are files c/1, c/2, …; what the real programs print is what these print
cat >bin/gh <<'END'
#!/bin/sh
mkdir -p c
case "$*" in
"pr view --json number -q .number") echo 7 ;;
"api --paginate repos/{owner}/{repo}/issues/7/comments -q "*)
    key=${5#*startswith(\"} && key=${key%%\"*}
    for f in c/*; do [ -f "$f" ] && case $(cat "$f") in "$key"*) basename "$f" ;; esac; done ;;
"api -X PATCH repos/{owner}/{repo}/issues/comments/"*) cp "${6#body=@}" "c/${4##*/}" ;;
"pr comment 7 --body-file "*) cp "$5" "c/$(($(ls c | wc -l) + 1))" ;;
*) echo "unexpected: $*" >&2 && exit 1 ;;
esac
exit 0
END
chmod +x bin/gh
none=$(mktemp -d -p "$T") # a PATH with neither
mkdir c && echo "a person's comment" >c/1
status=0
(PATH=$none && exec "$modelfs" review r v1..v2 --post) >out 2>err || status=$?
[ $status = 1 ] && says 'neither gh nor glab is installed'
PATH=$T/bin:$PATH
expect 0 review r v1..v2 --post && prints 'comment added'
cmp c/2 review.md
printf '{"input":{"q":1},"label":"1"}\n' >row && expect 0 add r row # another revision of the set
expect 0 review r v1..v2 --post && prints 'comment replaced'
cmp c/2 review.md && [ "$(ls c | wc -l)" = 2 ] || die "more comments than one a pair"
expect 0 review r v2..v1 --post && prints 'comment added'
[ "$(cat c/1)" = "a person's comment" ] || die "somebody else's comment was replaced"
printf '#!/bin/sh\nexit 4\n' >bin/gh
expect 1 review r v1..v2 --post && says 'gh pr view: exit 4'

rm bin/gh # GitLab's way
cat >bin/glab <<'END'
#!/bin/sh
case "$*" in
"mr view --output json") echo '{"iid":3}' ;;
"api projects/:id/merge_requests/3/notes?per_page=100")
    if [ -f note ]; then printf '[{"id":8,"body":"else"},{"id":9,"body":"%s"}]' "$(head -n 1 note)"; else echo '[]'; fi ;;
"api -X POST projects/:id/merge_requests/3/notes -F body=@./review.md" | "api -X PUT projects/:id/merge_requests/3/notes/9 -F body=@./review.md")
    cp review.md note && echo "$3" >how ;;
*) exit 1 ;;
esac
END
chmod +x bin/glab
expect 0 review r v1..v2 --post && [ "$(cat how)" = POST ]
expect 0 review r v1..v2 --post && [ "$(cat how)" = PUT ] && cmp note review.md
