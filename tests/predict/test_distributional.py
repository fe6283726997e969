"""Predictions where a further parameter has a formula: its columns and groups are read too."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hand_made import hand_made

import mixedbayes as mb
from mixedbayes import names
from mixedbayes.model.coords import dims_of, model_coords
from mixedbayes.predict.predict import predict
from mixedbayes.predict.streams import level_stream
from mixedbayes.results.fitted import expected, linear_predictor, row_parameters
from mixedbayes.results.posterior import Posterior

S = 4000  # draws, all of one value where `posterior` has no spread


def rows(n=40, positive=False):
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"x": rng.normal(size=n), "g": np.arange(n) % 5, "k": np.arange(n) % 4})
    y = rng.normal(size=n)
    return data.assign(y=np.exp(y) if positive else y, t=rng.uniform(1, 2, n))


def posterior(formulas, family="gaussian", spread=0.0, data=None):
    """A posterior around plain values: coefficients 0.5, sds 0.3, effects of their own."""
    data = rows(positive=family != "gaussian") if data is None else data
    model = mb.Model(formulas, data, family=family)
    spec, rng = model.spec, np.random.default_rng(4)
    dims, coords = dims_of(spec), model_coords(spec)
    found = {}
    for name, own in dims.items():
        shape = tuple(len(coords[d]) for d in own)
        centre = rng.normal(0, 0.3, shape) if name.startswith("ranef_") else np.full(shape, 0.5)
        centre = np.full(shape, 0.3) if name.startswith("sd_") else centre
        noise = spread * rng.normal(size=(4, S // 4, *shape))
        found[name] = ((names.CHAIN, names.DRAW, *own), np.exp(0.1 * noise) * centre)
    used = {d: coords[d] for own in dims.values() for d in own}
    draws = xr.Dataset(found, used)
    return Posterior(model.spec, xr.DataTree.from_dict({"posterior": draws}))


BOTH = ["y ~ x + (1 | g)", "sigma ~ x + offset(log(t)) + (x | g)"]


def test_the_rows_of_the_fit_as_new_rows():
    """The same draws as of the fit's own rows, and the sd of each row's own sigma."""
    data = rows()
    post = posterior(BOTH, spread=1.0, data=data)
    again = predict(post, data.drop(columns="y"), draws=True)
    np.testing.assert_array_equal(again, predict(post, draws=True))
    y = again.to_numpy().reshape(S, -1)
    sigma = row_parameters(post, slice(None))["sigma"]
    z = (y - expected(post, slice(None)).T) / sigma
    np.testing.assert_allclose(z.std(axis=0), 1, atol=5 / np.sqrt(2 * S))
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=5 / np.sqrt(S))


def test_a_new_level_draws_its_effects_on_every_parameter():
    post = posterior(BOTH)
    new = pd.DataFrame({"x": 0.0, "g": ["new"], "t": 1.0})
    y = predict(post, new, draws=True).to_numpy().ravel()
    # h ~ N(0.5, 0.3^2) is log(sigma), and mu ~ N(0.5, 0.3^2): Var[y] = 0.3^2 + E[sigma^2]
    variance = 0.3**2 + np.exp(2 * 0.5 + 2 * 0.3**2)
    kurtosis = 3 * np.exp(4 * 0.3**2)
    error = variance * np.sqrt(kurtosis / S)
    assert y.var() == pytest.approx(variance, abs=5 * error)
    assert level_stream(0, "sigma_g", "new").normal() != level_stream(0, "g", "new").normal()


@pytest.mark.parametrize("groups", ["typical", []])
def test_groups_that_are_left_out_are_left_out_of_sigma_too(groups):
    post = posterior(BOTH)
    new = pd.DataFrame({"x": [0.0, 1.0], "g": [0, 1], "t": [1.0, 2.0]})
    y = predict(post, new, groups=groups, draws=True).to_numpy().reshape(S, 2)
    sigma = np.exp(0.5 + 0.5 * new.x + np.log(new.t))
    np.testing.assert_allclose(y.std(axis=0), sigma, rtol=5 / np.sqrt(2 * S))


def test_columns_of_another_parameter_are_needed_only_where_the_answer_depends_on_them():
    post = posterior(["y ~ 1 + (1 | g)", "sigma ~ x + (1 | k)"])
    new = pd.DataFrame({"g": [0, 1]})
    for kind in ("mean", "linear"):
        assert predict(post, new, kind=kind)["mean"].notna().all()
    with pytest.raises(mb.DataError, match=r"lack 2 column\(s\): x, k"):
        predict(post, new)
    y = predict(post, new.assign(x=0.0, k=0), groups=["k"], draws=True).to_numpy().reshape(S, 2)
    effect = post.ranef("k", "sigma")[0, 0, 0]
    np.testing.assert_allclose(y.std(axis=0), np.exp(0.5 + effect), rtol=5 / np.sqrt(2 * S))
    with pytest.raises(mb.ModelError, match=r"'h' is not a grouping factor of this model.* g, k"):
        predict(post, new, groups=["h"])


def test_a_mean_that_depends_on_the_parameter():
    data = rows(positive=True)
    post = posterior(["y ~ x + (1 | g)", "sigma ~ x"], "lognormal", spread=1.0, data=data)
    found = predict(post, data.drop(columns="y"), kind="mean", draws=True).to_numpy().reshape(S, -1)
    np.testing.assert_allclose(found, expected(post, slice(None)).T, rtol=1e-12)
    average = predict(post, data, kind="mean", groups="average")["mean"]
    eta = linear_predictor(post, slice(None), without=["g"]).T
    sigma = row_parameters(post, slice(None))["sigma"]
    exact = np.exp(eta + post.sd("g") ** 2 / 2 + sigma**2 / 2).mean(axis=0)
    np.testing.assert_allclose(average, exact, rtol=1e-6)


def test_an_average_that_is_infinite_is_refused():
    post = posterior(["y ~ x", "sigma ~ x + (1 | k)"], "lognormal")
    with pytest.raises(mb.ModelError, match=r"lognormal.*infinite; use groups=.typical."):
        predict(post, kind="mean", groups="average")
    assert predict(post, kind="mean", groups="typical")["mean"].notna().all()


def test_counts_spread_with_their_own_shape():
    data = rows().assign(y=np.arange(40))
    post = posterior(["y ~ 1", "shape ~ x"], "negative_binomial", data=data)
    new = pd.DataFrame({"x": [-1.0, 2.0]})
    y = predict(post, new, draws=True).to_numpy().reshape(S, 2)
    mean, shape = np.exp(0.5), np.exp(0.5 + 0.5 * new.x)
    np.testing.assert_allclose(y.var(axis=0), mean + mean**2 / shape, rtol=0.15)


def test_means_of_weighted_rows_do_not_need_their_sigma():
    d = pd.DataFrame({"x": np.linspace(0, 1, 20), "w": np.arange(1.0, 21), "g": np.arange(20) % 4})
    d["y"] = d["x"] + np.sin(np.arange(20))
    formulas = ["y | weights(w) ~ x + (1 | g)", "sigma ~ x"]
    post = hand_made(formulas, d, "gaussian", 5, np.random.default_rng(1))
    table = predict(post, d.iloc[:2], kind="mean", groups="typical")
    expected = post.intercept()[:, None] + post.fixef() * d["x"].to_numpy()[:2]
    np.testing.assert_allclose(table["mean"], expected.mean(axis=0), rtol=1e-12)
