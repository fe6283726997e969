"""Polynomials and splines of rows in batches have the columns of the same rows in memory."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.batches import distinct, learning
from mixedbayes.design.functions import REGISTERED, Stateful
from tests.support.batches import data, opened_batches

CALLS = [
    "poly(year, 3)",
    "poly(year, 6)",
    "poly(x, 2)",
    "poly(skew, 3)",
    "bs(year, df=6)",
    "bs(x, df=7)",
    "bs(skew, df=5, degree=2, include_intercept=True)",
    "cr(year, df=5)",
    "cr(x, df=4)",
    "cc(x, df=4)",
    "cc(year, knots=[1995, 2000, 2010])",
    "cr(x, df=4, lower_bound=48, upper_bound=52, extrapolation='zero')",
]


@pytest.fixture(scope="module")
def frame():
    frame, rng = data(7, 700).dropna(), np.random.default_rng(2)
    return frame.assign(
        year=rng.integers(1988, 2021, len(frame)), skew=np.exp(3 * rng.normal(size=len(frame)))
    )


def state(call, frame):
    """What the call has learned, by its text."""
    return mb.Model(f"y ~ {call}", frame).design.columns.memory.states


def plain(learned):
    return {k: v for k, v in learned.items() if v is not None and k != "cyclic"}


@pytest.mark.parametrize("call", CALLS)
def test_state(call, frame):
    """The same numbers as in memory; to the digit whatever the batches and the rows' order."""
    (here,) = map(plain, state(call, frame).values())
    found = []
    for rows, size in ((frame, 41), (frame.sample(frac=1, random_state=3), 500)):
        (there,) = map(plain, state(call, opened_batches(rows, size)).values())
        assert there.keys() == here.keys()
        for key, value in here.items():
            size_ = np.abs(value).max()
            np.testing.assert_allclose(there[key], value, rtol=1e-9, atol=1e-10 * size_)
        found.append(pickle.dumps({k: np.asarray(v) for k, v in there.items()}))
    assert found[0] == found[1]


def test_many_values(frame, monkeypatch):
    """Knots are at the same quantiles where the values are too many to be kept at once."""
    (here,) = state("bs(x, df=7)", frame).values()
    for name, value in (("FEW", 10), ("MOST", 50), ("BINS", 64)):
        monkeypatch.setattr(distinct, name, value)
    (there,) = state("bs(x, df=7)", opened_batches(frame, 41)).values()
    np.testing.assert_array_equal(there["knots"], here["knots"])
    monkeypatch.setattr(learning, "MOST", 50)
    with pytest.raises(mb.DataError, match=r"more than 50, .* round x to fewer values, or give"):
        mb.Model("y ~ cr(x, df=4)", opened_batches(frame, 41))


def test_every_function_learns():
    """Each registered function with something to learn can do so in batches."""
    stateful = {name for name, f in REGISTERED.items() if isinstance(f, Stateful)}
    assert learning.FIRST.keys() == stateful - {"round"}


def test_file(frame, tmp_path):
    """A file has what was learned; new rows are read as in memory."""
    formula = "y ~ poly(year, 3) + bs(x, df=5) + cr(z, df=3) + (1 | b)"
    few = {"draws": 50, "tune": 100, "chains": 2, "seed": 3, "progress": False}
    here, there = mb.fit(formula, frame, **few), mb.fit(formula, opened_batches(frame, 99), **few)
    again = mb.load(there.save(tmp_path / "fit.nc"))
    new = frame.iloc[5:25]
    pd.testing.assert_frame_equal(again.predict(new), there.predict(new))
    ours, theirs = here.predict(new, kind="mean"), there.predict(new, kind="mean")
    np.testing.assert_allclose(theirs["mean"], ours["mean"], rtol=1e-9)
    np.testing.assert_allclose(theirs["sd"], ours["sd"], rtol=1e-4)


@pytest.mark.parametrize("call", ["poly(year, 3)", "cr(x, df=4)", "cc(year, knots=[1995, 2010])"])
def test_pooled(call, frame):
    """Draws of a data set in batches are pooled with those of one in memory."""
    few = {"draws": 50, "tune": 100, "chains": 2, "seed": 3, "progress": False}
    for sets in ([frame, opened_batches(frame, 99)], [opened_batches(frame, 99), frame]):
        pooled = mb.fit_many(f"y ~ {call} + (1 | b)", sets, **few)
        assert pooled.posterior.shape == (4, 50)
    moved = frame.assign(x=frame.x + 1, year=frame.year + 1)
    with pytest.raises(mb.DataError, match=r"data set 2: .* learns other numbers"):
        mb.fit_many(f"y ~ {call} + (1 | b)", [frame, opened_batches(moved, 99)], **few)


def test_counts(frame):
    """Models whose distinct rows are counted learn of all rows, too."""
    own = frame.assign(n=np.round(frame.z).astype(int))
    formula = "n ~ poly(year, 2) + cr(k, df=3) + (1 | a)"
    here = mb.Model(formula, own, family="poisson")
    there = mb.Model(formula, opened_batches(own, 99), family="poisson")
    assert there.design.used == here.design.n
    for ours, theirs in zip(here.priors.prior, there.priors.prior, strict=True):
        assert ours == theirs
