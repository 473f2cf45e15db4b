# SPDX-License-Identifier: Apache-2.0
# What was committed comes out again: bytes, strange names, folders, times.
. "$(dirname "$0")/cli.sh"

mkdir -p 'in/sub/deep er' in/hollow
cp "$digits/v1-baseline/model.safetensors" in/sub/
head -c 700000 /dev/urandom >'in/sub/deep er/noise'
: >in/empty
printf 'x' >"in/$(printf 'no utf-8 \377\376')"
printf 'y' >"in/$(printf 'two\nlines')"
printf 'z' >'in/-n;$(id)'
ln -s sub/model.safetensors in/linked.safetensors
chmod 755 in/empty
touch -d '2001-02-03 04:05:06.789012345 UTC' in/sub/model.safetensors 'in/sub/deep er' in/hollow

listing() { (cd "$1" && find . ! -name . -printf '%P %y %s %T@\0' | grep -zav ' d ' | sort -z | tr '\0\n' '\n?') ; }

expect 0 init r
expect 0 commit r in -m "strange names"
expect 0 export r v1 got
cp -rL --preserve=timestamps in want
diff -r want got || die "bytes differ"
listing want >a && listing got >b && cmp a b || die "names, sizes or times differ"
[ "$(stat -c %y in/hollow)" = "$(stat -c %y got/hollow)" ] || die "a folder's time differs"
[ -x got/empty ] && [ ! -x got/sub/model.safetensors ] || die "modes differ"

expect 1 export r v1 got && says 'is not empty'
mkdir there && expect 0 export r latest there && diff -r want there
