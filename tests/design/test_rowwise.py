"""Functions of the caller's give new rows what they gave the rows of the fit, or are refused."""

import numpy as np
import pandas as pd
import pytest

from mixedbayes.design import build_design, replay
from mixedbayes.errors import DataError, FormulaError

RNG = np.random.default_rng(1)


def frame(n=24):
    rng = np.random.default_rng(4)
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.normal(size=n),
            "year": np.repeat(np.arange(2010, 2014), n // 4),
            "f": np.repeat(["a", "b", "c", "d"], [8, 4, n - 20, 8]),
            "pi": rng.normal(size=n),
        }
    )


SUMMARIES = {
    "mean": np.mean,
    "most": max,
    "size": len,
    "constant": lambda x: 3.5,
}


@pytest.mark.parametrize("name", SUMMARIES)
def test_one_number_for_all_rows_is_kept(name):
    data = frame()
    design = build_design(f"y ~ I(x - {name}(x))", data, functions={name: SUMMARIES[name]})
    rows = replay(design, data.iloc[[5, 7]])
    np.testing.assert_array_equal(rows.X, design.mu.X[[5, 7]])
    np.testing.assert_allclose(design.mu.X[:, 0], data.x - SUMMARIES[name](data.x))


OF_ALL_ROWS = {
    "centred": ("own(x)", lambda x: x - x.mean()),
    "largest, in many rows": ("own(year)", lambda x: x / x.max()),
    "smallest, in many rows": ("own(year)", lambda x: x - x.min()),
    "ranks": ("own(x)", lambda x: x.argsort().argsort()),
    "cumulative": ("own(x)", np.cumsum),
    "the row before": ("own(x)", lambda x: np.r_[x[0], x[:-1]]),
    "mean of a group": ("own(x, f)", lambda x, f: pd.Series(x).groupby(f).transform("mean")),
    "rare ones together": (
        "own(f)",
        lambda f: np.where(pd.Series(f).map(pd.Series(f).value_counts()) < 8, "other", f),
    ),
    "bins by quantiles": ("own(x)", lambda x: pd.qcut(x, 3, labels=["l", "m", "h"])),
    "bins by range": ("own(x)", lambda x: pd.cut(x, 3)),
    "noise": ("own(x)", lambda x: x + RNG.normal(size=len(x))),
    "by name": ("own(f, x=x)", lambda f, x: x - np.median(x)),
    "several columns": ("own(x)", lambda x: np.column_stack([x, x / x.std()])),
    "values from elsewhere": ("own(x)", lambda x: frame().x.to_numpy() + 1),
    "fails with few rows": ("own(x)", lambda x: np.gradient(x)),
}


@pytest.mark.parametrize(("term", "own"), OF_ALL_ROWS.values(), ids=OF_ALL_ROWS)
def test_what_depends_on_other_rows_is_refused(term, own):
    with pytest.raises(DataError, match=r"of the 24 rows other values by themselves.*column of"):
        build_design(f"y ~ {term}", frame(), functions={"own": own})


ROW_BY_ROW = {
    "arithmetic": ("own(x)", lambda x: x**2 + 1),
    "a ufunc": ("own(x)", np.exp),
    "another name's": ("log(x)", lambda x: np.sign(x) * np.log1p(abs(x))),
    "loops": ("own(x)", lambda x: [float(v) ** 3 for v in x]),
    "of text": ("own(f)", lambda f: np.array([v.upper() for v in f])),
    "bins": ("own(x)", lambda x: pd.cut(x, [-10, 0, 10], labels=["low", "high"])),
    "a frame": ("own(x)", lambda x: pd.DataFrame({"a": x, "b": x**2})),
    "two columns": ("own(x, year)", lambda x, year: x * (year - 2010)),
    "missing at first": ("own(x)", lambda x: np.where(np.isnan(x), 0, x)),
}


@pytest.mark.parametrize(("term", "own"), ROW_BY_ROW.values(), ids=ROW_BY_ROW)
def test_what_each_row_gives_itself_is_replayed(term, own):
    data = frame()
    design = build_design(f"y ~ {term}", data, functions={term.split("(")[0]: own})
    assert np.ptp(design.mu.X[:, 0]) > 0
    np.testing.assert_allclose(replay(design, data.iloc[[5, 7]]).X, design.mu.X[[5, 7]])


@pytest.mark.parametrize("name", ["mean", "np.mean", "sd", "median"])
def test_summaries_are_not_recommended(name):
    with pytest.raises(FormulaError, match=r"write center\(x\) or scale\(x\)") as raised:
        build_design(f"y ~ I(x - {name}(x))", frame())
    assert "functions" not in str(raised.value)


# what is a column, and what a constant


def test_a_name_that_was_a_column_stays_one():
    design = build_design("y ~ x + pi", frame())
    with pytest.raises(DataError, match=r"lack 1 column.*: pi"):
        replay(design, frame().drop(columns="pi"))


def test_a_name_that_was_a_constant_stays_one():
    data = frame().drop(columns="pi")
    for functions, name in ((None, "pi"), ({"k": 2.0}, "k")):
        design = build_design(f"y ~ I(x*{name})", data, functions=functions)
        rows = replay(design, data.assign(**{name: 100.0}))
        np.testing.assert_array_equal(rows.X, design.mu.X)


def test_trials_and_weights_of_constants_are_there_in_new_rows():
    data = frame().assign(k=3)
    design = build_design("k | trials(m) ~ x", data, functions={"m": 5})
    assert replay(design, data[["x"]]).trials.tolist() == [5] * len(data)
