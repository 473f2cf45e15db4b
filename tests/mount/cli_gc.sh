# SPDX-License-Identifier: Apache-2.0
# gc frees what only removed versions needed, says how much before and after, and leaves the rest whole; rm --dry-run
# says what it would free.
[ -n "${MODELFS_NS:-}" ] || MODELFS_NS=1 exec unshare -m sh "$0"
. "$(dirname "$0")/cli.sh"
needs_fuse

expect 0 init r
expect 0 gc r && prints 'freed 0 B in 0 chunks'
mkdir a b m
head -c 3000000 /dev/urandom >a/x && cp a/x b/x && head -c 2000000 /dev/urandom >b/y
expect 0 commit r a -m a && expect 0 commit r b -m b
expect 0 rm r v1 --dry-run && prints 'gc would then free 0 B'
expect 0 rm r v2 --dry-run && prints 'gc would then free 2.0 MB'
before=$(du -sk r | cut -f1)
expect 0 rm r v2
expect 0 gc r --dry-run && prints 'would free 2.0 MB'
expect 0 gc r && prints 'freed 2.0 MB'
after=$(du -sk r | cut -f1)
[ $((before - after)) -gt 1900 ] || die "$before kB before, $after after"
expect 0 gc r --json && prints '"chunks":0,"bytes":0,'
expect 0 check r --read-data && prints whole
expect 0 export r v1 out1 && cmp a/x out1/x
expect 0 commit r b -m 'again' && expect 0 export r v3 out3 && cmp b/y out3/y && cmp b/x out3/x

# a command of a mounted repo, while a removed version is being read
expect 0 mount r m
exec 3<m/v3/y
dd bs=1000 count=1 <&3 of=begin 2>/dev/null
expect 0 rm r v3
expect 0 gc r && prints 'freed'
cat begin - <&3 | cmp - b/y || die "an open file lost its bytes"
exec 3<&-
expect 0 umount m
expect 0 gc r && expect 0 check r --read-data && prints whole
