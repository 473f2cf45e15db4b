# SPDX-License-Identifier: Apache-2.0
# What the tests of commands share; sourced. They work in a private directory that is removed at the end.
set -eu
modelfs=${MODELFS:?the program under test}
root=$(cd "$(dirname "$0")/../.." && pwd)
digits=$root/tests/data/digits
unset SOURCE_DATE_EPOCH
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
trap 'exit 130' HUP INT TERM
cd "$T"

die() {
    echo "$0: $*" >&2
    [ ! -f "$T/out" ] || sed 's/^/out: /' "$T/out" >&2
    [ ! -f "$T/err" ] || sed 's/^/err: /' "$T/err" >&2
    exit 1
}

# expect CODE ARG…: runs modelfs; stdout and stderr are left in out and err. A failure is one line that names the verb, and at most a hint;
# success says nothing on stderr.
expect() {
    code=$1
    shift
    status=0
    "$modelfs" "$@" >"$T/out" 2>"$T/err" || status=$?
    [ $status = "$code" ] || die "modelfs $*: exit $status where $code was expected"
    case $code in
    0) [ ! -s "$T/err" ] || die "modelfs $*: success, with words on stderr" ;;
    1 | 2 | 4 | 5 | 10 | 11 | 12 | 13)
        [ "$code" = 1 ] && [ "$1" = diff ] && return
        head -n 1 "$T/err" | grep -q '^modelfs: ' || die "modelfs $*: no line that says what failed"
        [ "$(grep -vc '^hint: ' "$T/err")" = 1 ] || die "modelfs $*: more than one line"
        [ "$(grep -c '^hint: ' "$T/err")" -le 1 ] || die "modelfs $*: more than one hint"
        ;;
    esac
}

# says TEXT: in stderr of the last command; prints TEXT: in its stdout
says() { grep -qF -- "$1" "$T/err" || die "stderr lacks: $1"; }
prints() { grep -qF -- "$1" "$T/out" || die "stdout lacks: $1"; }

# For a test that mounts: in a namespace of its own, where nothing it mounts can be left behind. The first line of such a test is
#     [ -n "${MODELFS_NS:-}" ] || MODELFS_NS=1 exec unshare -m sh "$0"
needs_fuse() {
    [ -w /dev/fuse ] || { echo "no /dev/fuse" && exit 77; }
    trap 'umount -l "$T"/mnt* 2>/dev/null || true; rm -rf "$T"' EXIT
    mkdir mnt mnt2
}

# unmounts: expect 0 umount DIR, and the daemon of REPO had nothing to complain about (a sanitizer's report would be there).
unmounts() {
    expect 0 umount "$1"
    [ ! -s "$2/mount.log" ] || die "the daemon said: $(cat "$2/mount.log")"
}
