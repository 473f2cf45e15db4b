# SPDX-License-Identifier: Apache-2.0
# Other users see nothing unless they are let in; then the kernel asks the permission bits, whoever has looked before.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || { echo "not root: no other user to be" && exit 77; }

nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
chmod 755 "$T"
expect 0 init r
expect 0 commit r "$digits/v1-baseline" -m one
mounted
cat m/v1/config.json m/eval/examples.jsonl >/dev/null
refuses 'Permission denied' nobody ls m
refuses 'Permission denied' nobody cat m/v1/config.json
unmounted
mounted -o allow_other
nobody cmp m/v1/config.json "$digits/v1-baseline/config.json" || die "not let in"
row a 1 >line && chmod 644 line
refuses 'Permission denied' nobody sh -c 'cat line >>m/eval/examples.jsonl'
refuses 'Permission denied' nobody ln -s ../v1 m/tags/x
refuses 'Permission denied' nobody touch m/eval/x
cat line >>m/eval/examples.jsonl && nobody grep -q '"uid":0' m/eval/examples.jsonl || die "who wrote it"
unmounted
