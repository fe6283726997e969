"""Posteriors of models with smooths, default priors, beside mgcv's REML."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb

CASES = {
    "by factor": ("curves", "by_factor", "y ~ arm + s(time, by=arm, k=10) + (1 | id)"),
    "by level": ("curves", "fs", 'y ~ s(time, k=10) + s(time, id, bs="fs", k=6)'),
    "surface": ("surface", "t2", "y ~ t2(x, z, k=c(5, 5)) + (1 | g)"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_fitted_values_are_within_a_fifth_of_a_standard_error(name, reference):
    data, model, formula = CASES[name]
    known = reference("mgcv_smooths")[data]
    columns = pd.DataFrame({k: v for k, v in known.items() if k in ("y", "time", "x", "z")})
    labels = {k: pd.Categorical(known[k]) for k in ("id", "arm", "g") if k in known}
    fit = mb.fit(formula, columns.assign(**labels), seed=1, progress=False)
    found, rows = fit.fitted().iloc[::5], known[model]["every_fifth_row"]
    np.testing.assert_array_less(np.abs(found["mean"] - rows["fitted"]) / rows["se"], 0.2)
    np.testing.assert_allclose(found["sd"] / rows["se"], 1, atol=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("basis", ["tp", "cr"])
def test_a_curve_is_within_a_fifth_of_a_standard_error(basis, reference):
    known = reference("mgcv_smooths")["mcycle"]
    own = known[basis]
    data = pd.DataFrame({"times": known["times"], "accel": known["accel"]})
    fit = mb.fit(f'accel ~ s(times, k=20, bs="{basis}")', data, seed=1, progress=False)
    found = fit.predict(pd.DataFrame({"times": own["at"]}), kind="mean")["mean"]
    reml = own["pairs"][0]
    np.testing.assert_array_less(np.abs(found - reml["fitted"]) / reml["se"], 0.2)
