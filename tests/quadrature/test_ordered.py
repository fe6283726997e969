"""Ordered categories with effects integrated out: posterior, evidence, and new groups."""

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

import mixedbayes as mb
from mixedbayes.checks.group_density import integrated

SETTINGS = {"seed": 1, "progress": False}
LEVELS = ["never", "seldom", "at times", "often", "always"]


def rated(levels=40, rows=4):
    """Answers, "at times" by nobody, and in some groups all of them alike."""
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(levels), rows)
    x = rng.normal(size=len(g)).round(1)
    latent = 0.8 * x + 1.2 * rng.normal(size=levels)[g] + rng.logistic(size=len(g))
    code = np.searchsorted([-1.5, 0.2, 1.4], latent)
    code[g < 3], code[g == 3] = 3, 0
    codes = np.array([0, 1, 3, 4])[code]
    return pd.DataFrame({"y": pd.Categorical.from_codes(codes, LEVELS, True), "x": x, "g": g})


@pytest.fixture(scope="module")
def fits():
    return [
        mb.fit("y ~ x + (1 | g)", rated(), family="cumulative", formulation=formulation, **SETTINGS)
        for formulation in (mb.Quadrature(), mb.PartiallyCentered())
    ]


def test_the_posterior_is_that_with_effects_sampled(fits):
    one, other = fits
    assert one.idata["posterior"].sizes["threshold"] == 3
    for name in ("thresholds", "fixef", "sd_g", "ranef_g"):
        x, y = (f.idata["posterior"][name].stack(s=("chain", "draw")) for f in (one, other))
        error = 5 * np.sqrt((x.var("s") + y.var("s")) / 400)  # effective draws, at least
        assert (abs(x.mean("s") - y.mean("s")) < error).all()
        np.testing.assert_allclose(x.std("s"), y.std("s"), rtol=0.25)


@pytest.mark.parametrize(
    ("levels", "formulation"), [(99, "PartiallyCentered()"), (100, "Quadrature()")]
)
def test_it_is_chosen_where_there_are_many_groups(levels, formulation):
    found = mb.Model("y ~ x + (x | g)", rated(levels, 2), family="acat").formulation
    assert (str(found), "levels" in found.reason) == (formulation, levels < 100)


def test_new_groups_are_answered_for(fits):
    """Density of a group's rows, its effect integrated out: a sum over a grid."""
    fit = fits[0]
    data, post = rated(), fit.posterior
    found = integrated(post, post.group("g"), np.array([0, 7])).log_density
    cuts, beta = (post.stacked(name) for name in ("thresholds", "fixef"))
    u = np.linspace(-8, 8, 161)
    b = post.stacked("sd_g").reshape(-1, 1) * u
    for k, level in enumerate((0, 7)):
        total = stats.norm.logpdf(u)
        for _, row in data[data["g"] == level].iterrows():
            code = fit.posterior.design.response_levels.index(row["y"])
            ends = np.pad(cuts, ((0, 0), (1, 1)), constant_values=(-np.inf, np.inf))
            ends = ends[:, code : code + 2] - beta[:, :1] * row["x"]
            low, high = ends[:, :1] - b, ends[:, 1:] - b
            total = total + np.log(special.expit(high) - special.expit(low))
        expected = special.logsumexp(total, axis=1) + np.log(u[1] - u[0])
        np.testing.assert_allclose(found[:, k], expected, atol=1e-5)
    new = pd.DataFrame({"y": ["always", "always"], "x": [0.0, 0.5], "g": ["new", "new"]})
    assert fit.condition_on(new).ranef()["mean"].iloc[0] > 0.2
    assert fit.predict(new.assign(g="other"), kind="mean")["mean"].sum() == pytest.approx(2)


def test_the_evidence_is_the_integral_over_everything():
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(5), 3)
    data = pd.DataFrame({"y": np.arange(15) % 3 + 1, "g": g})
    data["y"] = rng.permutation(data["y"])
    priors = {"thresholds": mb.Normal(0, 1.5), "sd": mb.HalfNormal(0.8)}
    fit = mb.fit("y ~ 1 + (1 | g)", data, family="cumulative", priors=priors, draws=20, tune=20,
                 chains=2, **SETTINGS)  # fmt: skip
    found = fit.log_evidence()
    low, gap = np.linspace(-6, 5, 34), np.linspace(0.1, 9.9, 50)  # in the middle of cells
    sd, u = np.linspace(0.05, 3.95, 40), np.linspace(-6, 6, 25)
    cell = (low[1] - low[0]) * 0.2 * 0.1
    low, gap, sd = low[:, None, None, None], gap[:, None, None], sd[:, None]
    high = low + gap
    total = stats.norm.logpdf(low, scale=1.5) + stats.norm.logpdf(high, scale=1.5)
    total = (total + np.log(2) + np.log(2) + stats.norm.logpdf(sd, scale=0.8))[..., 0]
    p = [special.expit(low - sd * u), special.expit(high - sd * u)]
    logs = np.log(np.maximum([p[0] + 0 * p[1], p[1] - p[0], 1 - p[1]], 1e-300))
    for _, own in data.groupby("g"):
        rows = sum(logs[y - 1] for y in own["y"]) + stats.norm.logpdf(u)
        total = total + special.logsumexp(rows, axis=-1) + np.log(u[1] - u[0])
    expected = special.logsumexp(total) + np.log(cell)
    assert found.log == pytest.approx(expected, abs=4 * found.error + 0.005)
