# SPDX-License-Identifier: Apache-2.0
# What was committed is there, byte for byte: names that are no UTF-8, with newlines, empty files and folders, times, sizes.
. "$(dirname "$0")/lib.sh"

mkdir -p 'in/sub/deep er' in/hollow in/a in/a-b
cp "$digits/v1-baseline/model.safetensors" in/sub/
head -c 3000001 /dev/urandom >'in/sub/deep er/noise'
head -c 131072 /dev/zero >in/zeros
: >in/empty
printf 'x' >"in/$(printf 'no utf-8 \377\376')"
printf 'y' >"in/$(printf 'two\nlines')"
printf 'z' >'in/-n;$(id)'
echo 1 >in/a/x && echo 2 >in/a-b/x && echo 3 >in/a.b
for i in $(seq 300); do echo "$i" >"in/hollow/../sub/file $i"; done
touch -d '2001-02-03 04:05:06.789012345 UTC' in/zeros in/hollow
touch -d '1969-12-31 23:59:58.5 UTC' in/empty

expect 0 init r
expect 0 commit r in -m strange
mounted
diff -r in m/v1 || die "bytes or names differ"
diff -r in m/latest/ || die "latest is not v1"
listing() { (cd "$1" && find . -printf '%P %y %s %T@\0' | grep -zav '^ ' | sed -z 's/ d [0-9]* / d /' | LC_ALL=C sort -z | tr '\0\n' '\n?') ; }
listing in >a && listing m/v1 >b && cmp a b || die "sizes or times differ"
[ "$(find m/v1 -type f ! -perm 444 | wc -l)" = 0 ] && [ "$(find m/v1 -type d ! -perm 555 | wc -l)" = 0 ] || die "modes"
tar -C m/v1 -cf - . | tar -C "$T" --transform 's,^\.,out,' -xf - && diff -r in out || die "tar differs"
mkdir cp && cp -r m/v1/. cp && diff -r in cp || die "cp differs"
[ "$(stat -c %i 'm/v1/a/x')" != "$(stat -c %i 'm/v1/a-b/x')" ] || die "two files have one inode"
refuses 'No such file' ls m/v1/nothing
refuses 'No such file' ls m/v2
refuses 'No such file' ls m/v01
refuses 'Not a directory' ls m/v1/empty/x
unmounted
