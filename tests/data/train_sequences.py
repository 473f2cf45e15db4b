#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
tokens/ and periods/: sequences of different lengths, through PyTorch's exporter. tokens: a transformer over token ids with a
mask, one self-contained .onnx a version. periods: an LSTM over measurements, weights and one graph for all.
"""
import math
import os

import numpy as np
import torch
from torch import nn

import truth


WORDS = "the a this that it was is not never very quite food film room good great fine bad poor awful dull".split()
LABELS = ["negative", "positive"]


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x, bias):
        n, t, w = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(n, t, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
        a = (q @ k.transpose(-1, -2) / math.sqrt(w // self.heads) + bias).softmax(-1)
        x = x + self.out((a @ v).transpose(1, 2).reshape(n, t, w))
        return x + self.down(torch.relu(self.up(self.norm2(x))))


class Transformer(nn.Module):
    """ids (batch, seq) int64, mask (batch, seq) of 1 and 0 -> logits (batch, 2)."""

    def __init__(self, width=24, heads=2, layers=2, longest=24):
        super().__init__()
        self.words = nn.Embedding(len(WORDS), width)
        self.places = nn.Parameter(torch.randn(longest, width) * 0.1)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 2)

    def forward(self, input_ids, attention_mask):
        kept = attention_mask.to(torch.float32)
        bias = ((1 - kept) * -1e4)[:, None, None, :]
        x = self.words(input_ids) + self.places[: input_ids.shape[1]]
        for block in self.blocks:
            x = block(x, bias)
        pooled = (self.norm(x) * kept[:, :, None]).sum(1) / kept.sum(1, keepdim=True)
        return self.head(pooled)


def sentences(n, seed):
    """Word numbers and whether praise outweighs blame; "not" and "never" turn the next of the two around."""
    rng = np.random.RandomState(seed)
    found = []
    while len(found) < n:
        ids = [int(i) for i in rng.randint(0, len(WORDS), rng.randint(3, 21))]
        score, sign = 0, 1
        for i in ids:
            if WORDS[i] in ("not", "never"):
                sign = -sign
            elif i >= WORDS.index("good"):
                score += sign * (1 if i < WORDS.index("bad") else -1)
                sign = 1
        if score:
            found.append((ids, int(score > 0)))
    return found


def padded(rows):
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.int64)
    mask = torch.zeros(len(rows), longest, dtype=torch.int64)
    for i, (words, _) in enumerate(rows):
        ids[i, : len(words)] = torch.tensor(words)
        mask[i, : len(words)] = 1
    return ids, mask, torch.tensor([label for _, label in rows])


def fit(net, batches, epochs, lr):
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    net.train()
    for _ in range(epochs):
        for inputs, wanted, loss in batches:
            optimizer.zero_grad()
            loss(net(*inputs), wanted).backward()
            optimizer.step()
    return net.eval()


def alone(net, *inputs):
    """One row as its own batch: no padding, whose effect on the last bits is nobody's truth."""
    with torch.no_grad():
        return net(*(i[None] for i in inputs))[0]


def tokens():
    series = "tokens"
    truth.fresh(series)
    train, held_out = sentences(3000, 1), sentences(120, 2)
    batches = []
    for at in range(0, len(train), 50):
        ids, mask, wanted = padded(train[at : at + 50])
        batches.append(((ids, mask), wanted, nn.functional.cross_entropy))
    net, predictions = Transformer(), {}
    for version, epochs in ("v1-short", 2), ("v2-long", 14):
        fit(net, batches, epochs, 0.003)
        path = truth.folder(series, version)
        truth.config(path, LABELS, model_type="transformer", vocabulary=WORDS, epochs=epochs, lr=0.003)
        axes = {"input_ids": {0: "batch", 1: "seq"}, "attention_mask": {0: "batch", 1: "seq"}, "logits": {0: "batch"}}
        ids, mask, _ = padded(train[:2])
        torch.onnx.export(
            net, (ids, mask), os.path.join(path, "model.onnx"), input_names=["input_ids", "attention_mask"],
            output_names=["logits"], dynamic_axes=axes, opset_version=15,
        )
        predictions[version] = [
            alone(net, torch.tensor(ids), torch.ones(len(ids), dtype=torch.int64)).softmax(0).numpy() for ids, _ in held_out
        ]
    rows = [
        {
            "id": "t-%03d" % n,
            "input": {"input_ids": ids, "attention_mask": [1] * len(ids)},
            "label": LABELS[label],
            "slices": ["words=few" if len(ids) <= 10 else "words=many"],
            "source": {"kind": "sample"},
        }
        for n, (ids, label) in enumerate(held_out, 1)
    ]
    truth.write_rows(os.path.join(truth.HERE, series, "examples.jsonl"), rows)
    truth.record(series, rows, predictions, LABELS)


class Lstm(nn.Module):
    """series (batch, time, 2): a noisy wave and its time step -> the wave's period, (batch, 1)."""

    def __init__(self, width=16):
        super().__init__()
        self.lstm = nn.LSTM(2, width, batch_first=True)
        self.head = nn.Linear(width, 1)

    def forward(self, series):
        return self.head(self.lstm(series)[0].mean(1)) * 4 + 10


def waves(n, seed):
    rng = np.random.RandomState(seed)
    found = []
    for _ in range(n):
        period, step, phase = rng.uniform(4, 16), rng.uniform(0.5, 1.5), rng.uniform(0, 2 * math.pi)
        t = step * np.arange(rng.randint(12, 41))
        wave = np.sin(2 * math.pi * t / period + phase) + rng.normal(0, 0.1, len(t))
        rows = np.stack([wave, np.full(len(t), step)], 1).round(3).astype(np.float32)
        found.append((rows, round(float(period), 3)))
    return found


def periods():
    series = "periods"
    truth.fresh(series)
    train, held_out = waves(600, 3), waves(90, 4)
    by_length = {}
    for wave, period in train:
        by_length.setdefault(len(wave), []).append((wave, period))
    batches = [
        (
            (torch.from_numpy(np.stack([w for w, _ in group])),),
            torch.tensor([[p] for _, p in group]),
            nn.functional.mse_loss,
        )
        for group in by_length.values()
    ]
    net, predictions = Lstm(), {}
    for version, epochs in ("v1-short", 20), ("v2-long", 60):
        fit(net, batches, epochs, 0.005)
        path = truth.folder(series, version)
        truth.config(path, None, model_type="lstm", epochs=epochs, lr=0.005)
        tensors = {name: ("F32", t.numpy()) for name, t in net.state_dict().items()}
        truth.write_safetensors(os.path.join(path, "model.safetensors"), tensors)
        predictions[version] = [alone(net, torch.from_numpy(w))[0].item() for w, _ in held_out]
    path = os.path.join(truth.HERE, series, "graph.onnx")
    torch.onnx.export(
        net, torch.from_numpy(train[0][0])[None], path, input_names=["series"], output_names=["period"],
        dynamic_axes={"series": {0: "batch", 1: "time"}, "period": {0: "batch"}}, do_constant_folding=False,
        training=torch.onnx.TrainingMode.PRESERVE, opset_version=15,
    )
    truth.without_weights(path, path, os.path.join(truth.HERE, series, "v1-short", "model.safetensors"))
    rows = [
        {
            "id": "p-%03d" % n,
            "input": {"series": [[float("%.3f" % x) for x in step] for step in wave]},
            "label": period,
            "source": {"kind": "sample"},
        }
        for n, (wave, period) in enumerate(held_out, 1)
    ]
    truth.write_rows(os.path.join(truth.HERE, series, "examples.jsonl"), rows)
    truth.record(series, rows, predictions)


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(0)
    tokens()
    periods()


if __name__ == "__main__":
    main()
