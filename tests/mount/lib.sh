# SPDX-License-Identifier: Apache-2.0
# What the tests of the mount share; sourced. The repo is r, the mount is m, the daemon's words are in daemon.err. The daemon stays in the
# foreground, so that its exit status after unmounting is seen: a sanitizer's complaint fails the test.
. "$(dirname "$0")/cli.sh"
[ -c /dev/fuse ] || { echo "no /dev/fuse" && exit 77; }
r=$T/r m=$T/m daemon=
mkdir m

clean_up() {
    status=$?
    trap - EXIT
    set +e
    cd /
    if [ -n "$daemon" ]; then
        umount -l "$m" 2>/dev/null
        kill -9 "$daemon" 2>/dev/null
    fi
    [ $status = 0 ] || [ $status = 77 ] || [ ! -f "$T/daemon.err" ] || sed 's/^/daemon: /' "$T/daemon.err" >&2
    umount "$T/disk" 2>/dev/null
    rm -rf --one-file-system "$T"
    exit $status
}
trap clean_up EXIT

is_dead() { grep -qs '^State:[[:space:]]*Z' /proc/$daemon/status || [ ! -e /proc/$daemon ]; }

# mounted [OPTION…]: starts the daemon and returns when it is alive AND mounted
mounted() {
    "$modelfs" mount -f "$@" "$r" "$m" >daemon.out 2>daemon.err &
    daemon=$!
    until mountpoint -q "$m" && [ -r "$m/README.txt" ]; do
        is_dead && die "the daemon ended before it was mounted"
        sleep 0.02
    done
}

# ended [STATUS]: the daemon is gone, or will be, with that exit status, and nothing is mounted
ended() {
    status=0
    wait "$daemon" || status=$?
    [ $status = "${1:-0}" ] || die "the daemon's exit status is $status"
    daemon=
    ! mountpoint -q "$m" || die "still mounted"
}

unmounted() {
    "$modelfs" umount "$m" || die "umount: exit $?"
    ended
}

# refuses ERROR COMMAND…: it fails with the words of that errno
refuses() {
    words=$1
    shift
    ! LC_ALL=C "$@" >refused 2>&1 || die "$* worked"
    grep -qF -- "$words" refused || die "$*: $(cat refused), where $words was expected"
}

row() { printf '{"id":"%s","input":{"x":%s},"label":"%s"}\n' "$1" "$2" "${3:-a}"; }
