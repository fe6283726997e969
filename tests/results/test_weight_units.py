"""Weights that divide the variance: nothing depends on their unit, and rows have their own."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import special

import mixedbayes as mb
from mixedbayes.plots.residuals import residuals as drawn_residuals
from mixedbayes.results.fitted import fitted, residuals
from mixedbayes.results.icc import icc
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.r2 import r2
from mixedbayes.results.variance import residual_variance

FAMILIES = ("gaussian", "student_t", "lognormal", "gamma")
J, N, DRAWS = 6, 60, 40


def posterior(family, unit=1.0, weights=None):
    """Draws of a model of the same rows whose weights are in some unit."""
    rng = np.random.default_rng(4)
    d = pd.DataFrame({"g": np.arange(N) % J, "x": rng.normal(size=N), "y": rng.gamma(3, 1, N)})
    d["w"] = unit * (rng.uniform(0.2, 5, N) if weights is None else weights)
    spec = mb.Model("y | weights(w) ~ x + (1 | g)", d, family=family).spec
    dims = ("chain", "draw")

    def near(value):
        return value * np.exp(0.1 * rng.normal(size=(2, DRAWS)))

    values = {
        "Intercept": (dims, near(0.3)),
        "fixef": ((*dims, "term"), near(0.4)[..., None]),
        "sd_g": ((*dims, "g_term"), near(0.5)[..., None]),
        "ranef_g": ((*dims, "g", "g_term"), 0.1 * rng.normal(size=(2, DRAWS, J, 1))),
        "sigma": (dims, near(0.6) * np.sqrt(unit)),
        "shape": (dims, near(2.0) / unit),
        "nu": (dims, near(9.0)),
    }
    kept = {k: v for k, v in values.items() if k not in ("sigma", "shape", "nu")}
    kept |= {k: values[k] for k in spec.family.parameters}
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(kept)})
    return Posterior(spec, tree)


@pytest.mark.parametrize("unit", [1e-5, 1e6])
@pytest.mark.parametrize("family", FAMILIES)
def test_results_do_not_depend_on_the_unit_of_the_weights(family, unit):
    a, b = posterior(family), posterior(family, unit)
    tables = [lambda p, s=s: icc(p, scale=s) for s in ("link", "response")]
    tables += [lambda p, s=s: r2(p, scale=s) for s in ("link", "response")]
    tables += [fitted, residuals, lambda p: residuals(p, kind="pearson")]
    for table in tables:
        mine, theirs = (
            t(p).drop(columns=["ess_bulk", "rhat"], errors="ignore")
            for t, p in ((table, a), (table, b))
        )
        pd.testing.assert_frame_equal(mine, theirs, rtol=1e-6)
    np.testing.assert_allclose(drawn_residuals(a).fitted, drawn_residuals(b).fitted, rtol=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_residual_is_the_mean_over_the_rows(family):
    weights = np.where(np.arange(N) < N // 2, 0.5, 4.0)
    post = posterior(family, weights=weights)
    own = post.parameters()
    if family == "gamma":
        each = [special.polygamma(1, own["shape"] * w) for w in (0.5, 4.0)]
    else:
        inflation = own["nu"] / (own["nu"] - 2) if "nu" in own else 1.0
        each = [own["sigma"] ** 2 / w * inflation for w in (0.5, 4.0)]
    np.testing.assert_allclose(residual_variance(post), np.mean(each, axis=0))


def test_the_mean_of_a_lognormal_row_has_the_variance_of_its_weight():
    post = posterior("lognormal")
    d, sigma = post.design, post.parameters()["sigma"]
    eta = (
        post.intercept()[:, None]
        + post.fixef() @ d.mu.X.T
        + post.ranef("g")[:, d.mu.groups[0].refs, 0]
    )
    expected = np.exp(eta + sigma[:, None] ** 2 / (2 * d.weights)).mean(axis=0)
    np.testing.assert_allclose(fitted(post)["mean"], expected)
