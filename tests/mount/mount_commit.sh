# SPDX-License-Identifier: Apache-2.0
# A commit, a tag and a removed version show in the mount when the command returns, although the kernel keeps names.
. "$(dirname "$0")/lib.sh"

expect 0 init r
expect 0 commit r "$digits/v1-baseline" -m one
mounted
ls m m/diff m/tensors >/dev/null
[ ! -e m/v2 ] && [ ! -e m/diff/v1..v2 ]
expect 0 commit r "$digits/v2-longer" -m two
[ "$(cd m && echo v*)" = "v1 v2" ] && [ "$(readlink m/latest)" = v2 ] && diff -r "$digits/v2-longer" m/v2 || die "not there"
[ "$(ls m/diff)" = v1..v2 ] && [ "$(ls m/tensors)" = "$(printf 'v1\nv2')" ]
expect 0 tag r prod v1
[ "$(readlink m/tags/prod)" = ../v1 ] && diff -r "$digits/v1-baseline" m/tags/prod/
[ "$(readlink m/diff/prod..latest)" = v1..v2 ] && [ "$(readlink m/diff/v2..prod)" = v2..v1 ] && [ -d m/diff/v2..v1 ]
expect 0 tag r prod v2
[ "$(readlink m/tags/prod)" = ../v2 ] && [ "$(readlink m/diff/v1..prod)" = v1..v2 ] || die "the tag has not moved"
expect 0 tag r -d prod && [ ! -e m/tags/prod ] && [ ! -e m/diff/v1..prod ]
exec 3<m/v1/model.safetensors
expect 0 rm r v1
[ ! -e m/v1 ] && [ ! -e m/tensors/v1 ] && [ ! -e m/diff/v1..v2 ] && [ "$(cd m && echo v*)" = v2 ] || die "v1 is still there"
cmp - "$digits/v1-baseline/model.safetensors" <&3 || die "an open file went away"
exec 3<&-
unmounted
