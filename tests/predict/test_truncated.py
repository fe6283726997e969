"""Targets of observations between the bounds of truncation."""

import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made
from masses_by_cdf import by_cdf
from scipy import stats

import mixedbayes as mb
from mixedbayes.errors import DataError, ModelError
from mixedbayes.estimands.means import means
from mixedbayes.families import within
from mixedbayes.predict.predict import predict
from mixedbayes.predict.target import At, require
from mixedbayes.predict.target_text import parse_target

DATA = pd.DataFrame({"y": [1.0, 2.0, 0.5], "x": [0.1, 0.4, 0.2], "cap": [4.0, 3.0, 2.0]})
MODEL = mb.Model("y | trunc(0.3, cap) ~ x", DATA)
ETA = np.array([[0.2, 1.0, -7.0], [1.5, 0.0, 30.0]])  # (S, n)
SIGMA = np.array([0.7, 1.3])
LIMITS = MODEL.design.limits


def value(text, model=MODEL, eta=ETA, parameters=None, limits=LIMITS):
    target = parse_target(text, model.design, model.family)
    own = {"sigma": SIGMA} if parameters is None else parameters
    return target.value(eta, At(model.family, own, None, None, limits))


def law():
    s = SIGMA[:, None]
    return stats.truncnorm((0.3 - ETA) / s, (DATA["cap"].to_numpy() - ETA) / s, ETA, s)


def test_they_are_those_of_the_truncated_distribution():
    np.testing.assert_allclose(value("truncated mean"), law().mean(), rtol=1e-9)
    np.testing.assert_allclose(value("truncated P(y > 1)"), law().sf(1.0), rtol=1e-9)
    np.testing.assert_allclose(value("truncated quantile(0.9)"), law().ppf(0.9), rtol=1e-7)
    np.testing.assert_allclose(value("truncated median"), law().median(), rtol=1e-7)
    np.testing.assert_array_equal(value("mean"), ETA)


def test_counts_above_zero():
    model = mb.Model("y | trunc(0, 3) ~ 1", DATA.assign(y=[1, 2, 0]), family="poisson")
    mu = np.array([[0.5, 2.0, 8.0]])
    k = np.arange(4)[:, None]
    p = stats.poisson.pmf(k, mu)
    mean = (k * p).sum(axis=0) / p.sum(axis=0)
    at = {"model": model, "eta": np.log(mu), "parameters": {}, "limits": model.design.limits}
    np.testing.assert_allclose(value("truncated mean", **at)[0], mean, rtol=1e-12)
    above = (k * p).sum(axis=0) / p[1:].sum(axis=0)
    np.testing.assert_allclose(value("truncated positive mean", **at)[0], above, rtol=1e-10)
    np.testing.assert_allclose(value("truncated P(y = 0)", **at)[0], p[0] / p.sum(axis=0))
    np.testing.assert_array_equal(value("truncated median", **at)[0], [0, 2, 3])


def test_what_bounds_do_not_change_is_refused_and_so_are_rows_without_bounds():
    with pytest.raises(ModelError, match=r"ask for target='sigma'"):
        value("truncated sigma")
    with pytest.raises(ModelError, match=r"write y \| trunc\(lower, upper\)"):
        value("truncated mean", mb.Model("y ~ x", DATA))
    target = parse_target("truncated mean", MODEL.design, MODEL.family)
    assert target.words("y") == "expected y between the bounds"
    with pytest.raises(DataError, match=r"depends on trunc\(lower=0.3, upper=cap\)"):
        require(target, MODEL.family, None, None, MODEL.design.formula.response)


def test_grids_have_the_columns_of_bounds():
    from mixedbayes.estimands.grid import Columns

    assert Columns(MODEL.design).names == ("x", "cap")


@pytest.mark.parametrize("adds", [False, True])
def test_known_errors_are_in_the_mean_between_bounds(adds, monkeypatch):
    """The scale of a row is s, or sqrt(sigma^2 + s^2)."""
    if not adds:  # its tails are compiled for the other alone, which takes seconds
        monkeypatch.setattr(within, "log_mass", by_cdf)
    s = np.array([0.5, 1.0, 2.0])
    more = ", sigma=True" if adds else ""
    model = mb.Model(f"y | se(s{more}) + trunc(0.3, cap) ~ x", DATA.assign(s=s))
    target = parse_target("truncated mean", model.design, model.family)
    own = {"sigma": SIGMA} if adds else {}
    at = At(model.family, own, model.design.weights, None, model.design.limits)
    scale = np.sqrt(s**2 + (SIGMA[:, None] ** 2 if adds else 0.0))
    cap = DATA["cap"].to_numpy()
    expected = stats.truncnorm((0.3 - ETA) / scale, (cap - ETA) / scale, ETA, scale).mean()
    np.testing.assert_allclose(target.value(ETA, at), expected, rtol=1e-8)


def test_counts_of_a_rate_say_at_which_exposure_they_are():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": [1, 2, 4], "t": [1.0, 2.0, 3.0], "x": [0.0, 1.0, 0.5]})
    post = hand_made("y | rate(t) ~ x", data, "poisson", 10, rng)
    found = predict(post, data[["t", "x"]], kind="mean")
    assert found.attrs["note"] == "Counts at the rows' exposure t, not per unit."
    with pytest.raises(DataError, match="the new data lack 1 column"):
        predict(post, data[["x"]], kind="mean")
    unit = predict(post, data[["x"]].assign(t=1.0), kind="mean")
    np.testing.assert_allclose(found["mean"], unit["mean"] * data["t"])
    table = means(post)
    assert "expected y at the rows' exposure t" in str(table).lower()
    np.testing.assert_allclose(table["mean"], found["mean"].mean())
    for target in ("P(y > 3)", "median", "positive mean"):
        own = predict(post, data[["t", "x"]], target=target)
        assert own.attrs["note"] == "Counts at the rows' exposure t, not per unit."
        assert "at the rows' exposure t" in str(means(post, target=target))
    assert "note" not in predict(post, data[["t", "x"]], target="linear").attrs
