# SPDX-License-Identifier: Apache-2.0
# The example of modelfs(5): a self-contained .onnx in each version needs nothing else; several inputs, of different lengths.
. "$(dirname "$0")/cli.sh"

tokens=$root/tests/data/tokens
expect 0 init r
expect 0 commit r "$tokens/v1-short" -m short
expect 0 commit r "$tokens/v2-long" -m long
expect 0 add r "$tokens/examples.jsonl" && prints '120 kept'
expect 0 eval r
for v in v1-short v2-long; do
    "$modelfs" cat r "eval/versions/${v%%-*}/predictions.csv" | cut -d, -f1,2 | sort >ours
    cut -d, -f1,2 "$tokens/expected/$v.csv" | sort | cmp - ours || die "$v: other predictions than PyTorch's"
done

# a row that the model cannot take is refused when it is added, with the name, type and shape that are wanted
bad() {
    echo "{\"input\":$1,\"label\":\"positive\"}" >bad.jsonl
    expect 5 add r bad.jsonl && says "$2"
}
bad '{"input_ids":[1,2]}' 'input "attention_mask": the row has no "attention_mask"'
bad '{"input_ids":[1.5],"attention_mask":[1]}' 'input "input_ids": 1.5 does not fit i64'
bad '{"input_ids":[[1],[2]],"attention_mask":[1,1]}' 'input "input_ids" i64 [?]: the row'"'"'s value has shape [2,1]'
bad '{"input_ids":["good"],"attention_mask":[1]}' 'input "input_ids": a text where a number is needed'
expect 0 eval r
