# SPDX-License-Identifier: Apache-2.0
# Wherever it is installed, the program finds the engine that was installed with it.
. "$(dirname "$0")/cli.sh"
lib=$root/build/deps/onnxruntime/lib/libonnxruntime.so.1
[ -f "$lib" ] || { echo "no ONNX Runtime" && exit 77; }
unset MODELFS_ONNXRUNTIME

mkdir -p x/bin x/lib/modelfs
cp "$modelfs" x/bin/modelfs
cp "$lib" x/lib/modelfs
modelfs=$T/x/bin/modelfs
expect 0 init r
expect 0 commit r "$digits/selfcontained" -m one
expect 0 cat r eval/status.txt && grep -q '^onnx *onnxruntime 1' out || die "the engine is not found"
