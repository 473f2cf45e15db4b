# SPDX-License-Identifier: Apache-2.0
"""Records what SciPy, statsmodels and scikit-learn say, for tests/unit/test_{stats,metric}.c: /usr/bin/python3 make.py"""
import csv
import os

import numpy as np
from scipy import special, stats
from sklearn import metrics
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(20240607)


def table(name, header, rows):
    with open(os.path.join(HERE, name), "w", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(header)
        for r in rows:
            out.writerow(["%.17g" % x if isinstance(x, float) else x for x in r])


# ---- tests and intervals ----

pairs = [(b, c) for b in range(13) for c in range(13)] + [(21, 48), (13, 1), (9, 2), (400, 431), (5000, 5300), (0, 2000)]
table("mcnemar.csv", ["broken", "fixed", "p"],
      [(b, c, float(mcnemar([[0, b], [c, 0]], exact=True).pvalue)) for b, c in pairs])

counts = [(0, 1), (1, 1), (0, 20), (1, 20), (10, 20), (19, 20), (20, 20), (64, 64), (178, 212), (1691, 1840), (3, 100000)]
rows = []
for k, n in counts:
    for level in 0.8, 0.95, 0.99:
        e = stats.binomtest(k, n).proportion_ci(level, "exact")
        w = stats.binomtest(k, n).proportion_ci(level, "wilson")
        rows.append((k, n, level, float(e.low), float(e.high), float(w.low), float(w.high)))
table("proportions.csv", ["k", "n", "level", "exact_lo", "exact_hi", "wilson_lo", "wilson_hi"], rows)

rows = []
for a in 0.5, 1.0, 3.5, 40.0, 900.0, 20000.0:
    for b in 0.5, 2.0, 17.0, 700.0, 50000.0:
        for q in 0.001, 0.2, 0.5, 0.9:
            x = float(special.betaincinv(a, b, q))
            rows.append((a, b, x, float(special.betainc(a, b, x))))
table("beta.csv", ["a", "b", "x", "value"], rows)

rows = []
for family in range(6):
    p = np.round(rng.uniform(0, 1, 2 + 2 * family) ** 3, 4)
    for raw, adj in zip(p, multipletests(p, method="holm")[1]):
        rows.append((family, float(raw), float(adj)))
table("holm.csv", ["family", "p", "adjusted"], rows)

rows = []
for n, b, c in [(12, 3, 0), (212, 13, 1), (1840, 21, 48), (38, 3, 0), (96, 9, 2), (736, 0, 0), (50, 0, 0), (400, 20, 20)]:
    m = b + c
    if m == 0:
        hi = 1 - 0.025 ** (1 / n)
        lo = -hi
    else:
        pi = stats.binomtest(c, m).proportion_ci(0.95, "exact")
        th = stats.binomtest(m, n).proportion_ci(0.95, "exact")
        lo, hi = 2 * pi.low - 1, 2 * pi.high - 1
        lo *= th.high if lo < 0 else th.low
        hi *= th.high if hi > 0 else th.low
    rows.append((n, b, c, float(lo), float(hi)))
table("flips.csv", ["n", "broken", "fixed", "lo", "hi"], rows)

# ---- metrics ----


def ece(y, p, w, bins=15):
    conf, right = p.max(1), p.argmax(1) == y
    at = np.clip(np.ceil(conf * bins).astype(int) - 1, 0, bins - 1)
    return sum(abs(np.sum((w * (conf - right))[at == b])) for b in range(bins)) / w.sum()


def classes(name, n, k):
    y = rng.integers(0, k, n)
    p = np.round(rng.dirichlet(np.ones(k), n) + 0.6 * np.eye(k)[y], 2)  # rounded: ties
    p /= p.sum(1, keepdims=True)
    w = np.round(rng.uniform(0.1, 3, n), 2)
    pred = p.argmax(1)
    table(name + ".csv", ["truth", "pred", "weight"] + ["p%d" % i for i in range(k)],
          [(int(a), int(b), float(c), *map(float, q)) for a, b, c, q in zip(y, pred, w, p)])
    for weighted in 0, 1:
        s = w if weighted else np.ones(n)
        v = {"accuracy": metrics.accuracy_score(y, pred, sample_weight=s),
             "log_loss": metrics.log_loss(y, p, sample_weight=s), "ece": ece(y, p, s)}
        for kind, f in ("precision", metrics.precision_score), ("recall", metrics.recall_score), ("f1", metrics.f1_score):
            for average in "macro", "micro":
                v[average + "_" + kind] = f(y, pred, average=average, sample_weight=s)
            for i, x in enumerate(f(y, pred, average=None, sample_weight=s)):
                v["%s:L%d" % (kind, i)] = x
        one_hot = np.eye(k)[y]
        if k == 2:
            v["auroc"] = metrics.roc_auc_score(y, p[:, 1], sample_weight=s)
            v["average_precision"] = metrics.average_precision_score(y, p[:, 1], sample_weight=s)
            v["brier"] = metrics.brier_score_loss(y, p[:, 1], sample_weight=s)
        else:
            v["auroc"] = metrics.roc_auc_score(one_hot, p, average="macro", sample_weight=s)
            v["average_precision"] = metrics.average_precision_score(one_hot, p, average="macro", sample_weight=s)
            v["brier"] = np.average(((p - one_hot) ** 2).sum(1), weights=s)
        for m, x in v.items():
            yield name, m, weighted, float(x)


def numbers(name, n):
    y = np.round(rng.normal(50, 20, n), 2)
    q = np.round(y + rng.normal(0, 10, n), 2)
    w = np.round(rng.uniform(0.1, 3, n), 2)
    table(name + ".csv", ["y", "yhat", "weight"], [tuple(map(float, r)) for r in zip(y, q, w)])
    for weighted in 0, 1:
        s = w if weighted else np.ones(n)
        yield name, "mae", weighted, float(metrics.mean_absolute_error(y, q, sample_weight=s))
        yield name, "mse", weighted, float(metrics.mean_squared_error(y, q, sample_weight=s))
        yield name, "rmse", weighted, float(metrics.mean_squared_error(y, q, sample_weight=s, squared=False))
        yield name, "r2", weighted, float(metrics.r2_score(y, q, sample_weight=s))
        yield name, "mape", weighted, float(metrics.mean_absolute_percentage_error(y, q, sample_weight=s))


table("metrics.csv", ["data", "metric", "weighted", "value"],
      [*classes("three", 60, 3), *classes("two", 50, 2), *numbers("numbers", 40)])
