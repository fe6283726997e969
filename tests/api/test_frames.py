"""Frames of every kind through fit, file, cache and prediction: one conversion, one labelling."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xarray as xr

import mixedbayes as mb

J, M = 6, 5
ROW = np.repeat(np.arange(J), M)
ORDER = [3, 0, 5, 1, 4, 2]  # of first occurrence, not that of the alphabet
TEXT = [f"s{k}" for k in ORDER]
SMALL = {"draws": 20, "tune": 20, "chains": 1, "seed": 1, "progress": False}
RNG = np.random.default_rng(1)
Y = 3.0 * ROW + RNG.normal(size=J * M)
LEVELS = {
    "categorical": pl.Series(TEXT, dtype=pl.Categorical),
    "enum": pl.Series(TEXT, dtype=pl.Enum(TEXT[::-1])),
    "large": pl.Series([2**60 + k for k in ORDER]),
    "date": pl.Series([dt.date(2020, 1, 1 + k) for k in ORDER]),
    "decimal": pl.Series([Decimal(k) / 4 for k in ORDER]),
}


def pandas_of(table):
    """A table of whatever library in pandas, without row labels."""
    frame = table.to_pandas() if hasattr(table, "to_pandas") else pd.DataFrame(table)
    return frame.reset_index(drop=True)


def polars_frame(kind):
    return pl.DataFrame({"g": LEVELS[kind].gather(ROW), "y": Y})


def pandas_frame(levels):
    return pd.DataFrame({"g": pd.Series(levels).iloc[ROW].array, "y": Y})


FRAMES = {kind: polars_frame(kind) for kind in LEVELS} | {
    "arrow dictionary": polars_frame("categorical").to_arrow(),
    "pandas of arrow": polars_frame("enum").to_arrow().to_pandas(types_mapper=pd.ArrowDtype),
    "tuples": pandas_frame([(k, "a") for k in ORDER]),
    "times with a zone": pandas_frame(pd.date_range("2020", periods=J, tz="Europe/Berlin")),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_effects_belong_to_the_same_levels_everywhere(kind, tmp_path):
    data = FRAMES[kind]
    fit = mb.fit("y ~ 1 + (1 | g)", data, cache=tmp_path, **SMALL)
    fit.save(tmp_path / "fit.nc")
    loaded, cached = (
        mb.load(tmp_path / "fit.nc"),
        mb.fit("y ~ 1 + (1 | g)", data, cache=tmp_path, **SMALL),
    )
    assert len(list(tmp_path.glob("*.nc"))) == 2
    expected = pandas_of(fit.fitted())
    assert np.corrcoef(expected["mean"], Y)[0, 1] > 0.9
    for other in (loaded, cached):
        assert type(other.fitted()) is type(fit.fitted())
        pd.testing.assert_frame_equal(pandas_of(other.fitted()), expected)
        pd.testing.assert_frame_equal(pandas_of(other.ranef()), pandas_of(fit.ranef()))
    for one in (fit, loaded):
        predicted = one.predict(data, kind="mean", progress=False)
        assert isinstance(predicted, type(data))
        predicted = pandas_of(predicted)
        assert (predicted["new"] == "").all()
        pd.testing.assert_frame_equal(predicted[list(expected)], expected, check_column_type=False)


def test_every_table_is_in_the_library_of_the_data(tmp_path):
    data = polars_frame("enum").with_columns(x=pl.Series(RNG.normal(size=J * M)))
    fit = mb.fit("y ~ x + (1 | g)", data, **SMALL)
    fit.save(tmp_path / "fit.nc")
    tables = (
        "fixef", "ranef", "coef", "varcorr", "parameters", "icc", "r2", "shrinkage", "pooling",
        "explained", "fitted", "residuals", "describe", "predict",
    )  # fmt: skip
    for one in (fit, mb.load(tmp_path / "fit.nc")):
        assert one.library == "polars"
        for name in tables:
            assert isinstance(getattr(one, name)(), pl.DataFrame), name
        assert isinstance(one.model.priors, pl.DataFrame)
    with pytest.warns(UserWarning, match="20 draws are too few"):
        known = fit.condition_on(data.head(3).with_columns(g=pl.lit("new")))
    assert isinstance(known.ranef(), pl.DataFrame)
    assert isinstance(known.predict(data.head(3).to_arrow()), pa.Table)
    pandas = fit.predict(data.head(3).to_pandas())
    assert list(pandas) == ["g", "y", "x", "mean", "sd", "lower", "upper", "new"]
    more = mb.fit("y ~ x + (1 | g)", data, **{**SMALL, "draws": 400})
    scores = mb.compare({"a": more, "b": more}, progress=False)
    assert isinstance(scores, pl.DataFrame)
    assert scores["model"].to_list() == ["a", "b"]
    scores = mb.compare({"a": more, "b": more.loo(progress=False)}, progress=False)
    assert list(scores.index) == ["a", "b"]
    fit.library = "pandas"
    fit.save(tmp_path / "pandas.nc")
    assert isinstance(fit.fixef(), pd.DataFrame)
    assert isinstance(mb.load(tmp_path / "pandas.nc").fixef(), pd.DataFrame)
    with pytest.raises(mb.ModelError, match="tables can be in pandas"):
        fit.library = "R"


def test_a_categorical_predictor_keeps_its_reference(tmp_path):
    data = polars_frame("categorical")
    fit = mb.fit("y ~ g", data, **SMALL)
    fit.save(tmp_path / "fit.nc")
    names = [f"g[s{k}]" for k in range(1, J)]
    assert list(fit.model.design.mu.terms) == list(
        mb.load(tmp_path / "fit.nc").model.design.mu.terms
    )
    assert list(fit.model.design.mu.terms) == names


def test_a_stream_is_read_once():
    whole = polars_frame("categorical").to_arrow()
    fit = mb.fit("y ~ 1 + (1 | g)", whole.to_reader(), **SMALL)
    assert len(fit.model.data) == len(whole)
    for groups in ("auto", "typical", "average", "new"):
        once = fit.predict(whole.to_reader(), groups=groups, progress=False)
        assert once.equals(fit.predict(whole, groups=groups, progress=False))


def test_what_cannot_be_saved_is_said_at_the_fit():
    model = mb.Model("y ~ 1 + (1 | g)", pandas_frame([frozenset([k]) for k in ORDER[:3]] * 2))
    assert any("neither saved nor cached: column 'g'" in note for note in model.design.notes)


# labels of rows

INDEXES = {
    "repeated": pd.Index(np.repeat(np.arange(J * M // 2), 2)),
    "levels": pd.MultiIndex.from_arrays([ROW, np.tile(np.arange(M), J)]),
    "text": pd.Index([f"r{k}" for k in range(J * M)]),
    "times with a zone": pd.date_range("2020-01-01", periods=J * M, tz="Asia/Tokyo"),
}


@pytest.mark.parametrize("kind", INDEXES)
def test_rows_have_one_label_everywhere(kind, tmp_path):
    data = pandas_frame(TEXT).set_index(INDEXES[kind])
    data.iloc[[1, 4], 1] = np.nan
    fit = mb.fit("y ~ 1 + (1 | g)", data, **SMALL)
    fit.save(tmp_path / "fit.nc")
    loaded = mb.load(tmp_path / "fit.nc")
    n = J * M - 2
    arrays = [
        fit.idata["observed_data"]["y"],
        fit.fitted(draws=True),
        fit.residuals(draws=True),
        fit.predict(draws=True, progress=False),
        loaded.idata["observed_data"]["y"],
        loaded.predict(draws=True, kind="mean", progress=False),
    ]
    for array in arrays:
        assert len(np.unique(array["obs"])) == n
    xr.align(*arrays, join="exact")
    y, fitted = xr.align(fit.idata["observed_data"]["y"], loaded.fitted(draws=True), join="inner")
    residual = y - fitted.mean(("chain", "draw"))
    np.testing.assert_allclose(residual, fit.residuals()["mean"])


def test_new_rows_have_labels_of_their_own():
    fit = mb.fit("y ~ 1 + (1 | g)", pandas_frame(TEXT), **SMALL)
    new = pd.DataFrame({"g": ["s0", "s1", "s2"]}, index=["a", "b", "c"])
    draws = fit.predict(new, draws=True, progress=False)
    assert draws["obs"].to_numpy().tolist() == ["a", "b", "c"]
    draws = fit.predict(new.set_axis(["a", "a", "b"]), draws=True, progress=False)
    assert draws["obs"].to_numpy().tolist() == [0, 1, 2]
