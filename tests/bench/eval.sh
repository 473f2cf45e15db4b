#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# eval.sh: the evaluation beside ONNX Runtime alone and beside a Python script, on the same rows. Prints; judges nothing.
#   MODELFS  the program      BENCH  its companion (tests/bench/eval.c)      ROWS, VERSIONS  10000, 50
# Needs python3; the large model and the script need python3-torch and python3-sklearn, and are left out without them.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
digits=$here/../data/digits
rows=${ROWS:-10000} versions=${VERSIONS:-50}
dir=$(mktemp -d "${TMPDIR:-/var/tmp}/modelfs-bench-eval-XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
models() { /usr/bin/python3 -B -W ignore "$here/eval_models.py" "$@"; }
modelfs() { "$MODELFS" "$@" >/dev/null; }

echo "modelfs bench-eval: $(awk -F': ' '/model name/{print $2; exit}' /proc/cpuinfo), one thread"
models rows "$digits/examples.jsonl" $((rows + 1)) "$dir/rows.jsonl"
head -n "$rows" "$dir/rows.jsonl" >"$dir/most.jsonl"

echo "the engine alone, and modelfs: the digits CNN"
modelfs init "$dir/one"
modelfs commit "$dir/one" "$digits/selfcontained" -m "CNN"
"$BENCH" engine "$dir/one" "$dir/most.jsonl" "$digits/selfcontained/model.onnx"

if /usr/bin/python3 -c 'import torch, onnx' 2>/dev/null; then
    echo "the engine alone, and modelfs: a transformer of 25 M parameters, 16 tokens a row"
    models large "$dir/large"
    modelfs init "$dir/two"
    modelfs commit "$dir/two" "$dir/large/version" -m "transformer"
    "$BENCH" engine "$dir/two" "$dir/large/rows.jsonl" "$dir/large/version/model.onnx"
fi

echo "growth: $rows rows, $versions versions of the digits CNN"
models versions "$digits/v1-baseline/model.safetensors" "$versions" "$dir/versions"
modelfs init "$dir/many"
modelfs put "$dir/many" eval/graph.onnx "$digits/graph.onnx"
for v in "$dir"/versions/*; do modelfs commit "$dir/many" "$v" -m "$(basename "$v")"; done
"$BENCH" growth "$dir/many" "$dir/rows.jsonl"
if /usr/bin/python3 -c 'import torch, sklearn' 2>/dev/null; then
    models script "$here/../data" "$dir/most.jsonl" "$dir"/versions/*
fi
