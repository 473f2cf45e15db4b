# SPDX-License-Identifier: Apache-2.0
# SIGTERM, SIGINT and SIGHUP unmount within 5 seconds, also under load and with files open; nothing acknowledged is lost.
. "$(dirname "$0")/lib.sh"

expect 0 init r
head -c 20000000 /dev/urandom >noise
expect 0 commit r noise -m one
n=0
for signal in TERM INT HUP; do
    mounted
    exec 3<m/v1/noise 4>>m/eval/examples.jsonl
    dd bs=1k count=10 <&3 status=none | cmp -n 10240 - noise
    (while cat m/v1/noise && cat m/log.txt; do :; done >/dev/null 2>&1) &
    row $signal $n >&4
    n=$((n + 1))
    kill -$signal "$daemon"
    timeout 5 tail --pid="$daemon" -f /dev/null || die "SIG$signal: it is there after 5 seconds"
    ended
    exec 3<&- 4>&-
done
expect 0 cat r eval/examples.jsonl && [ "$(wc -l <out)" = 3 ] || die "a row is lost"
