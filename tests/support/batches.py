"""Data as batches of any size, and an example."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa

from mixedbayes.sources.base import SIZE, Whole
from mixedbayes.sources.types import unified


class Batches(Whole):
    """Tables that are handed out in batches of any size, as files are."""

    def __init__(self, *tables, size=1000):
        super().__init__()
        self.tables, self.size = tables, size

    @classmethod
    def takes(cls, data):
        return False

    @classmethod
    def opened(cls, data):
        raise NotImplementedError

    def describe(self):
        return f"{len(self.tables)} tables"

    @property
    def schema(self):
        return unified([(str(k), t.schema) for k, t in enumerate(self.tables)])

    def batches(self, columns, size=SIZE):
        """No larger ones than its own, so that passes see many."""
        return super().batches(columns, min(size, self.size))

    def _read(self, columns, size):
        for t in self.tables:
            yield from t.select(columns).to_batches(max_chunksize=self.size)


def data(seed=1, n=600):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 6, n), rng.integers(0, 9, n)
    frame = pd.DataFrame(
        {
            "a": a * 7 - 3,
            "b": np.array([f"b{k}" for k in range(9)])[b],
            "arm": np.array(["low", "high", "mid"])[rng.integers(0, 3, n)],
            "x": rng.normal(50, 3, n),
            "z": rng.normal(size=n) ** 2 + 0.1,
            "t": rng.integers(0, 2, n),
            "k": rng.integers(0, 10, n),
            "w": rng.uniform(0.5, 3, n),
            "yes": rng.random(n) < 0.4,
        }
    )
    u, v = rng.normal(size=(6, 2)), rng.normal(size=9)
    frame["y"] = 1e6 + u[a, 0] + u[a, 1] * (frame.x - 50) / 3 + v[b] + frame.z + rng.normal(size=n)
    for name, rows in (("x", 7), ("b", 5), ("y", 3), ("z", 4)):
        frame.loc[rng.choice(n, rows, replace=False), name] = None
    return frame


def parted(frame, parts):
    ends = np.linspace(0, len(frame), parts + 1).astype(int)
    return [frame.iloc[a:b] for a, b in pairwise(ends)]


def opened_batches(frame, size, parts=3):
    tables = [pa.Table.from_pandas(p) for p in parted(frame, parts)]
    return Batches(*tables, size=size)
