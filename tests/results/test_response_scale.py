"""ICC and R2 of the response itself: closed forms, simulation, and what bounds them."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.families.registry import FAMILIES
from mixedbayes.results.icc import icc
from mixedbayes.results.r2 import r2

M, BETA, SD = 0.3, 0.5, {"g": 0.8, "k": 0.4}
PARAMETERS = {"sigma": 0.7, "nu": 6.0, "shape": 3.0, "phi": 8.0}


@pytest.fixture
def posterior(make):
    """A posterior of one draw (two chains of two equal ones) for a family, crossed groups."""

    def of(family, mean=M):
        rng = np.random.default_rng(3)
        n = 60
        data = pd.DataFrame({"g": np.arange(n) % 6, "k": np.arange(n) % 5})
        data["x"], data["y"] = rng.normal(size=n), rng.integers(0, 2, n).astype(float)
        groups = [make.group(data, g, {"Intercept": np.ones(n)}) for g in SD]
        design = make.design(data, "y", {"x": data.x.to_numpy()}, groups)
        values = {"Intercept": np.full((2, 2), mean), "fixef": np.full((2, 2, 1), BETA)}
        for g in groups:
            values[f"sd_{g.name}"] = np.full((2, 2, 1), SD[g.name])
        values |= {p: np.full((2, 2), PARAMETERS[p]) for p in family.parameters}
        return make.posterior(design, values, family)

    return of


def shares(post):
    """ICC by kind and group, and R2 by kind, of the one draw."""
    x = icc(post, scale="response", draws=True)
    table = {
        (kind, str(g)): float(x[kind].sel(group=g)[0, 0])
        for kind in x
        for g in x["group"].to_numpy()
    }
    return table | {
        kind: float(v[0, 0]) for kind, v in r2(post, scale="response", draws=True).items()
    }


def variances(post):
    fixed = BETA**2 * post.design.mu.X[:, 0].var(ddof=1)
    return fixed, SD["g"] ** 2, SD["k"] ** 2


def test_gaussian_response_is_the_link_scale(posterior):
    post = posterior(mb.Gaussian())
    for function in (icc, r2):
        np.testing.assert_allclose(
            function(post, scale="response")["mean"], function(post)["mean"], rtol=1e-10
        )


def test_poisson_has_the_lognormals_closed_form(posterior):
    post = posterior(mb.Poisson())
    fixed, g, k = variances(post)
    m = M + BETA * post.design.mu.X[:, 0].mean()
    mean = np.exp(m + (g + k) / 2)
    within, everything = mean, mean**2 * np.expm1(g + k)
    found = shares(post)
    assert found["adjusted", "all"] == pytest.approx(everything / (everything + within), rel=1e-6)
    of_g = mean**2 * np.expm1(g)
    assert found["adjusted", "g"] == pytest.approx(of_g / (everything + within), rel=1e-6)
    total_mean = np.exp(m + (fixed + g + k) / 2)
    total = total_mean**2 * np.expm1(fixed + g + k) + total_mean
    assert found["marginal"] == pytest.approx(total_mean**2 * np.expm1(fixed) / total, rel=1e-6)
    assert found["conditional"] == pytest.approx(1 - total_mean / total, rel=1e-6)


@pytest.mark.parametrize("family", [mb.Bernoulli(), mb.Beta(), mb.NegativeBinomial()], ids=str)
def test_simulated_responses_have_these_shares(family, posterior):
    """Rows that share one effect and nothing else are correlated by that factor's share."""
    post = posterior(family)
    fixed, g, k = variances(post)
    rng, n = np.random.default_rng(5), 1_000_000
    m = M + BETA * post.design.mu.X[:, 0].mean()
    shared = rng.normal(0, np.sqrt(g), n)
    own = {name: np.full(1, PARAMETERS[name]) for name in family.parameters}
    pair = []
    for _ in range(2):
        eta = m + shared + rng.normal(0, np.sqrt(k), n)
        pair.append(family.simulate(family.inverse(eta[None], np), own, rng)[0])
    assert shares(post)["adjusted", "g"] == pytest.approx(np.corrcoef(*pair)[0, 1], abs=0.006)
    assert fixed > 0


@pytest.mark.parametrize("mean", [-6.0, 0.0, 6.0])
@pytest.mark.parametrize("name", [n for n in FAMILIES if n != "cumulative"])
def test_shares_lie_between_nothing_and_everything(name, mean, posterior):
    found = shares(posterior(FAMILIES[name](), mean))
    assert all(0 <= v <= 1 for v in found.values())
    for kind in ("adjusted", "unadjusted"):
        assert found[kind, "g"] + found[kind, "k"] <= found[kind, "all"] + 1e-9
    assert found["marginal"] <= found["conditional"]


def test_unknown_scale_and_points_are_refused(posterior):
    post = posterior(mb.Poisson())
    with pytest.raises(mb.ModelError, match='use "link" or "response"'):
        icc(post, scale="latent")
    with pytest.raises(mb.ModelError, match="at= is defined on the link scale"):
        icc(post, at={"x": [1]}, scale="response")
