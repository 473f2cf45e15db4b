# SPDX-License-Identifier: Apache-2.0
# eval/trend.svg as a browser shows it, light and dark: the background, the curve and its intervals, what the set did, text that is drawn.
. "$(dirname "$0")/lib.sh"

command -v chromium >/dev/null || { echo "no chromium" && exit 77; }
mkdir a b
echo one >a/w.bin && echo two >b/w.bin
expect 0 init r
for i in $(seq 80); do
    row q$i $i $([ $((i % 2)) = 0 ] && echo even || echo odd)
    echo "q$i,$([ $((i % 2)) = 0 ] && echo even || echo odd)" >>right
    echo "q$i,$([ $((i % 3)) = 0 ] && [ $i -lt 60 ] && echo even || echo odd)" >>poor
done >rows.jsonl
(echo id,prediction && cat poor) >poor.csv
(echo id,prediction && cat right) >right.csv
head -n 40 rows.jsonl >first.jsonl
expect 0 add r first.jsonl
expect 0 commit r a -m one
expect 0 add r rows.jsonl
expect 0 commit r b -m two
expect 0 predictions r v1 poor.csv
expect 0 predictions r v2 right.csv
mounted
cp m/eval/trend.svg "m/diff/v1..v2/summary.txt" .
unmounted
grep -q "  40 rows were added since E1.1; they alone .* v1's score by" summary.txt || die "$(cat summary.txt)"

shot() { # shot light|dark: colours of the picture and how many pixels have them
    dark= && [ "$1" = light ] || dark=--blink-settings=preferredColorScheme=0
    chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --hide-scrollbars --user-data-dir="$T/profile" $dark --window-size=960,580 \
        --screenshot="$T/$1.png" "file://$T/trend.svg" >chromium.out 2>&1 || die "$(cat chromium.out)"
    python3 - "$1.png" <<'P' >"$1.colours"
import collections, struct, sys, zlib
b = open(sys.argv[1], "rb").read()
at, data = 8, b""
while at < len(b):
    n, kind = struct.unpack(">I4s", b[at:at + 8])
    if kind == b"IHDR":
        w, h, _, colour = struct.unpack(">IIBB", b[at + 8:at + 18])
    if kind == b"IDAT":
        data += b[at + 8:at + 8 + n]
    at += 12 + n
raw, each = zlib.decompress(data), {2: 3, 6: 4}[colour]
wide, above, seen = w * each, bytearray(w * each), collections.Counter()
for y in range(h):
    how, line = raw[y * (wide + 1)], bytearray(raw[y * (wide + 1) + 1:(y + 1) * (wide + 1)])
    for i in range(wide):
        left, corner = (line[i - each], above[i - each]) if i >= each else (0, 0)
        e = left + above[i] - corner
        paeth = min((abs(e - left), 0, left), (abs(e - above[i]), 1, above[i]), (abs(e - corner), 2, corner))[2]
        line[i] = line[i] + (0, left, above[i], (left + above[i]) // 2, paeth)[how] & 255
    for x in range(w):
        seen[line[x * each:x * each + 3].hex()] += 1
    above = line
for c, n in seen.items():
    print(c, n)
P
}
# has MODE COLOUR LEAST: so many pixels of that colour
has() { n=$(sed -n "s/^$2 //p" $1.colours) && [ "${n:-0}" -ge $3 ] || die "$1: ${n:-no} pixels of $2, where at least $3 were expected"; }
shot light
has light ffffff 400000 && has light 0969da 1000 && has light bc4c00 50 && has light 1f2328 100
shot dark
has dark 0d1117 400000 && has dark 58a6ff 1000 && has dark f0883e 50 && has dark e6edf3 100
! grep -q '^ffffff [0-9]\{4\}' dark.colours || die "white in the dark"
