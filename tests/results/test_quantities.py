"""Every quantity of a fit in one table."""

import numpy as np
import pandas as pd
import xarray as xr

import mixedbayes as mb
from mixedbayes.data import load_data
from mixedbayes.results.fixef import fixef
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.quantities import quantities
from mixedbayes.results.varcorr import varcorr


def test_the_rows_are_those_of_the_tables(sleep):
    found = quantities(sleep, ["mean", "median", "mad"], interval="hdi", prob=0.89)
    columns = ["mean", "median", "mad", "lower", "upper", "ess_bulk", "rhat"]
    assert list(found) == ["table", "quantity", *columns]
    assert found["quantity"].tolist() == [
        "sd_Subject[Intercept]", "sd_Subject[Days]", "cor_Subject[Intercept, Days]", "sigma",
        "Intercept", "Days", "icc[Subject, adjusted]", "icc[Subject, unadjusted]", "r2[marginal]",
        "r2[conditional]",
    ]  # fmt: skip
    asked = {"statistics": ["mean", "median", "mad"], "interval": "hdi", "prob": 0.89}
    for name, table in (("varcorr", varcorr), ("fixef", fixef)):
        own = found.loc[found["table"] == name, columns].reset_index(drop=True)
        pd.testing.assert_frame_equal(own, table(sleep, **asked)[columns])


def test_without_groups_or_predictors(make):
    post = make.random(make.design(load_data("sleepstudy"), "Reaction", {}, []))
    found = quantities(post)
    assert found["quantity"].tolist() == ["sigma", "Intercept", "r2[marginal]"]
    assert list(found)[2:] == ["mean", "sd", "lower", "upper", "ess_bulk", "rhat"]


def test_vectors_have_their_elements_and_a_factor_called_residual_its_name():
    data = pd.DataFrame({"y": np.tile([1, 2, 3], 6), "Residual": np.repeat(range(6), 3)})
    model = mb.Model("y ~ 1 + (1 | Residual)", data, family="cumulative")
    rng = np.random.default_rng(1)
    values = {
        "thresholds": (("chain", "draw", "threshold"), np.sort(rng.normal(size=(2, 50, 2)))),
        "sd_Residual": (("chain", "draw", "Residual_term"), rng.gamma(2, 1, (2, 50, 1))),
    }
    post = Posterior(model.spec, xr.DataTree.from_dict({"posterior": xr.Dataset(values)}))
    assert quantities(post, "median")["quantity"].tolist()[:3] == [
        "sd_Residual[Intercept]", "thresholds[1|2]", "thresholds[2|3]",
    ]  # fmt: skip
