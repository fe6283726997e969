"""Tables and checks of effects over many times: one pass over the times, as dense matrices say."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mixedbayes as mb
from mixedbayes.checks.group_density import by_group
from mixedbayes.errors import ModelError
from mixedbayes.results import chains, level_fits
from mixedbayes.results import shrinkage as shrinkage_module
from mixedbayes.results.shrinkage import shrinkage

FIT = {"draws": 40, "tune": 100, "chains": 1, "seed": 1, "progress": False}


def rows(T, seed=0):
    rng = np.random.default_rng(seed)
    g = np.repeat(["a", "b", "c"], T)
    time = np.tile(np.arange(float(T)), 3)
    y = 2 * np.sin(time / 4) + rng.normal(size=3 * T)
    d = pd.DataFrame({"g": g, "time": time, "y": y, "w": rng.uniform(0.5, 2, 3 * T)})
    d = d.assign(x=rng.normal(size=3 * T), h=d.g + (d.time % 3).astype(str))
    return pd.concat([d[rng.random(3 * T) > 0.2], d[:1].assign(g="single")], ignore_index=True)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "bar",
    [
        "ar1(time | g)", "ou(time | g)", "(1 | g) + ar1(time | g)", "(x || g) + ou(time | g)",
        "ar1(time | g) + (1 | h)",
    ],
)  # fmt: skip
def test_pooling_and_densities_of_levels_are_those_of_dense_matrices(bar, monkeypatch):
    d = pd.concat([rows(12), rows(12, seed=1)[:15]], ignore_index=True)  # times twice
    fit = mb.fit(f"y | weights(w) ~ {bar}", d, **FIT)
    post = fit.posterior
    g = post.design.factor("g")
    assert chains.Chain.of(post, g) is not None
    table, density = shrinkage(post), by_group(post, g)
    monkeypatch.setattr(chains, "FEWEST", 1000)
    monkeypatch.setattr(level_fits, "_CELLS", 1000)
    post._kept.clear()
    pd.testing.assert_frame_equal(shrinkage(post), table, rtol=1e-7)
    np.testing.assert_allclose(by_group(post, g), density, rtol=1e-9)


@pytest.mark.filterwarnings("ignore")
def test_levels_of_hundreds_of_times_are_left_out(monkeypatch):
    d = rows(300)
    fit = mb.fit("y ~ (1 | g) + ar1(time | g)", d, **FIT | {"draws": 100})
    assert np.isfinite(fit.loo(target="g").elpd)
    table = fit.shrinkage()
    assert table.no_pooling.isna().all()  # a level's intercept and its times are one too many
    assert table.pooling.between(0, 1).all()
    found = shrinkage(fit.posterior, draws="pooling")
    each = found["pooling_g"].mean(("chain", "draw")).to_numpy().ravel()
    np.testing.assert_allclose(table.pooling, each, rtol=1e-9)
    assert set(found.data_vars) == {"pooling_g"}
    monkeypatch.setattr(shrinkage_module, "MOST_WEIGHTS", 2**20)
    with pytest.raises(ModelError, match=r"4 levels of g with .* shrinkage\(draws=\"pooling\"\)"):
        fit.shrinkage(draws=True)


def test_draws_of_weights_are_made_in_blocks(monkeypatch):
    d = rows(12)
    post = mb.fit("y ~ (1 | g) + ar1(time | g)", d, **FIT | {"draws": 60}).posterior
    whole = shrinkage(post, draws=True)
    monkeypatch.setattr(shrinkage_module, "_BLOCK", 2**12)
    xr.testing.assert_allclose(shrinkage(post, draws=True), whole, rtol=1e-12)
    monkeypatch.setattr(chains, "FEWEST", 1000)
    xr.testing.assert_allclose(shrinkage(post, draws=True), whole, rtol=1e-8)
