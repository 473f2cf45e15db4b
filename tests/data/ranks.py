#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes ranks.csv: matrices made from a seed, a change of a known number of directions, and what numpy's SVD says of it.

A and the directions u, v are uniform in +-1/2 by splitmix64, row by row; the change is size * sum of decay^i u_i v_i^T,
added in double; then both A and B are rounded to the dtype. rank_d and low_rank are by the definitions of fs/diff/diff.h.
"""
import csv
import os

import numpy as np

CASES = [  # rows, cols, dtype, terms, decay, size
    (300, 200, "f32", 8, 1, 1e-3),
    (300, 200, "f32", 8, 0.5, 1e-3),
    (300, 200, "f32", 26, 1, 1e-3),
    (300, 200, "f32", 100, 0.9, 1e-2),
    (300, 200, "f32", 200, 1, 1e-2),
    (200, 300, "bf16", 8, 1, 1e-2),
    (640, 640, "bf16", 8, 1, 2e-2),
    (640, 640, "f16", 16, 1, 1e-3),
    (640, 640, "f64", 64, 1, 1e-4),
    (640, 640, "f64", 65, 1, 1e-4),
    (20, 500, "f32", 2, 1, 1e-2),
    (500, 20, "f32", 3, 1, 1e-2),
    (2, 2, "f32", 1, 1, 1),
    (2000, 90, "f32", 60, 0.95, 1e-3),
    (200, 300, "bf16", 8, 1, 1e-6),
]
PRECISION = {"f64": 53, "f32": 24, "f16": 11, "bf16": 8}


def uniform(start, n):
    with np.errstate(over="ignore"):
        x = (np.arange(1, n + 1, dtype=np.uint64) + np.uint64(start)) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    return (x >> np.uint64(11)).astype(float) * 2.0**-53 - 0.5


def rounded(x, dtype):
    if dtype == "f64":
        return x
    if dtype == "f16":
        return x.astype(np.float16).astype(float)
    x = x.astype(np.float32)
    if dtype == "bf16":
        u = x.view(np.uint32)
        u = (u + np.uint32(0x7FFF) + ((u >> np.uint32(16)) & np.uint32(1))) & np.uint32(0xFFFF0000)
        x = u.view(np.float32)
    return x.astype(float)


def rank(s, energy, rest):
    left = energy - np.cumsum(s[:64] ** 2)
    return int(np.argmax(left <= rest)) + 1 if (left <= rest).any() else 65


def main():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ranks.csv")
    with open(path, "w", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow("rows cols dtype terms decay size spec_d spec_a srank_d rank_d low_rank".split())
        for rows, cols, dtype, terms, decay, size in CASES:
            a = uniform(0, rows * cols).reshape(rows, cols)
            u = uniform(rows * cols, terms * rows).reshape(terms, rows)
            v = uniform(rows * cols + terms * rows, terms * cols).reshape(terms, cols)
            d, factor = np.zeros((rows, cols)), float(size)
            for i in range(terms):
                d += factor * u[i][:, None] * v[i]
                factor *= decay
            b = rounded(rounded(a, dtype) + d, dtype)
            a = rounded(a, dtype)
            d = b - a
            s, energy = np.linalg.svd(d, compute_uv=False), (d**2).sum()
            eps = 0.2125 * 2.0 ** (1 - PRECISION[dtype]) * np.linalg.norm(a)
            of_d = low = 0
            if energy >= (2 * eps) ** 2:
                of_d, low = (rank(s, energy, share * energy + 1.5 * eps**2) for share in (1e-2, 1e-4))
            low = low if low <= min(64, min(rows, cols) // 8) else 0
            spec_a = np.linalg.svd(a, compute_uv=False)[0]
            out.writerow([rows, cols, dtype, terms, decay, size, f"{s[0]:.9g}", f"{spec_a:.9g}", f"{energy / s[0]**2:.9g}", of_d, low])


if __name__ == "__main__":
    main()
