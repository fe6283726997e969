"""Order statistics of rows that are read several times, in batches of any size and order."""

from __future__ import annotations

import numpy as np
import pytest

from mixedbayes.batches import distinct
from mixedbayes.batches.distinct import Distinct, Search, keys, of_keys

RNG = np.random.default_rng(3)
COLUMNS = {
    "normal": RNG.normal(size=5000),
    "years": RNG.integers(1990, 2021, 5000).astype(float),
    "signs": np.repeat([-0.0, 0.0, -1.5, 2.5], 1250),
    "wide": RNG.normal(size=5000) * 10.0 ** RNG.integers(-200, 200, 5000),
    "close": 2000 + RNG.integers(0, 5000, 5000) * np.spacing(2000.0),
    "one": np.full(5000, 7.0),
}


def found(x, ranks, order):
    search, values, steps = Search.between(x.min(), x.max()), None, 0
    while values is None:
        parts = []
        for rows in np.array_split(order, 7):
            parts.append(search.none())
            for batch in np.array_split(rows, 3):
                search.add(parts[-1], x[batch])
        whole = parts[0]
        for part in parts[1:]:
            whole = whole.combine(part)
        values, search = search.after(whole, ranks)
        steps += 1
    return values, steps


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize(("few", "most", "bins"), [(2**16, 2**22, 2**18), (10, 40, 64), (1, 1, 4)])
def test_ranks(name, few, most, bins, monkeypatch):
    """They are those of the sorted column, whatever is kept of it at once."""
    for key, value in (("FEW", few), ("MOST", most), ("BINS", bins)):
        monkeypatch.setattr(distinct, key, value)
    x = COLUMNS[name]
    ranks = [0, 17, 1249, 1250, 2500, 2501, 4000, 4999]
    values, steps = found(x, lambda n: ranks if n == len(x) else [], RNG.permutation(len(x)))
    np.testing.assert_array_equal(values, np.sort(x)[ranks])
    assert steps <= 65


def test_keys():
    """They are in the order of the doubles; -0 is 0."""
    x = np.array([-np.inf, -1e300, -1.0, -5e-324, 0.0, 5e-324, 1.0, 1e300, np.inf])
    found = [int(k) for k in keys(x)]
    assert found == sorted(set(found))
    np.testing.assert_array_equal(of_keys(found), x)
    assert keys(np.array([-0.0])) == keys(np.array([0.0]))


def test_many():
    """More than may be kept are none, in whatever order they are put together."""
    small, large = Distinct(100), Distinct(100)
    small.add(np.arange(50.0))
    large.add(np.arange(101.0))
    large.settle()
    assert large.over
    assert small.combine(large).over
    assert large.combine(small).over
    other = Distinct(100)
    other.add(np.arange(25.0, 75.0))
    values, counts = small.combine(other).values()
    np.testing.assert_array_equal(values, np.arange(75.0))
    np.testing.assert_array_equal(counts, np.repeat([1, 2, 1], 25))
