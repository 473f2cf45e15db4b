# SPDX-License-Identifier: Apache-2.0
# A client that is killed leaves nothing behind in a mounted repo: the daemon sweeps what it had staged.
[ -n "${MODELFS_NS:-}" ] || MODELFS_NS=1 exec unshare -m sh "$0"
. "$(dirname "$0")/cli.sh"
needs_fuse

expect 0 init r
expect 0 mount r mnt
mkdir in && head -c 3000000 /dev/urandom >in/a.bin && truncate -s 1G in/weights.bin
"$modelfs" commit r in -m killed >out 2>err &
pid=$!
until [ -n "$(ls r/staging)" ]; do kill -0 $pid || die "it ended before it staged anything"; done
kill -9 $pid
wait $pid 2>/dev/null || true
until [ -z "$(ls r/staging)" ]; do :; done # the test's time limit ends a wait in vain
expect 0 log r && [ ! -s out ] || die "there is a version"
expect 0 commit r "$digits/v1-baseline" -m one && [ -d mnt/v1 ]
unmounts mnt r
