#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""digits/: six versions of a small convolutional network for scikit-learn's 8x8 digits, trained with PyTorch."""
import copy
import os

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

import truth

LABELS = [str(d) for d in range(10)]


class Net(nn.Module):
    """Raw pixels 0..16, (batch, 64) -> logits (batch, 10)."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.fc1 = nn.Linear(512, 64)
        self.fc2 = nn.Linear(64, 64)
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        h = (x / 16).reshape(-1, 1, 8, 8)
        h = torch.relu(self.norm(self.conv1(h)))
        h = torch.max_pool2d(torch.relu(self.conv2(h)), 2).flatten(1)
        return self.head(torch.relu(self.fc2(torch.relu(self.fc1(h)))))


def train(net, x, y, epochs, lr, parameters=None, statistics=False, seed=0):
    """statistics: whether batch norm goes on learning its mean and variance. Returns the optimizer and the last loss."""
    order = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(list(parameters or net.parameters()), lr=lr, momentum=0.9)
    net.train()
    net.norm.train(statistics)
    for _ in range(epochs):
        for batch in torch.randperm(len(x), generator=order).split(32):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
    net.eval()
    return optimizer, loss.item()


def train_low_rank(net, x, y, epochs, lr, rank, layers):
    """LoRA: W + B A with only A and B trained, merged into W at the end."""
    for p in net.parameters():
        p.requires_grad_(False)
    factors = []
    for layer in layers:
        nn.utils.parametrize.register_parametrization(layer, "weight", LowRank(layer.weight.shape, rank))
        factors += list(layer.parametrizations.weight[0].parameters())
    _, loss = train(net, x, y, epochs, lr, factors)
    for layer in layers:
        nn.utils.parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    for p in net.parameters():
        p.requires_grad_(True)
    return loss


class LowRank(nn.Module):
    def __init__(self, shape, rank):
        super().__init__()
        self.a = nn.Parameter(torch.randn(rank, shape[1]) / shape[1] ** 0.5)
        self.b = nn.Parameter(torch.zeros(shape[0], rank))

    def forward(self, w):
        return w + self.b @ self.a


def shifted(x, y):
    """Each digit also moved by one pixel to the left and to the right."""
    grid = x.reshape(-1, 8, 8)
    left, right = torch.zeros_like(grid), torch.zeros_like(grid)
    left[:, :, :-1], right[:, :, 1:] = grid[:, :, 1:], grid[:, :, :-1]
    return torch.cat([grid, left, right]).reshape(-1, 64), y.repeat(3)


def save(net, version, x, y, bf16=False, **config):
    path = truth.folder("digits", version)
    tensors = {}
    for name, t in net.state_dict().items():
        if not t.is_floating_point():
            tensors[name] = ("I64", t.numpy())
        elif bf16:
            tensors[name] = ("BF16", t.bfloat16().view(torch.int16).numpy())
        else:
            tensors[name] = ("F32", t.numpy())
    truth.write_safetensors(os.path.join(path, "model.safetensors"), tensors)
    truth.config(path, LABELS, model_type="digits-cnn", input=[64], **config)
    with torch.no_grad():
        right = (net(x).argmax(1) == y).float().mean().item()
        loss = nn.functional.cross_entropy(net(x), y).item()
    truth.write_json(
        os.path.join(path, "metrics.json"), {"train_rows": len(x), "train_accuracy": right, "train_loss": loss}
    )


def load(version):
    """The file as it was written, bf16 decoded to f32: what its predictions are recorded from."""
    state = {}
    path = os.path.join(truth.HERE, "digits", version, "model.safetensors")
    for name, (dtype, bits, _) in truth.read_safetensors(path).items():
        if dtype == "BF16":
            bits = (bits.astype(np.uint32) << 16).view(np.float32)
        state[name] = torch.from_numpy(bits.copy())
    net = Net()
    net.load_state_dict(state)
    return net.eval()


def export_graphs():
    """selfcontained/model.onnx, and the same graph without weights: its initializers point into v1's model.safetensors."""
    truth.config(truth.folder("digits", "selfcontained"), LABELS, model_type="digits-cnn", parent="v1")
    path = os.path.join(truth.HERE, "digits", "selfcontained", "model.onnx")
    torch.onnx.export(
        load("v1-baseline"),
        torch.zeros(2, 64),
        path,
        do_constant_folding=False,
        training=torch.onnx.TrainingMode.PRESERVE,
        input_names=["x"],
        output_names=["logits"],
        dynamic_axes={"x": {0: "batch"}, "logits": {0: "batch"}},
    )
    weights = os.path.join(truth.HERE, "digits", "v1-baseline", "model.safetensors")
    truth.without_weights(path, os.path.join(truth.HERE, "digits", "graph.onnx"), weights)


def make_rows(x, y, pool, held_out, thick):
    """The held-out sample, then what v1 gets wrong in the pool: must-pass where v2 gets it right."""

    def row(i, **more):
        stroke = "thick" if x[i].sum() > thick else "thin"
        return {
            "input": {"x": [int(v) for v in x[i]]},
            "label": LABELS[y[i]],
            "slices": ["digit=" + LABELS[y[i]], "stroke=" + stroke],
            **more,
        }

    rows = [{"id": "d-%04d" % n, **row(i, source={"kind": "sample"})} for n, i in enumerate(held_out, 1)]
    with torch.no_grad():
        v1, v2 = (load(v)(x[pool]).argmax(1) for v in ("v1-baseline", "v2-longer"))
    wrong = [k for k, i in enumerate(pool) if v1[k] != y[i]]
    for n, k in enumerate(wrong, 1):
        i, pred = pool[k], LABELS[v1[k]]
        more = {"tags": ["must-pass"]} if v2[k] == y[i] else {}
        source = {"kind": "failure", "version": "v1", "pred": pred}
        reason = "v1 reads this %s as %s" % (LABELS[y[i]], pred)
        rows.append({"id": "f-%04d" % n, **row(i, source=source, reason=reason, **more)})
    return rows


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(0)
    truth.fresh("digits")
    data = load_digits()
    x, y = torch.tensor(data.data, dtype=torch.float32), torch.tensor(data.target)
    order = np.random.RandomState(7).permutation(len(x))
    held_out, pool, rest = order[:360], order[360:560], order[560:]
    few = rest[:200]  # what there was at first; the rest came in later, without a single 8
    fx, fy = x[few], y[few]

    net = Net()
    optimizer, _ = train(net, fx, fy, 20, 0.02, statistics=True)
    save(net, "v1-baseline", fx, fy, epochs=20, lr=0.02)
    pt = truth.folder("digits", "pt")
    torch.save(net.state_dict(), os.path.join(pt, "model.pt"))
    torch.save(
        {"model": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 20}, os.path.join(pt, "checkpoint.pt")
    )

    train(net, fx, fy, 12, 0.02, statistics=True, seed=1)
    save(net, "v2-longer", fx, fy, epochs=32, lr=0.02, parent="v1")

    ax, ay = shifted(fx, fy)
    train(net, ax, ay, 8, 0.02, net.head.parameters(), seed=2)
    save(net, "v3-finetune", ax, ay, epochs=8, lr=0.02, parent="v2", trained=["head"], augmentation="shift")

    train_low_rank(net, ax, ay, 4, 0.02, 4, [net.fc1, net.fc2])
    save(net, "v4-lowrank", ax, ay, epochs=4, lr=0.02, parent="v3", lora={"r": 4, "target_modules": ["fc1", "fc2"]})
    save(net, "v5-cast", ax, ay, bf16=True, parent="v4", torch_dtype="bfloat16")

    later = rest[y[rest] != 8]
    train(net, x[later], y[later], 4, 0.003, statistics=True, seed=3)
    save(net, "v6-worse", x[later], y[later], epochs=4, lr=0.003, parent="v4")

    export_graphs()
    rows = make_rows(x, y, pool, held_out, float(x[rest].sum(1).median()))
    truth.write_rows(os.path.join(truth.HERE, "digits", "examples.jsonl"), rows)
    inputs = torch.tensor([r["input"]["x"] for r in rows], dtype=torch.float32)
    versions = sorted(d for d in os.listdir(os.path.join(truth.HERE, "digits")) if d[0] == "v")
    with torch.no_grad():
        truth.record("digits", rows, {v: load(v)(inputs).softmax(1) for v in versions}, LABELS)


if __name__ == "__main__":
    main()
