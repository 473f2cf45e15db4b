#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""switch/: one repo that moves from boosted trees to a network; task, rows and labels stay the same (scikit-learn's wine)."""
import os

import numpy as np
import torch
import xgboost
from sklearn.datasets import load_wine
from torch import nn

import truth
from train_boosters import named, predict, split, train

SERIES, LABELS = "switch", ["class_0", "class_1", "class_2"]


class Net(nn.Module):
    """Raw features (batch, 13) -> probabilities (batch, 3); what standardises the features is part of the model."""

    def __init__(self, mean, std):
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.fc1 = nn.Linear(13, 16)
        self.fc2 = nn.Linear(16, 3)

    def logits(self, x):
        return self.fc2(torch.relu(self.fc1((x - self.mean) / self.std)))

    def forward(self, x):
        return self.logits(x).softmax(1)


def train_network(x, y):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = Net(x.mean(0), x.std(0))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net.logits(x), y).backward()
        optimizer.step()
    path = truth.folder(SERIES, "v3-network")
    truth.config(path, LABELS, model_type="mlp", epochs=60, lr=0.01)
    torch.onnx.export(
        net.eval(),
        torch.zeros(2, 13),
        os.path.join(path, "model.onnx"),
        input_names=["x"],
        output_names=["probabilities"],
        dynamic_axes={"x": {0: "batch"}, "probabilities": {0: "batch"}},
    )
    return net


def main():
    truth.fresh(SERIES)
    data = load_wine()
    names, y = list(data.feature_names), data.target
    fit, held_out = split(len(y), 90, 17)
    matrix = xgboost.DMatrix(data.data[fit], y[fit], feature_names=names)
    parameters = {"objective": "multi:softprob", "num_class": 3, "max_depth": 2, "eta": 0.3}
    train(SERIES, "v1-booster", "model.ubj", matrix, 3, labels=LABELS, **parameters)
    train(SERIES, "v2-booster-longer", "model.ubj", matrix, 17, "v1-booster/model.ubj", LABELS, **parameters)
    x = torch.tensor(data.data, dtype=torch.float32)
    net = train_network(x[fit], torch.tensor(y[fit]))

    rows = [
        {"id": "w-%03d" % n, "input": named(names, data.data[i]), "label": LABELS[y[i]], "source": {"kind": "sample"}}
        for n, i in enumerate(held_out, 1)
    ]
    truth.write_rows(os.path.join(truth.HERE, SERIES, "examples.jsonl"), rows)
    models = [
        {"match": "model.ubj", "engine": "xgboost"},
        {
            "match": "model.onnx",
            "engine": "onnx",
            "inputs": {"x": ["input." + name for name in names]},
            "output": "probabilities",
        },
    ]
    spec = {"models": models, "task": "classification", "labels": LABELS, "headline": "accuracy"}
    truth.write_json(os.path.join(truth.HERE, SERIES, "spec.json"), spec)
    matrix = xgboost.DMatrix(data.data[held_out], feature_names=names)
    versions = {v: predict(SERIES, v, "model.ubj", matrix) for v in ("v1-booster", "v2-booster-longer")}
    with torch.no_grad():
        versions["v3-network"] = net(x[held_out]).numpy()
    truth.record(SERIES, rows, versions, LABELS)


if __name__ == "__main__":
    main()
