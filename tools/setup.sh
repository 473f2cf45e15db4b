#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# setup.sh demo|check|lint: from a bare Debian 12 or 13 to a running modelfs. Installs the packages that are missing, brings ONNX Runtime,
# builds; then shows a repo of trained checkpoints (demo), runs all tests (check) or the linters (lint). Runs as root or with sudo,
# asks nothing, and can be run again.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
modelfs=$root/build/release/modelfs
build="make gcc libc6-dev pkg-config libfuse3-dev librocksdb-dev libzstd-dev libssl-dev libxxhash-dev libjansson-dev libminizip-dev
 libnanopb-dev libxgboost-dev liblapacke-dev libopenblas-serial-dev"

say() { echo "setup.sh: $*" >&2; }
die() {
    say "$*"
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "needs root or sudo to install packages"
    fi
}

apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -o Dpkg::Use-Pty=0 -qq "$@" >/dev/null </dev/null; }

# install PACKAGE…: those that the machine lacks; apt is not asked when it lacks none.
install() {
    missing=
    for p; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing="$missing $p"
    done
    [ -n "$missing" ] || return 0
    say "installs$missing"
    apt update || say "apt-get update failed; trying with the package lists there are"
    # shellcheck disable=SC2086
    apt install -y --no-install-recommends $missing || die "apt-get cannot install$missing"
}

# Everything but the evaluation of networks works without it, so not having it stops nothing.
onnxruntime() {
    sh "$root/tools/onnxruntime.sh" "$root/build/deps/onnxruntime" ||
        say "warning: no ONNX Runtime; reports will say so where a network should be evaluated"
}

compile() {
    # shellcheck disable=SC2086
    install $build "$@"
    onnxruntime
    say "builds"
    make -s -C "$root" -j"$(nproc)"
}

# show COMMAND…: as it would be typed, then what it prints.
show() {
    printf '\n$'
    for word; do
        case $word in
        "$modelfs") word=modelfs ;;
        *[!A-Za-z0-9_./:=@%+-]*) word="'$word'" ;;
        esac
        printf ' %s' "$word"
    done
    echo
    "$@"
}

demo() {
    dir=${TMPDIR:-/tmp}/modelfs-demo
    repo=$dir/digits.repo
    mnt=$dir/mnt
    data=$root/tests/data/digits
    # shellcheck disable=SC3067
    if [ -L "$dir" ] || { [ -e "$dir" ] && [ ! -O "$dir" ]; }; then die "$dir belongs to somebody else; set TMPDIR"; fi
    if mountpoint -q "$mnt" 2>/dev/null; then "$modelfs" umount "$mnt"; fi
    mkdir -p "$mnt"
    rm -rf "$repo"

    show "$modelfs" init "$repo"
    show "$modelfs" commit "$repo" "$data/v1-baseline" -m "baseline, 20 epochs"
    show "$modelfs" commit "$repo" "$data/v2-longer" -m "12 epochs more"
    show "$modelfs" commit "$repo" "$data/v3-finetune" -m "head tuned on shifted digits"
    show "$modelfs" commit "$repo" "$data/v4-lowrank" -m "LoRA on fc1 and fc2, merged"
    show "$modelfs" commit "$repo" "$data/v5-cast" -m "v4 in bf16"
    show "$modelfs" commit "$repo" "$data/v6-worse" --parent v4 -m "v4 tuned on the new rows"
    show "$modelfs" tag "$repo" prod v4
    show "$modelfs" add "$repo" "$data/examples.jsonl"

    if [ -w /dev/fuse ] && show "$modelfs" mount "$repo" "$mnt"; then
        show cp "$data/graph.onnx" "$mnt/eval/graph.onnx"
        show ls "$mnt"
        show cat "$mnt/diff/v4..v6/summary.txt"
        show cat "$mnt/eval/summary.txt"
        printf '\nThe repo is mounted at %s; unmount it with\n    "%s" umount "%s"\n' "$mnt" "$modelfs" "$mnt"
    else
        printf '\n/dev/fuse is missing or may not be used here, so nothing can be mounted: the same files without a mount.\n'
        show "$modelfs" put "$repo" eval/graph.onnx "$data/graph.onnx"
        show "$modelfs" ls "$repo" /
        show "$modelfs" cat "$repo" diff/v4..v6/summary.txt
        show "$modelfs" cat "$repo" eval/summary.txt
        printf '\nThe repo is %s\n' "$repo"
    fi
}

case ${1:-} in
demo)
    compile fuse3
    demo
    ;;
check)
    compile fuse3 check git python3 python3-numpy chromium
    make -s -C "$root" check
    ;;
lint)
    install make mandoc clang-format cppcheck git
    make -s -C "$root" lint
    ;;
*)
    echo "usage: setup.sh demo|check|lint" >&2
    exit 2
    ;;
esac
