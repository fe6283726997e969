"""Rows of every type of column, and what a source says of them beside a data frame in memory."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa

from mixedbayes.design.table import table

N = 23
START = dt.datetime(2024, 2, 28, 12, 30)


def rows(n=N):
    """A table with a column of every type that is told apart, most with values missing."""
    rng = np.random.default_rng(1)
    gone = rng.random(n) < 0.2

    def some(values, kind):
        return pa.array([None if m else v for m, v in zip(gone, values, strict=True)], kind)

    k = range(n)
    return pa.table(
        {
            "y": rng.normal(1e6, 1, n),
            "x": pa.array(rng.normal(size=n).astype(np.float32)),
            "holes": some(rng.normal(size=n), pa.float64()),
            "count": pa.array(list(k), pa.int32()),
            "visits": some(k, pa.int64()),
            "yes": pa.array([i % 2 == 0 for i in k]),
            "maybe": some([i % 3 == 0 for i in k], pa.bool_()),
            "g": pa.array([f"g{i % 4}" for i in k]),
            "site": some([f"s{i % 3}" for i in k], pa.large_string()),
            "arm": pa.DictionaryArray.from_arrays([i % 2 for i in k], ["placebo", "drug", "none"]),
            "at": some([START + dt.timedelta(hours=i) for i in k], pa.timestamp("us")),
            "zoned": pa.array(
                [START + dt.timedelta(hours=i) for i in k], pa.timestamp("ms", "UTC")
            ),
            "day": pa.array([(START + dt.timedelta(days=i)).date() for i in k], pa.date32()),
            "price": pa.array([Decimal(i) / 4 for i in k], pa.decimal128(8, 2)),
            "units": pa.array([Decimal(i) for i in k], pa.decimal128(8, 0)),
        }
    )


NAMES = rows(1).column_names


def in_memory(data, names=NAMES):
    """The columns as a fit of a data frame sees them."""
    return table(data, names).frame()


def read(source, names=NAMES, size=7):
    """The columns as a source hands them out, put together in memory."""
    batches = list(source.batches(names, size))
    assert all(1 <= b.num_rows <= size for b in batches)
    assert all(b.schema == source.typed(names) for b in batches)
    return in_memory(pa.Table.from_batches(batches).unify_dictionaries(), names)


def assert_same(found, expected):
    """Rows in their order, and types."""
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
