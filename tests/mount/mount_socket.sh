# SPDX-License-Identifier: Apache-2.0
# Whoever breaks the rules at the socket, stops reading or stays silent loses the connection and nothing else: the others are answered.
. "$(dirname "$0")/lib.sh"
python=${PYTHON:-/usr/bin/python3}
"$python" -c '' 2>/dev/null || { echo "no python3" && exit 77; }

expect 0 init r
mkdir in && head -c 8000000 /dev/urandom >in/noise
expect 0 commit r in -m one
mounted
cat >peers.py <<'PY'
import os, random, socket, struct, subprocess, sys, time

modelfs, rnd = sys.argv[1], random.Random(1)
REMOVE = 8
text = lambda s: struct.pack("<I", len(s)) + s
hello = b"Hmodelfs" + struct.pack("<II", 1, os.getpid()) + text(b"")

def ask(op, name=b"", length=0):
    return b"Q" + bytes([op]) + struct.pack("<Q", 0) + text(name) + text(b"") + struct.pack("<Q", length)

def peer(greets=True):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(20)
    s.connect("r/sock")
    if greets:
        s.send(hello)
        assert s.recv(70000)[:8] == b"Hmodelfs"
    return s

def others(after):
    end = time.monotonic() + 10  # while the places of those who left are being cleared
    while True:
        p = subprocess.run([modelfs, "log", "r"], capture_output=True)
        if p.returncode == 0 or time.monotonic() > end:
            break
    assert p.returncode == 0 and p.stdout.startswith(b"v1"), (after, p)

for i in range(150):
    s = peer(i % 4)
    frame = bytearray(ask(rnd.choice([n for n in range(20) if n != REMOVE]), rnd.choice([b"v1", b"v9", b"../../x", b"a" * 16000]),
                          rnd.choice([0, 1, 1 << 28, 1 << 63, (1 << 64) - 1])))
    if i % 3 == 0:
        frame[rnd.randrange(len(frame))] = rnd.randrange(256)
    if i % 5 == 0:
        frame = os.urandom(rnd.randrange(1, 3000))
    try:
        s.send(bytes(frame))
        s.send(b"B" + os.urandom(rnd.randrange(1, 500)))
    except (BrokenPipeError, ConnectionResetError):
        pass
    s.close()
others("garbage")

stuck = [peer() for i in range(5)]
for s in stuck:
    s.send(ask(12, b"v1/noise"))  # CAT
    assert s.recv(70000)[:1] == b"D"
others("readers that stop")

crowd = []
try:
    for i in range(200):
        s = peer(False)
        s.send(hello)
        crowd.append(s)
except (BlockingIOError, BrokenPipeError):
    pass
assert len(crowd) > 32
for s in crowd:
    s.close()
others("a crowd")
os.kill(int(sys.argv[2]), 0)
PY
"$python" peers.py "$modelfs" $daemon || die "see above"
cmp in/noise m/v1/noise
unmounted
