# SPDX-License-Identifier: Apache-2.0
# Where a repo cannot be mounted is said before anything happens.
. "$(dirname "$0")/lib.sh"

expect 0 init r
expect 0 commit r "$digits/v1-baseline" -m one
expect 10 mount nowhere m
expect 1 mount r nowhere
: >file && expect 1 mount r file && says 'not a directory'
mkdir r/inside && expect 5 mount r r/inside && says 'inside the repo' && rmdir r/inside
mounted
grep " $m fuse.modelfs " /proc/mounts | grep nosuid | grep nodev | grep -q noexec || die "$(grep "$m" /proc/mounts)"
expect 13 mount r m && says 'already'
mkdir other && expect 11 mount r other && says "$m"
unmounted
expect 1 umount m
mkdir 'a, b\c' && "$modelfs" mount r 'a, b\c' && diff -r "$digits/v1-baseline" 'a, b\c/v1' && "$modelfs" umount 'a, b\c' || die "a name with a comma"
