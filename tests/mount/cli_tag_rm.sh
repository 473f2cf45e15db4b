# SPDX-License-Identifier: Apache-2.0
# tag sets, moves, lists and removes; rm keeps what is tagged, lists what it skips, and never gives a number again.
. "$(dirname "$0")/cli.sh"

expect 0 init r
for v in v1-baseline v2-longer v3-finetune; do expect 0 commit r "$digits/$v" -m $v; done
expect 0 tag r prod v1 && prints 'prod -> v1'
expect 0 tag r prod latest && prints 'prod -> v3'
expect 0 tag r good v1
expect 0 tag r && printf 'prod\tv3\ngood\tv1\n' | cmp - out
expect 2 tag r prod

expect 0 rm r v2 --dry-run && prints 'would remove v2'
expect 0 log r && [ "$(wc -l <out)" = 3 ] || die "a dry run removed"
expect 3 rm r v1 v2 && prints 'removed v2' && says 'rm v1: '
expect 1 show r v2 && expect 1 rm r v2
expect 0 rm r good --force && prints 'removed v1'
expect 0 tag r && printf 'prod\tv3\n' | cmp - out
expect 0 commit r "$digits/v1-baseline" -m again && grep -q '^v4 ' out || die "a number was given again"
expect 0 tag r -d prod && expect 0 tag r && [ ! -s out ]
expect 0 check r --read-data && prints 'whole'
expect 0 du r --json && prints '"versions":2,'
expect 0 du r && prints 'versions'
