# SPDX-License-Identifier: Apache-2.0
# A file that cannot be read as what its name says is kept byte for byte; every report of its version is readable and says what is wrong.
[ -n "${MODELFS_NS:-}" ] || MODELFS_NS=1 exec unshare -m sh "$0"
. "$(dirname "$0")/cli.sh"
needs_fuse

expect 0 init r
expect 0 commit r "$digits/v1-baseline" "$digits/pt/model.pt" "$digits/selfcontained/model.onnx" -m whole
expect 0 mount r mnt
v=1
# bad NAME REASON COMMAND…: what it prints, committed under NAME, is refused for REASON
bad() {
    name=$1 reason=$2 v=$((v + 1))
    shift 2
    rm -rf in && mkdir in && "$@" >"in/$name"
    expect 0 commit r in -m "$name: $reason"
    cmp "in/$name" "mnt/v$v/$name"
    tr -s '\n ' ' ' <mnt/info/v$v/summary.txt >text
    grep -qF -- "$reason" text || die "$name: $(cat mnt/info/v$v/summary.txt)"
    for pair in v1..v$v v$v..v1; do
        cat mnt/diff/$pair/* >text || die "$pair: unreadable"
    done
    cat mnt/info/v$v/* >>text && ls -R mnt/tensors/v$v >>text || die "v$v: unreadable"
    ! tr -d '\n' <text | LC_ALL=C grep -q '[[:cntrl:]]' || die "v$v: control bytes in its reports"
}
deep() { head -c 100000 /dev/zero | tr '\0' '['; }
bad model.safetensors 'header length 18446744073709551615 exceeds' printf '\377\377\377\377\377\377\377\377{}'
bad model.safetensors '1 bytes after the last tensor' printf '\002\0\0\0\0\0\0\0{}X'
bad model.safetensors 'dimension 0 is not an unsigned' \
    printf 'B\0\0\0\0\0\0\0{"\\\\u001b[2J":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}   a'
bad model.safetensors 'exceeds' deep
bad model.pt 'zip' head -c 100000 "$digits/pt/model.pt"
bad model.pt 'zip' printf 'not a zip'
bad model.onnx 'a broken tag' printf '\377\377\377\377\377\377\377\377\377\377\001'
bad model.onnx 'a length past' printf ':\377\377\377\377\377\377\377\377\177'
bad model.json 'nested deeper' deep
bad model.ubj 'UBJSON: ' printf '{L\0\0\0\0\0\0\0\007learner[$d#l\177\377\377\377aaaaaaaaaa}'

# a type of the newest ONNX, 4 bits wide, is no reason not to read the others
v=$((v + 1))
printf '\010\010:\015*\013\010\003\020\026J\002abB\001q' >in/model.onnx && rm -f in/model.ubj
expect 0 commit r in -m int4
grep -q '^q,model.onnx,?,3,3,2,[0-9a-f]' mnt/info/v$v/tensors.csv || die "$(cat mnt/info/v$v/*)"
unmounts mnt r
expect 0 check r --read-data
