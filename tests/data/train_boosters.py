#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""breast_cancer/, diabetes/, iris/ and objectives/: boosted trees of XGBoost, some continued from the version before."""
import os

import numpy as np
import xgboost
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris

import truth


def split(n, held_out, seed):
    order = np.random.RandomState(seed).permutation(n)
    return order[held_out:], order[:held_out]


def train(series, version, file, matrix, rounds, parent=None, labels=None, **parameters):
    """parent: the file of a version to go on from; its trees stay the first ones."""
    path = truth.folder(series, version)
    parameters = {"nthread": 1, "seed": 1, **parameters}
    start = os.path.join(truth.HERE, series, parent) if parent else None
    booster = xgboost.train(parameters, matrix, num_boost_round=rounds, xgb_model=start)
    booster.save_model(os.path.join(path, file))
    more = {"parent": parent.split("-")[0]} if parent else {}
    truth.config(path, labels, rounds=booster.num_boosted_rounds(), **parameters, **more)


def predict(series, version, file, matrix):
    booster = xgboost.Booster({"nthread": 1}, model_file=os.path.join(truth.HERE, series, version, file))
    return booster.predict(matrix)


def named(names, values):
    return {name: float(v) for name, v in zip(names, values)}


def breast_cancer():
    series, labels = "breast_cancer", ["benign", "malignant"]
    truth.fresh(series)
    data = load_breast_cancer()
    names, y = list(data.feature_names), 1 - data.target  # scikit-learn's 0 is malignant
    fit, held_out = split(len(y), 200, 11)
    matrix = xgboost.DMatrix(data.data[fit], y[fit], feature_names=names)
    few = {"objective": "binary:logistic", "max_depth": 2, "eta": 0.2, "subsample": 0.8}
    train(series, "v1-10-rounds", "model.ubj", matrix, 10, labels=labels, **few)
    train(series, "v2-60-rounds", "model.ubj", matrix, 50, "v1-10-rounds/model.ubj", labels, **few)
    other = {"objective": "binary:logistic", "max_depth": 4, "eta": 0.1, "colsample_bytree": 0.5, "min_child_weight": 3}
    train(series, "v3-retrained", "model.json", matrix, 40, labels=labels, **other)

    middle = np.median(data.data[fit, names.index("mean radius")])
    rows = [
        {
            "id": "bc-%03d" % n,
            "input": named(names, data.data[i]),
            "label": labels[y[i]],
            "slices": ["radius=large" if data.data[i, names.index("mean radius")] > middle else "radius=small"],
            "source": {"kind": "sample"},
        }
        for n, i in enumerate(held_out, 1)
    ]
    truth.write_rows(os.path.join(truth.HERE, series, "examples.jsonl"), rows)
    matrix = xgboost.DMatrix(data.data[held_out], feature_names=names)
    files = {"v1-10-rounds": "model.ubj", "v2-60-rounds": "model.ubj", "v3-retrained": "model.json"}
    positive = {v: predict(series, v, f, matrix).astype(np.float64) for v, f in files.items()}
    truth.record(series, rows, {v: np.stack([1 - p, p], 1) for v, p in positive.items()}, labels)


def diabetes():
    series = "diabetes"
    truth.fresh(series)
    data = load_diabetes(scaled=False)
    names, y = list(data.feature_names), data.target
    fit, held_out = split(len(y), 180, 13)
    matrix = xgboost.DMatrix(data.data[fit], y[fit], feature_names=names)
    train(series, "v1-deep", "model.ubj", matrix, 40, objective="reg:squarederror", max_depth=5, eta=0.2)
    train(series, "v2-shallow", "model.ubj", matrix, 80, objective="reg:squarederror", max_depth=2, eta=0.08)
    rows = [
        {
            "id": "db-%03d" % n,
            "input": named(names, data.data[i]),
            "label": float(y[i]),
            "slices": ["sex=%d" % data.data[i, names.index("sex")]],
            "source": {"kind": "sample"},
        }
        for n, i in enumerate(held_out, 1)
    ]
    truth.write_rows(os.path.join(truth.HERE, series, "examples.jsonl"), rows)
    matrix = xgboost.DMatrix(data.data[held_out], feature_names=names)
    versions = "v1-deep", "v2-shallow"
    truth.record(series, rows, {v: predict(series, v, "model.ubj", matrix) for v in versions})


def iris():
    series = "iris"
    truth.fresh(series)
    data = load_iris()
    names, labels, y = list(data.feature_names), [str(name) for name in data.target_names], data.target
    fit, held_out = split(len(y), 75, 19)
    matrix = xgboost.DMatrix(data.data[fit], y[fit], feature_names=names)
    parameters = {"objective": "multi:softprob", "num_class": 3, "max_depth": 2, "eta": 0.3}
    train(series, "v1-3-rounds", "model.json", matrix, 3, labels=labels, **parameters)
    train(series, "v2-20-rounds", "model.ubj", matrix, 17, "v1-3-rounds/model.json", labels, **parameters)
    rows = [
        {"id": "i-%03d" % n, "input": named(names, data.data[i]), "label": labels[y[i]], "source": {"kind": "sample"}}
        for n, i in enumerate(held_out, 1)
    ]
    truth.write_rows(os.path.join(truth.HERE, series, "examples.jsonl"), rows)
    matrix = xgboost.DMatrix(data.data[held_out], feature_names=names)
    files = {"v1-3-rounds": "model.json", "v2-20-rounds": "model.ubj"}
    truth.record(series, rows, {v: predict(series, v, f, matrix) for v, f in files.items()}, labels)


OBJECTIVES = {
    "reg:squarederror": 1, "reg:logistic": 0, "reg:gamma": 1, "count:poisson": 1, "binary:logistic": 0,
    "binary:logitraw": 0, "binary:hinge": 0, "multi:softmax": 0, "multi:softprob": 0, "rank:pairwise": 1,
}  # fmt: skip


def objectives():
    """One small booster for each kind of objective; a fifth of the values is missing. Features have no names."""
    series = "objectives"
    path = truth.fresh(series)
    data = load_diabetes(scaled=False)
    x, y = data.data[:, 2:7].copy(), data.target
    x[np.random.RandomState(23).rand(*x.shape) < 0.2] = np.nan
    fit, held_out = split(len(y), 12, 29)
    rows = [{"id": "o-%02d" % n, "input": {"x": [None if np.isnan(v) else float(v) for v in x[i]]}, "label": float(y[i])}
            for n, i in enumerate(held_out, 1)]  # fmt: skip
    truth.write_rows(os.path.join(path, "examples.jsonl"), rows)
    classes = np.digitize(y, [100, 200])
    for objective, number in OBJECTIVES.items():
        label = y / 100 if number else classes if objective[:5] == "multi" else classes > 0
        matrix = xgboost.DMatrix(x[fit], label[fit])
        if objective == "rank:pairwise":
            matrix = xgboost.DMatrix(x[fit], classes[fit])
            matrix.set_group([10] * (len(fit) // 10))
        more = {"num_class": 3} if objective[:5] == "multi" else {}
        name = objective.replace(":", "-")
        booster = xgboost.train({"nthread": 1, "seed": 1, "objective": objective, "max_depth": 2, **more}, matrix, 3)
        booster.save_model(os.path.join(path, name + ".ubj"))
        p = booster.predict(xgboost.DMatrix(x[held_out])).reshape(len(held_out), -1)
        with open(os.path.join(path, name + ".csv"), "w") as f:
            f.write("".join(",".join(truth.g9(v) for v in row) + "\n" for row in p))


if __name__ == "__main__":
    breast_cancer()
    diabetes()
    iris()
    objectives()
