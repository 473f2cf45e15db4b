# SPDX-License-Identifier: Apache-2.0
# What cannot be done is one clear line and the right exit code, and changes nothing.
. "$(dirname "$0")/cli.sh"

expect 0 init r
expect 0 commit r "$digits/v1-baseline" -m one --tag prod

expect 1 commit r nowhere -m x && says 'nowhere: No such file'         # a missing file
expect 5 commit r /dev/null -m x                                       # neither file nor directory
mkdir empty && expect 5 commit r empty -m x                            # nothing to commit
expect 1 show r v9 && says 'v9: no such version; there are v1'         # an unknown version
expect 1 export r v9 d && [ ! -e d ]
expect 1 commit r "$digits/v2-longer" -m x --parent v9
expect 1 commit r "$digits/v2-longer" -m x --tag prod && says 'tag prod is taken by v1' # a taken tag
expect 5 tag r latest v1
expect 5 tag r deadbeef v1
expect 1 tag r -d nope
expect 1 rm r v1 && says 'prod'
expect 1 cat r v1/nothing
expect 1 cat r v1 && says 'is a directory'
expect 1 init r && says 'already exists'
expect 10 log nowhere && says 'no store there'                         # a repo that is no repo
expect 10 log "$digits" && says 'no store there'
expect 10 commit "$digits/v1-baseline/config.json" "$digits" -m x
expect 2
expect 2 frobnicate
expect 2 log
expect 2 log r r
expect 2 log --bogus r
expect 2 commit r "$digits/v1-baseline"
expect 2 commit r "$digits/v1-baseline" -m x --time soon
expect 2 check r --read-data=0
expect 2 mount r d -o sideways
expect 2 diff r v1..v9 && says 'v9: no such version'
expect 2 diff r v1
expect 5 commit r "$digits/v1-baseline" -m x --lineage "$digits/examples.jsonl"
expect 5 put r eval/spec.json "$digits/examples.jsonl"
expect 2 put r v1/config.json "$digits/v1-baseline/config.json"
printf 'input\n[1\n' >bad.csv && expect 5 add r bad.csv && says 'line 2'
echo '{"label":"no input"}' >bad.jsonl && expect 5 add r bad.jsonl && says 'line 1'
mkdir full && touch full/it && expect 1 export r v1 full && says 'is not empty'

# names that would write to the terminal are escaped
expect 1 commit r "$(printf 'a\033]52;c;x\007b\nc')" -m x && ! grep -q "$(printf '\033')" err

expect 0 log r && [ "$(wc -l <out)" = 1 ] || die "a refused command left a version"
[ -z "$(ls r/staging)" ] || die "a refused command left something in staging/"
expect 0 check r --read-data
