# SPDX-License-Identifier: Apache-2.0
# Tags are set, moved and removed with ln and rm, and every move is kept.
. "$(dirname "$0")/lib.sh"

expect 0 init r
for v in v1-baseline v2-longer v3-finetune; do expect 0 commit r "$digits/$v" -m $v; done
mounted
ln -s ../v1 m/tags/prod
ln -sfn ../v2 m/tags/prod && [ "$(readlink m/tags/prod)" = ../v2 ] || die "it has not moved"
(cd m/tags && ln -s ../latest newest && ln -sfn "$m/v1" old)
[ "$(ls m/tags)" = "$(printf 'newest\nold\nprod')" ] || die "$(ls m/tags)"
[ "$(readlink m/tags/newest)" = ../v3 ] && diff -r "$digits/v1-baseline" m/tags/old/
mv m/tags/old m/tags/older && [ "$(readlink m/tags/older)" = ../v1 ] && [ ! -e m/tags/old ]
expect 0 tag r && [ "$(sort out)" = "$(printf 'newest\tv3\nolder\tv1\nprod\tv2')" ] || die "the command sees other tags"
rm m/tags/newest && [ ! -L m/tags/newest ]
refuses 'No such file' ln -s ../v9 m/tags/x
refuses 'Invalid argument' ln -s ../v1 m/tags/latest
refuses 'Invalid argument' ln -s ../v1 m/tags/v7
refuses 'File exists' ln -sT ../v1 m/tags/prod
refuses 'Operation not permitted' touch m/tags/file
refuses 'Read-only' ln -s v1 m/v8
refuses 'Read-only' mkdir m/tags/d
[ "$(ls m/tags)" = "$(printf 'older\nprod')" ] || die "$(ls m/tags)"
unmounted
mounted
[ "$(readlink m/tags/prod)" = ../v2 ] || die "it was forgotten"
unmounted
