# SPDX-License-Identifier: Apache-2.0
# The examples of modelfs(5): versions that hold weights alone, and one graph for all of them in eval/graph.onnx; weights are found by
# name, whatever wrapper they were saved in. Where PyTorch is installed modelfs-graph makes such a graph and proves it.
. "$(dirname "$0")/cli.sh"

# as_pytorch REPO VERSION FILE: every prediction is the one PyTorch made
as_pytorch() {
    "$modelfs" cat "$1" "eval/versions/$2/predictions.csv" | cut -d, -f1,2 | sort >ours
    cut -d, -f1,2 "$3" | sort | cmp -s - ours || die "$2: other predictions than PyTorch's"
}

expect 0 init r
expect 0 commit r "$digits/v1-baseline" -m one
mkdir v && cp "$digits/pt/model.pt" "$digits/v1-baseline/config.json" v && expect 0 commit r v -m "the same as a state dict"
expect 0 commit r "$digits/v5-cast" -m "in bf16"
expect 0 add r "$digits/examples.jsonl"
expect 5 eval r v1 && says 'weights without a graph' && says 'eval/graph.onnx for all versions'
expect 0 put r eval/graph.onnx "$digits/graph.onnx"
expect 0 eval r
as_pytorch r v1 "$digits/expected/v1-baseline.csv"
as_pytorch r v2 "$digits/expected/v1-baseline.csv"
as_pytorch r v3 "$digits/expected/v5-cast.csv"

periods=$root/tests/data/periods
expect 0 init lstm
expect 0 commit lstm "$periods/v1-short" -m one
expect 0 put lstm eval/graph.onnx "$periods/graph.onnx"
expect 0 add lstm "$periods/examples.jsonl" && prints '90 kept'
expect 0 eval lstm
expect 0 put r eval/graph.onnx "$periods/graph.onnx" # of another model
expect 5 eval r v1 && says 'the version has no tensor "lstm.weight_ih_l0" (4 of the graph'

[ -n "$(/usr/bin/python3 -c 'import torch, onnx; print(1)' 2>/dev/null)" ] || exit 0
cat >mymodule.py <<'END'
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(50, 8)
        self.lstm = nn.LSTM(8, 16, batch_first=True)
        self.head = nn.Linear(16, 3)

    def forward(self, ids):
        return self.head(self.lstm(self.words(ids))[0].mean(1))

def build_model():
    return Net(), {"ids": torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]])}
END
/usr/bin/python3 -c 'import torch, mymodule; torch.save(mymodule.Net().state_dict(), "weights.pt")'
graph() { /usr/bin/python3 -W ignore "$root/tools/modelfs-graph" --output logits --dynamic ids:1 "$@" >out 2>err; }
export MODELFS="$modelfs"
graph -o graph.onnx --version weights.pt mymodule:build_model || die "modelfs-graph fails"
prints '7 weights by name' && prints 'on rows like the examples'
! grep -aq "$PWD" graph.onnx || die "the graph names a path of this machine"
sed -i 's/nn.Linear(16, 3)/nn.Linear(16, 4)/' mymodule.py
! graph -o other.onnx --version weights.pt mymodule:build_model || die "weights of another shape pass"
says 'head.weight is [3, 16] in the version, [4, 16] in the graph'
