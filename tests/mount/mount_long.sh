# SPDX-License-Identifier: Apache-2.0
# A long life: memory and descriptors of the daemon do not grow with what is opened, read, listed, looked up in vain and appended.
. "$(dirname "$0")/lib.sh"

expect 0 init r
mkdir in && for i in $(seq 400); do echo "$i" >in/f$i; done
cp "$digits/v1-baseline/model.safetensors" in
expect 0 commit r in -m one
expect 0 commit r in -m two
mounted -o cache=1M
turn() {
    ls -lR m >/dev/null
    cat m/v?/* m/tensors/v1/*.npy m/*.txt m/info/v?/* m/diff/*/*.csv >/dev/null
    for k in 1 2 3 4 5; do [ ! -e m/v1/none$1-$k ] && [ ! -e m/diff/v1..none$k ] && [ ! -e m/eval/none$k ]; done
    ln -sfn ../v$((1 + $1 % 2)) m/tags/prod && readlink m/diff/v1..prod >/dev/null
    row $1 $1 >>m/eval/examples.jsonl
    echo "{\"headline\":\"accuracy\"}" >m/eval/spec.json
    echo 2 >/proc/sys/vm/drop_caches 2>/dev/null || :
}
rss() { awk '/^RssAnon/ { print $2 }' /proc/$daemon/status; }
fds() { ls /proc/$daemon/fd | wc -l; }
i=0
while [ $i -lt 30 ]; do
    turn $i
    i=$((i + 1))
    [ $i != 10 ] || early=$(rss) open=$(fds)
done
[ "$(fds)" -le $((open + 4)) ] || die "$(fds) descriptors are open, $open were after a third" # RocksDB's tables come and go
case $modelfs in */asan/* | */tsan/*) early=$((early * 100)) ;; esac # these keep what is freed
[ "$(rss)" -le $((early * 12 / 10 + 4096)) ] || die "$(rss) kB of memory, $early after a third"
unmounted
