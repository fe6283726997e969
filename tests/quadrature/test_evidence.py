"""The evidence of models with effects integrated out, against sums over fine grids."""

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

import mixedbayes as mb

PRIORS = {"Intercept": mb.Normal(0, 1), "sd": mb.HalfNormal(0.8)}


def data():
    rng = np.random.default_rng(7)
    g = np.repeat(np.arange(6), 3)
    return pd.DataFrame({"y": rng.poisson(np.exp(0.4 + rng.normal(0, 0.6, 6)[g])), "g": g})


def by_grid():
    """log p(y): effects b on a grid, for every intercept and sd on grids of their own."""
    d = data()
    level, sd, u = np.linspace(-4, 4, 161), np.linspace(0.002, 4, 300), np.linspace(-7, 7, 241)
    eta = level[:, None, None] + sd[None, :, None] * u
    total = stats.norm.logpdf(level)[:, None] + np.log(2) + stats.norm.logpdf(sd, scale=0.8)
    for _, own in d.groupby("g"):
        rows = own["y"].sum() * eta - len(own) * np.exp(eta) - special.gammaln(own["y"] + 1).sum()
        total = total + special.logsumexp(rows + stats.norm.logpdf(u), axis=2) + np.log(u[1] - u[0])
    return special.logsumexp(total) + np.log((level[1] - level[0]) * (sd[1] - sd[0]))


def test_it_is_the_integral_over_everything():
    fit = mb.fit("y ~ 1 + (1 | g)", data(), family="poisson", priors=PRIORS, draws=20, tune=20,
                 chains=2, seed=1, progress=False)  # fmt: skip
    found = fit.log_evidence()
    assert found.error < 0.03
    assert found.log == pytest.approx(by_grid(), abs=4 * found.error + 0.005)
    assert "2 parameters" in repr(found)


def test_what_has_no_integral_is_said():
    d = data().assign(h=np.arange(18) % 4)
    fit = mb.fit("y ~ 1 + (1 | g) + (1 | h)", d, family="poisson", priors=PRIORS, draws=20,
                 tune=20, chains=2, seed=1, progress=False)  # fmt: skip
    with pytest.raises(mb.ModelError, match=r"no closed form, and for quadrature there are 2"):
        fit.log_evidence()
