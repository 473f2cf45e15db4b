# SPDX-License-Identifier: Apache-2.0
# A file that changes while it is read stops its commit, and nothing of it is kept.
. "$(dirname "$0")/cli.sh"

expect 0 init r
mkdir in && truncate -s 1G in/weights.bin # sparse: long to read, nothing to write
"$modelfs" commit r in -m changing >out 2>err &
pid=$!
until ls -l /proc/$pid/fd 2>/dev/null | grep -q weights.bin; do
    kill -0 $pid 2>/dev/null || die "the commit ended before it could be disturbed"
done
printf x >>in/weights.bin
status=0
wait $pid || status=$?
[ $status = 1 ] || die "exit $status"
says 'weights.bin: changed while it was read'
[ -z "$(ls r/staging)" ] || die "something is left in staging/"
expect 0 log r && [ ! -s out ] || die "there is a version"
