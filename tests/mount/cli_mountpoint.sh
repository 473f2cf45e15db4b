# SPDX-License-Identifier: Apache-2.0
# mount and umount: what a mountpoint must be, one mount a repo, who keeps it busy, a daemon that was killed.
[ -n "${MODELFS_NS:-}" ] || MODELFS_NS=1 exec unshare -m sh "$0"
. "$(dirname "$0")/cli.sh"
needs_fuse

expect 0 init r && expect 0 init s
expect 0 commit r "$digits/v1-baseline" -m one
touch file
expect 1 mount r nowhere && says 'nowhere: No such file'
expect 1 mount r file && says 'not a directory'
expect 10 mount nowhere mnt && says 'no store there'
mkdir r/inside && expect 5 mount r r/inside
expect 1 umount mnt && says 'no model repo is mounted there'

expect 0 mount r mnt
expect 11 mount r mnt2 && says "mounted at $T/mnt"
expect 13 mount s mnt && says 'mounted there already'
expect 13 mount r mnt

exec 3<mnt/v1/config.json
expect_busy() {
    status=0
    "$modelfs" umount mnt >out 2>err || status=$?
    [ $status = 13 ] && says "$$" && says 'open file' || die "exit $status"
}
expect_busy
exec 3<&-
unmounts mnt r
expect 0 mount r mnt2 && unmounts mnt2 r

# a namespace made while it was mounted keeps a copy of the mount; the repo is free all the same
expect 0 mount r mnt
mkfifo held
unshare -m sh -c 'echo >held; read line <held' &
read line <held
unmounts mnt r
expect 0 mount r mnt2 --no-wait && unmounts mnt2 r
echo >held && wait $!

# killed: every access is an error, never an empty directory; the next mount heals it
"$modelfs" mount -f r mnt &
until [ -e mnt/v1 ]; do kill -0 $! || die "no mount"; done
kill -9 $!
wait $! 2>/dev/null || true
ls mnt/v1 >out 2>err && die "a dead mount lists something"
says 'not connected'
expect 13 mount r mnt && says 'daemon is gone'
expect 0 mount r mnt --replace-stale && cmp mnt/v1/config.json "$digits/v1-baseline/config.json"
exec 3<mnt/v1/config.json
expect 0 umount mnt --lazy
exec 3<&-
