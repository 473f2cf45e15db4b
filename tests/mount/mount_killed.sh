# SPDX-License-Identifier: Apache-2.0
# After kill -9 the mount says so, is never empty, and the next mount needs no repair.
. "$(dirname "$0")/lib.sh"

expect 0 init r
expect 0 commit r "$digits/v1-baseline" -m one
mounted
row a 1 >>m/eval/examples.jsonl
exec 3<m/v1/model.safetensors
(while cat m/v1/model.safetensors; do :; done >/dev/null 2>&1) & # under load
kill -9 "$daemon"
status=0 && wait "$daemon" || status=$?
[ $status = 137 ]
refuses 'Transport endpoint is not connected' ls m
refuses 'Transport endpoint is not connected' cat m/v1/config.json
refuses 'Transport endpoint is not connected' cat <&3
exec 3<&-
expect 13 mount r m && says 'fusermount3 -uz'
mounted --replace-stale
diff -r "$digits/v1-baseline" m/v1 && grep -q '"id":"a"' m/eval/examples.jsonl || die "something is lost"
unmounted
expect 0 check r --read-data
