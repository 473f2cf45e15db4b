#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""series.py OUT [--dim N] [--layers N] [--steps N]: a labelled series of checkpoints of one really trained transformer.

A byte-level language model learns the machine's own Python library (present wherever this script runs), then is
saved, continued, fine-tuned and converted in the ways that users do. Each directory under OUT is one version; its
name says what happened, so that a test can hold a diff's words against it:

  base-f32         the first save                         continued-f32    trained on
  base-bf16        the same values rounded to bf16        base-f16         … to f16
  full-f32         all weights fine-tuned on other text   frozen-f32       only the last block and the head
  lora-f32         rank-8 update merged into attention    base-int8        linear weights as int8 with row scales
  adamw            base-f32 and its optimizer's state, as a .pt training checkpoint

About two minutes on two cores with the defaults (10.9 M parameters). Needs Debian's python3-torch.
"""
import argparse
import glob
import json
import os
import struct

import torch
from torch import nn
from torch.nn import functional as F

NAMES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16", torch.int8: "I8"}


def save(path, tensors):
    """safetensors: u64 length, JSON header, data."""
    header, data, at = {}, [], 0
    for name, t in tensors.items():
        raw = t.detach().contiguous().view(torch.int16 if t.dtype == torch.bfloat16 else t.dtype).numpy().tobytes()
        header[name] = {"dtype": NAMES[t.dtype], "shape": list(t.shape), "data_offsets": [at, at + len(raw)]}
        data.append(raw)
        at += len(raw)
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head)
        for raw in data:
            f.write(raw)


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.up, self.down = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x, mask):
        n, t, d = x.shape
        q, k, v = (y.view(n, t, self.heads, -1).transpose(1, 2) for y in self.qkv(self.norm1(x)).chunk(3, -1))
        w = (q @ k.transpose(-1, -2) / (d // self.heads) ** 0.5).masked_fill(mask, float("-inf")).softmax(-1)
        x = x + self.out((w @ v).transpose(1, 2).reshape(n, t, d))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Model(nn.Module):
    def __init__(self, dim, layers, context):
        super().__init__()
        self.token, self.position = nn.Embedding(256, dim), nn.Embedding(context, dim)
        self.layers = nn.ModuleList(Block(dim, dim // 32) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, 256)

    def forward(self, x):
        t = x.shape[1]
        mask = torch.ones(t, t, dtype=torch.bool).triu(1)
        x = self.token(x) + self.position(torch.arange(t))
        for layer in self.layers:
            x = layer(x, mask)
        return self.head(self.norm(x))


def text(pattern, limit):
    out = bytearray()
    for path in sorted(glob.glob(pattern)):
        with open(path, "rb") as f:
            out += f.read()
        if len(out) > limit:
            break
    return torch.tensor(list(out[:limit]), dtype=torch.uint8)


def train(model, data, steps, lr, seed, optimizer=None, context=128, batch=8):
    generator = torch.Generator().manual_seed(seed)
    optimizer = optimizer or torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=lr)
    loss = None
    for _ in range(steps):
        at = torch.randint(len(data) - context - 1, (batch,), generator=generator)
        x = torch.stack([data[i : i + context + 1] for i in at]).long()
        loss = F.cross_entropy(model(x[:, :-1]).flatten(0, 1), x[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"  loss {loss.item():.3f}", flush=True)
    return optimizer


class Lora(nn.Module):
    """y = base(x) + (alpha/r) x A^T B^T; merged() is the one matrix that does the same."""

    def __init__(self, base, rank=8, alpha=16):
        super().__init__()
        self.base, self.scale = base, alpha / rank
        self.a = nn.Parameter(torch.randn(rank, base.in_features) / rank)
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x):
        return self.base(x) + self.scale * (x @ self.a.T @ self.b.T)

    def merged(self):
        return self.base.weight + self.scale * self.b @ self.a


def quantised(state):
    out = {}
    for name, w in state.items():
        if w.dim() == 2 and "token" not in name and "position" not in name:
            scale = w.abs().amax(1) / 127
            out[name] = (w / scale[:, None]).round().clamp(-127, 127).to(torch.int8)
            out[name + "_scale"] = scale
        else:
            out[name] = w
    return out


def main():
    arg = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arg.add_argument("out")
    arg.add_argument("--dim", type=int, default=384)
    arg.add_argument("--layers", type=int, default=6)
    arg.add_argument("--steps", type=int, default=60)
    o = arg.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(2)
    library = text("/usr/lib/python3*/[a-m]*.py", 3_000_000)
    other = text("/usr/lib/python3*/[n-z]*.py", 1_000_000)

    def put(name, tensors, **config):
        save(f"{o.out}/{name}/model.safetensors", tensors)
        with open(f"{o.out}/{name}/config.json", "w") as f:
            json.dump({"model_type": "bytes-transformer", "dim": o.dim, "layers": o.layers, **config}, f, indent=1, sort_keys=True)
            f.write("\n")
        print(name, flush=True)

    def model_of(state):
        m = Model(o.dim, o.layers, 128)
        m.load_state_dict(state)
        return m

    model = Model(o.dim, o.layers, 128)
    optimizer = train(model, library, o.steps, 3e-4, 1)
    base = {k: v.detach().clone() for k, v in model.state_dict().items()}
    put("base-f32", base, steps=o.steps, lr=3e-4)
    put("base-bf16", {k: v.bfloat16() for k, v in base.items()}, steps=o.steps, lr=3e-4)
    put("base-f16", {k: v.half() for k, v in base.items()}, steps=o.steps, lr=3e-4)
    put("base-int8", quantised(base), steps=o.steps, lr=3e-4)
    os.makedirs(f"{o.out}/adamw", exist_ok=True)
    torch.save({"model": base, "optimizer": optimizer.state_dict(), "step": o.steps}, f"{o.out}/adamw/checkpoint.pt")
    print("adamw", flush=True)

    train(model, library, o.steps // 2, 3e-4, 2, optimizer)
    put("continued-f32", model.state_dict(), steps=o.steps * 3 // 2, lr=3e-4)

    model = model_of(base)
    train(model, other, o.steps // 3, 1e-4, 3)
    put("full-f32", model.state_dict(), steps=o.steps // 3, lr=1e-4)

    model = model_of(base)
    for name, p in model.named_parameters():
        p.requires_grad = name.startswith((f"layers.{o.layers - 1}.", "norm.", "head."))
    train(model, other, o.steps // 3, 1e-3, 4)
    put("frozen-f32", model.state_dict(), steps=o.steps // 3, lr=1e-3)

    model = model_of(base)
    for p in model.parameters():
        p.requires_grad = False
    for layer in model.layers:
        layer.qkv, layer.out = Lora(layer.qkv), Lora(layer.out)
    train(model, other, o.steps // 3, 1e-3, 5)
    merged = dict(base)
    for i, layer in enumerate(model.layers):
        merged[f"layers.{i}.qkv.weight"] = layer.qkv.merged().detach()
        merged[f"layers.{i}.out.weight"] = layer.out.merged().detach()
    put("lora-f32", merged, steps=o.steps // 3, lr=1e-3, lora_rank=8)


if __name__ == "__main__":
    main()
