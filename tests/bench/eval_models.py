#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
eval_models.py rows DIGITS.jsonl N OUT        N rows by noise on the digits' pixels
eval_models.py versions MODEL.safetensors N OUT   N checkpoints that differ in a few weights
eval_models.py large OUT                      25 M parameters as a self-contained .onnx, and 640 rows (python3-torch)
eval_models.py script DIR ROWS VERSION...     the evaluation as a Python script: load, predict, compute (python3-torch)
"""
import json
import os
import random
import sys
import time


def rows(source, n, out):
    rng = random.Random(1)
    known = [json.loads(line) for line in open(source)]
    with open(out, "w") as f:
        for i in range(int(n)):
            row = known[i % len(known)]
            x = [min(16, max(0, v + rng.choice((-1, 0, 0, 1)))) for v in row["input"]["x"]]
            row = {"id": "r%06d" % i, "input": {"x": x}, "label": row["label"], "slices": row["slices"]}
            f.write(json.dumps(row, separators=(",", ":")) + "\n")


def versions(source, n, out):
    data = bytearray(open(source, "rb").read())
    config = open(os.path.join(os.path.dirname(source), "config.json")).read()
    for i in range(int(n)):
        path = os.path.join(out, "v%03d" % (i + 1))
        os.makedirs(path)
        data[len(data) - 4 * (i + 1)] ^= 0x15  # the low bits of one more weight
        open(os.path.join(path, "model.safetensors"), "wb").write(data)
        open(os.path.join(path, "config.json"), "w").write(config)


def large(out):
    import torch
    from torch import nn

    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data"))
    from train_sequences import Block

    class Net(nn.Module):
        def __init__(self, width=512, layers=12, vocabulary=1000):
            super().__init__()
            self.words = nn.Embedding(vocabulary, width)
            self.blocks = nn.ModuleList(Block(width, 8) for _ in range(layers))
            self.head = nn.Linear(width, 10)

        def forward(self, ids):
            x = self.words(ids)
            for block in self.blocks:
                x = block(x, 0.0)
            return self.head(x.mean(1))

    torch.manual_seed(0)
    os.makedirs(os.path.join(out, "version"), exist_ok=True)
    net = Net().train(False)
    torch.onnx.export(
        net, torch.zeros(2, 16, dtype=torch.int64), os.path.join(out, "version", "model.onnx"), input_names=["ids"],
        output_names=["logits"], dynamic_axes={"ids": {0: "batch", 1: "seq"}, "logits": {0: "batch"}}, opset_version=15,
        training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
    )  # fmt: skip
    rng = random.Random(2)
    with open(os.path.join(out, "rows.jsonl"), "w") as f:
        for _ in range(640):
            ids = [rng.randrange(1000) for _ in range(16)]
            f.write(json.dumps({"input": {"ids": ids}, "label": rng.randrange(10)}) + "\n")


def script(series, source, *names):
    sys.path.insert(0, series)
    import numpy as np
    import torch
    from sklearn import metrics
    from train_digits import Net
    from truth import read_safetensors

    torch.set_num_threads(1)
    begin = time.process_time()
    found = [json.loads(line) for line in open(source)]
    x = torch.tensor([r["input"]["x"] for r in found], dtype=torch.float32)
    y = np.array([int(r["label"]) for r in found])
    for name in names:
        net = Net()
        path = os.path.join(name, "model.safetensors")
        net.load_state_dict({k: torch.from_numpy(a.copy()) for k, (_, a, _) in read_safetensors(path).items()})
        net.eval()
        with torch.no_grad():
            p = torch.cat([net(b) for b in x.split(32)]).softmax(1).double().numpy()
        p /= p.sum(1, keepdims=True)
        metrics.accuracy_score(y, p.argmax(1)), metrics.log_loss(y, p), metrics.f1_score(y, p.argmax(1), average="macro")
    print("  a Python script with PyTorch and scikit-learn: %.2f s for %d versions" % (time.process_time() - begin, len(names)))


if __name__ == "__main__":
    {f.__name__: f for f in (rows, versions, large, script)}[sys.argv[1]](*sys.argv[2:])
