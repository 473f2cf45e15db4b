# SPDX-License-Identifier: Apache-2.0
"""What the training scripts share: rows, checkpoints as files, and the record of what is true of them."""
import csv
import json
import os
import shutil

import numpy as np
import onnx
from sklearn import metrics

HERE = os.path.dirname(os.path.abspath(__file__))


def folder(*parts):
    path = os.path.join(HERE, *parts)
    os.makedirs(path, exist_ok=True)
    return path


def fresh(series):
    shutil.rmtree(os.path.join(HERE, series), ignore_errors=True)
    return folder(series)


def write_json(path, value):
    with open(path, "w") as f:
        f.write(json.dumps(value, indent=1) + "\n")


def config(path, labels, **more):
    """config.json: the labels in the order of the model's outputs, and how it was trained."""
    names = {"id2label": dict(enumerate(labels))} if labels else {}
    write_json(os.path.join(path, "config.json"), {**names, **more})


def write_rows(path, rows):
    with open(path, "w") as f:
        for row in rows:
            f.write(json.dumps(row, separators=(",", ":")) + "\n")


# ---- safetensors: 8 bytes little-endian length, JSON header, raw tensors ----


def write_safetensors(path, tensors):
    """tensors: name -> (dtype as the format writes it, numpy array of the stored bits)."""
    header, blobs, at = {"__metadata__": {"format": "pt"}}, [], 0
    for name in sorted(tensors, key=lambda n: (-tensors[n][1].itemsize, n)):  # widest first keeps all aligned
        dtype, array = tensors[name]
        blob = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text + b"".join(blobs))


def read_safetensors(path):
    """name -> (dtype, array of the stored bits, offset in the file)."""
    bits = {"F32": "<f4", "I64": "<i8", "BF16": "<u2"}
    with open(path, "rb") as f:
        data = f.read()
    start = 8 + int.from_bytes(data[:8], "little")
    tensors = {}
    for name, t in json.loads(data[8:start]).items():
        if name != "__metadata__":
            a, b = t["data_offsets"]
            array = np.frombuffer(data[start + a : start + b], bits[t["dtype"]]).reshape(t["shape"])
            tensors[name] = (t["dtype"], array, start + a)
    return tensors


def without_weights(source, target, weights):
    """The graph of source with its initializers pointing into the safetensors file, by name."""
    model, stored = onnx.load(source), read_safetensors(weights)
    for tensor in model.graph.initializer:
        _, array, offset = stored[tensor.name]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in ("location", "model.safetensors"), ("offset", offset), ("length", array.nbytes):
            tensor.external_data.add(key=key, value=str(value))
    with open(target, "wb") as f:
        f.write(model.SerializeToString())


# ---- the truth: predictions of every row, scores over the rows that a score is made of ----


def g9(x):
    return "%.9g" % x


def cohort(row):
    if "must-pass" in row.get("tags", []):
        return "must-pass"  # must never break again
    return "failures" if row["source"]["kind"] == "failure" else "core"


def groups(rows):
    """(cohort, slice, indices) of the rows that a score is made of; "" is all rows of the cohort."""
    for name in "core", "failures", "must-pass":
        at = [i for i, r in enumerate(rows) if cohort(r) == name]
        if at:
            yield name, "", at
    core = [i for i, r in enumerate(rows) if cohort(r) == "core"]
    for name in sorted({s for i in core for s in rows[i].get("slices", [])}):
        yield "core", name, [i for i in core if name in rows[i]["slices"]]


def class_scores(y, p, whole):
    """y: (n,) class indices; p: (n, k) probabilities. Of two classes the second is the positive one."""
    pred, k = p.argmax(1), p.shape[1]
    yield "accuracy", metrics.accuracy_score(y, pred)
    if not whole:
        return
    classes = list(range(k))
    yield "log_loss", metrics.log_loss(y, p, labels=classes)
    yield "macro_f1", metrics.f1_score(y, pred, average="macro", labels=classes)
    if k == 2:
        yield "auroc", metrics.roc_auc_score(y, p[:, 1])
        yield "average_precision", metrics.average_precision_score(y, p[:, 1])
        yield "brier", metrics.brier_score_loss(y, p[:, 1])
        yield "precision", metrics.precision_score(y, pred)
        yield "recall", metrics.recall_score(y, pred)
        yield "f1", metrics.f1_score(y, pred)
    else:
        yield "auroc_macro_ovr", metrics.roc_auc_score(y, p, multi_class="ovr", labels=classes)


def value_scores(y, v, whole):
    yield "mae", metrics.mean_absolute_error(y, v)
    yield "rmse", metrics.mean_squared_error(y, v, squared=False)
    if whole:
        yield "r2", metrics.r2_score(y, v)
        yield "mape", metrics.mean_absolute_percentage_error(y, v)


def record(series, rows, versions, labels=None):
    """versions: name -> (n, k) probabilities, or (n,) values where labels is None. Writes expected/."""
    out = folder(series, "expected")
    with open(os.path.join(out, "scores.csv"), "w", newline="") as f:
        scores = csv.writer(f, lineterminator="\n")
        scores.writerow(["version", "cohort", "slice", "metric", "n", "value"])
        for version, p in versions.items():
            p = np.asarray(p, dtype=np.float64)
            write_predictions(os.path.join(out, version + ".csv"), rows, p, labels)
            y = np.array([labels.index(r["label"]) if labels else r["label"] for r in rows])
            score = class_scores if labels else value_scores
            for name, slice_, at in groups(rows):
                for metric, value in score(y[at], p[at], name == "core" and not slice_):
                    scores.writerow([version, name, slice_, metric, len(at), g9(value)])


def write_predictions(path, rows, p, labels):
    with open(path, "w", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(["id", "prediction"] + ["p_" + name for name in labels or []])
        for row, q in zip(rows, p):
            if labels:
                out.writerow([row["id"], labels[q.argmax()]] + [g9(x) for x in q])
            else:
                out.writerow([row["id"], g9(q)])
