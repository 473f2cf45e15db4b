# SPDX-License-Identifier: Apache-2.0
# A command waits for another that has the repo open and says so; with --no-wait it exits 11 at once.
. "$(dirname "$0")/cli.sh"

expect 0 init r
head -c 1000000 /dev/urandom >big.bin
expect 0 commit r big.bin -m one
mkfifo pipe words
"$modelfs" cat r v1/big.bin >pipe & # blocks with the store open: nobody reads on
holder=$!
exec 3<pipe
dd bs=1 count=1 <&3 >byte 2>/dev/null # its first byte: the store is open

expect 11 log r --no-wait
says "in use by process $holder"

"$modelfs" log r >log 2>words &
waiter=$!
exec 4<words
read -r line <&4
case $line in "modelfs: log "*"waiting: in use by process $holder"*) ;; *) die "said: $line" ;; esac
[ ! -s log ] || die "it did not wait"
cat <&3 >rest
wait $holder || die "cat failed"
wait $waiter || die "log failed after waiting"
[ "$(wc -l <log)" = 1 ] || die "log has not one line"
cat byte rest | cmp - big.bin
