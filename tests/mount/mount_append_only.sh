# SPDX-License-Identifier: Apache-2.0
# Rows are never written over, cut, moved or removed; versions are read-only.
. "$(dirname "$0")/lib.sh"

expect 0 init r
expect 0 commit r "$digits/v1-baseline" -m one
mounted
e=m/eval/examples.jsonl f=m/v1/config.json
row a 1 >>$e && cp $e before
for op in "sh -c :>$e" "truncate -s 0 $e" "truncate -s 100 $e" "dd if=before of=$e conv=notrunc" "rm -f $e" "mv $e m/eval/other" \
    "touch $e" "chmod 777 $e" "cp before $e"; do
    refuses 'Operation not permitted' $op
done
cp before m/eval/scratch
refuses 'Operation not permitted' mv -f m/eval/scratch $e
rm m/eval/scratch
refuses 'Operation not permitted' fallocate -l 1M $e
for op in "touch m/x" "touch $f" "rm -f $f" "mv $f m/v1/y" "mkdir m/v1/d" "ln $f m/v1/y" "ln -s x m/v1/y" "chmod 777 $f" "truncate -s 0 $f" \
    "mkfifo m/p" "rm -f m/log.txt" "rmdir m/v1" "mv m/v1 m/v2" "cp before $f" "mkdir m/eval/d"; do
    refuses 'Read-only file system' $op
done
cmp $e before && diff -r "$digits/v1-baseline" m/v1 || die "something changed"
unmounted
