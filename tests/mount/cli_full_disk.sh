# SPDX-License-Identifier: Apache-2.0
# A full disk is an error to the command that meets it; what was acknowledged before stays, and later commits work.
[ -n "${MODELFS_NS:-}" ] || MODELFS_NS=1 exec unshare -m sh "$0"
. "$(dirname "$0")/cli.sh"

mkdir disk && mount -t tmpfs -o size=16m none disk
trap 'umount -l "$T/disk" || true; rm -rf "$T"' EXIT
expect 0 init disk/r
expect 0 commit disk/r "$digits/v1-baseline" -m one
head -c 30000000 /dev/urandom >big.bin
expect 1 commit disk/r big.bin -m "too big" && says 'No space left on device'
[ -z "$(ls disk/r/staging)" ] || die "something is left in staging/"
expect 0 log disk/r && [ "$(wc -l <out)" = 1 ] || die "not one version"
expect 0 commit disk/r "$digits/v2-longer" -m two
expect 0 check disk/r --read-data
mkdir small && mount -t tmpfs -o size=64k none small
trap 'umount -l "$T/disk" "$T/small" || true; rm -rf "$T"' EXIT
expect 1 export disk/r v1 small/out && says 'No space left on device'
[ ! -e small/out ] || die "half an export is left"
expect 1 init small/r
[ -z "$(ls -A small)" ] || die "half a repo is left"
