#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh TEST…: runs executables and *.sh scripts one after the other. Each gets a line with its time in seconds; the output of a failing
# one follows its line. Exit status 0 passes, 77 is a skip (its last line says why), anything else fails; so does a test that is still
# running after TEST_TIMEOUT seconds. In CI (CI set) a skip is a failure.
set -u
[ $# -gt 0 ] || { echo "run.sh: no tests given" >&2; exit 1; }

log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
trap 'exit 130' HUP INT TERM
passed=0 failed=0 skipped=0

for test; do
    begin=$(date +%s%N)
    case $test in
    *.sh) timeout -k 10 "${TEST_TIMEOUT:-300}" sh "$test" >"$log" 2>&1 </dev/null ;;
    *) timeout -k 10 "${TEST_TIMEOUT:-300}" "$test" >"$log" 2>&1 </dev/null ;;
    esac
    status=$?
    ms=$((($(date +%s%N) - begin) / 1000000))
    time=$(printf '%3d.%02d' $((ms / 1000)) $((ms % 1000 / 10)))
    case $status in
    0) passed=$((passed + 1)) && echo "pass $time  $test" ;;
    77) skipped=$((skipped + 1)) && echo "skip $time  $test: $(tail -n 1 "$log")" ;;
    *)
        failed=$((failed + 1))
        case $status in 124 | 137) why="timed out or killed" ;; *) why="status $status" ;; esac
        echo "FAIL $time  $test: $why"
        sed 's/^/    /' "$log"
        ;;
    esac
done

if [ $skipped -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ $failed = 0 ] && { [ $skipped = 0 ] || [ -z "${CI:-}" ]; }
