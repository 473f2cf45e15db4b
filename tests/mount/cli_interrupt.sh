# SPDX-License-Identifier: Apache-2.0
# Ctrl-C during a commit: exit 130, nothing staged, no version; the next one works.
. "$(dirname "$0")/cli.sh"

expect 0 init r
mkdir in && truncate -s 1G in/weights.bin && head -c 300000 /dev/urandom >in/a.bin
env --default-signal=INT "$modelfs" commit r in -m interrupted >out 2>err & # a script's jobs ignore it otherwise
pid=$!
until ls -l /proc/$pid/fd 2>/dev/null | grep -q weights.bin; do
    kill -0 $pid 2>/dev/null || die "the commit ended before it could be interrupted"
done
kill -INT $pid
status=0
wait $pid || status=$?
[ $status = 130 ] || die "exit $status"
says 'interrupted'
[ -z "$(ls r/staging)" ] || die "something is left in staging/"
expect 0 log r && [ ! -s out ] || die "there is a version"
expect 0 commit r in/a.bin -m "the next"
expect 0 check r --read-data
