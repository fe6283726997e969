"""Responses that are not normal: equal rows become one, with their number."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from tests.support.batches import opened_batches

SHORT = {"draws": 100, "tune": 200, "chains": 2, "seed": 3, "progress": False}


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(2)
    n = 900
    g, x = rng.integers(0, 8, n), rng.integers(0, 4, n)
    u = rng.normal(0, 0.5, 8)
    rate = np.exp(0.2 * x + u[g] - 0.5)
    trials = rng.integers(2, 5, n)
    return pd.DataFrame(
        {
            "g": np.array(list("hgfedcba"))[g],
            "x": x,
            "count": rng.poisson(rate),
            "sick": rng.random(n) < rate / (1 + rate),
            "trials": trials,
            "wins": rng.binomial(trials, rate / (1 + rate)),
            "pain": pd.Categorical(
                np.array(["none", "some", "much"])[rng.integers(0, 3, n)],
                ["none", "some", "much"],
                ordered=True,
            ),
        }
    )


@pytest.mark.parametrize(
    ("formula", "family"),
    [
        ("count ~ x + (1 | g)", "poisson"),
        ("sick ~ C(x) + (1 | g)", "bernoulli"),
        ("wins | trials(trials) ~ scale(x) + (1 | g)", "binomial"),
        ("pain ~ x + (1 | g)", "cumulative"),
        (["count ~ x + (1 | g)", "shape ~ x"], "negative_binomial"),
    ],
)
def test_same_model(frame, formula, family):
    """Priors, and the draws, are those of the rows with their numbers as weights."""
    there = mb.Model(formula, opened_batches(frame, 50), family=family)
    plain = mb.Model(formula, frame, family=family)
    own = formula if isinstance(formula, str) else formula[0]
    used = [n for n in frame if n in there.design.whole]
    counted = frame.groupby(used, observed=True).size().reset_index(name="times")
    bar = "+ weights(times)" if "|" in own.split("~")[0] else "| weights(times)"
    left, right = own.split("~")
    weighted = f"{left}{bar} ~{right}"
    weighted = weighted if isinstance(formula, str) else [weighted, *formula[1:]]
    here = mb.Model(weighted, counted.assign(times=counted.times.astype(float)), family=family)
    assert there.design.n == len(counted)
    assert there.design.used == len(frame)
    assert list(there.priors.prior) == list(plain.priors.prior)
    assert [n for n in there.notes if "row" in n] == [n for n in plain.notes if "row" in n]
    if family == "poisson":
        ours, theirs = here.fit(**SHORT).idata.posterior, there.fit(**SHORT).idata.posterior
        for name in ours.data_vars:
            np.testing.assert_allclose(theirs[name], ours[name], rtol=1e-6, atol=1e-8)


def test_too_many(frame):
    """More distinct rows than are kept: how many, and what to do."""
    data = mb.source(frame.assign(x=np.random.default_rng(1).normal(size=len(frame))), cells=100)
    with pytest.raises(mb.DataError, match=r"x has more than 100 distinct values.*cells="):
        mb.Model("count ~ x + (1 | g)", data, family="poisson")
    data = mb.source(frame, cells=20)
    with pytest.raises(mb.DataError, match=r"more than 20 cells.*cells="):
        mb.Model("count ~ x + (1 | g)", data, family="poisson")


@pytest.mark.parametrize("family", ["gamma", "student_t", "lognormal"])
def test_without_numbers_of_rows(frame, family):
    """Families whose weights divide the variance cannot count rows."""
    data = mb.source(frame.assign(count=frame["count"] + 1.0))
    with pytest.raises(mb.ModelError, match="divide its variance"):
        mb.Model("count ~ x + (1 | g)", data, family=family)


def test_rows_and_trials(frame):
    """The model's data are the distinct rows with their number; trials are those of all rows."""
    formula = "wins | trials(trials) ~ x + (1 | g)"
    there = mb.Model(formula, opened_batches(frame, 50), family="binomial")
    used = ["wins", "trials", "x", "g"]
    counted = frame.groupby(used, observed=True).size().reset_index(name="(rows)")
    pd.testing.assert_frame_equal(
        there.data.sort_values(used)[[*used, "(rows)"]].reset_index(drop=True),
        counted.sort_values(used).reset_index(drop=True),
        check_dtype=False,
    )
    fit = there.fit(**SHORT)
    every = f"{frame.trials.sum():,}"
    assert f"fitted to 900 rows of data with {every} trials in all" in fit.methods()
    table = fit.table().frame.set_index("kind")["estimate"]
    assert table["trials"] == frame.trials.sum()
    with pytest.raises(mb.ModelError, match="the distinct ones are left"):
        mb.fit_many(there, np.zeros((900, 2)))


def test_many_of_a_source(frame, tmp_path):
    """Unit by unit is of a data frame; sources by name have their own number of rows."""
    frame.to_csv(tmp_path / "a.csv", index=False)
    for data in (mb.source(frame), tmp_path / "a.csv", str(tmp_path / "a.csv")):
        with pytest.raises(mb.DataError, match=r"by='g'\) takes rows of a data frame in memory"):
            mb.fit_many("count ~ x", data, by="g", family="poisson")
    both = mb.fit_many(
        "count ~ x + (1 | g)", {"a": mb.source(frame, progress=False)} | {"b": mb.source(frame)},
        family="poisson", **SHORT,
    )  # fmt: skip
    assert list(both.data_sets().rows) == [900, 900]
