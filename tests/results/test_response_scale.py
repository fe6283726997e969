"""ICC and R2 of the response itself: closed forms, simulation, and what bounds them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from family_values import values_of
from specs import spec_of

import mixedbayes as mb
from mixedbayes.families.registry import FAMILIES
from mixedbayes.results.icc import icc
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.r2 import r2

SHARED = [name for name, kind in FAMILIES.items() if not kind.unordered]

M, BETA, SD = 0.3, 0.5, {"g": 0.8, "k": 0.4}
CUTS = np.array([-1.0, 0.4, 2.0])
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
        ordinal = family.thresholds is not None
        design = make.design(data, "y", {"x": data.x.to_numpy()}, groups, intercept=not ordinal)
        values = {"fixef": np.full((2, 2, 1), BETA)}
        if not ordinal:
            values["Intercept"] = np.full((2, 2), mean)
        for g in groups:
            values[f"sd_{g.name}"] = np.full((2, 2, 1), SD[g.name])
        own = (
            {}
            if ordinal
            else {n: v[1] for n, v in values_of(family).items()}
            | {p: PARAMETERS[p] for p in family.parameters if p in PARAMETERS}
        )
        values |= {p: np.full((2, 2), v) for p, v in own.items()}
        post = make.posterior(design, values, family)
        if not ordinal:
            return post
        cuts = np.broadcast_to(CUTS - mean, (2, 2, len(CUTS)))  # in the intercept's place
        drawn = post.draws.assign(thresholds=(("chain", "draw", "threshold"), cuts))
        return Posterior(spec_of(design, family), xr.DataTree.from_dict({"posterior": drawn}))

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


@pytest.mark.parametrize(
    "family", [mb.Bernoulli(), mb.Beta(), mb.NegativeBinomial(), mb.Cumulative()], ids=str
)
def test_simulated_responses_have_these_shares(family, posterior):
    """Rows that share one effect and nothing else are correlated by that factor's share."""
    post = posterior(family)
    fixed, g, k = variances(post)
    rng, n = np.random.default_rng(5), 1_000_000
    m = M + BETA * post.design.mu.X[:, 0].mean()
    own = {name: np.full(1, PARAMETERS[name]) for name in family.parameters if name in PARAMETERS}
    if isinstance(family, mb.Cumulative):
        own = {"thresholds": CUTS[None]}
    shared = rng.normal(0, np.sqrt(g), n)
    pair = []
    for _ in range(2):
        eta = m + shared + rng.normal(0, np.sqrt(k), n)
        pair.append(family.simulate(family.inverse(eta[None], np), own, rng)[0])
    assert shares(post)["adjusted", "g"] == pytest.approx(np.corrcoef(*pair)[0, 1], abs=0.006)
    assert fixed > 0


@pytest.mark.parametrize("mean", [-6.0, 0.0, 6.0])
@pytest.mark.parametrize("name", SHARED)
def test_shares_lie_between_nothing_and_everything(name, mean, posterior):
    found = shares(posterior(FAMILIES[name](), mean))
    assert all(0 <= v <= 1 for v in found.values())
    for kind in ("adjusted", "unadjusted"):
        assert found[kind, "g"] + found[kind, "k"] <= found[kind, "all"] + 1e-9
    assert found["marginal"] <= found["conditional"]


def test_an_unknown_scale_is_refused(posterior):
    post = posterior(mb.Poisson())
    with pytest.raises(mb.ModelError, match='use "link" or "response"'):
        icc(post, scale="latent")


# ---- properties over random parameters ----------------------------------------------------------

EVERY = [(name, link) for name in SHARED for link in FAMILIES[name].mean_links]
ALL_DRAWS = 100


@pytest.fixture
def anywhere(make):
    """A posterior whose draws are parameter values from nearly nothing to very much."""

    def of(family):
        rng, n = np.random.default_rng(12), 60
        data = pd.DataFrame({"g": np.arange(n) % 6, "k": np.arange(n) % 5})
        data["x"], data["y"] = rng.normal(size=n), rng.integers(0, 2, n).astype(float)
        groups = [make.group(data, g, {"Intercept": np.ones(n)}) for g in SD]
        design = make.design(data, "y", {"x": data.x.to_numpy()}, groups)
        ordinal = family.thresholds is not None
        size = (2, ALL_DRAWS // (6 if ordinal else 2))  # thresholds take ten times as long
        # On these links the mean, and with it the variance, must be positive.
        bounded = family.link.name in ("identity", "inverse") and family.positive
        most = 0.02 if bounded else 5.0
        top = 1.5 if family.link.name == "cloglog" else 8  # beyond, the probability rounds to 1
        low, high = (-3, 1) if "lognormal" in family.name else (-3, 4)
        level = np.exp(rng.uniform(0, 3, size)) if bounded else rng.uniform(-8, top, size)
        values = {"fixef": most * rng.uniform(-0.5, 0.5, (*size, 1))}
        values |= {f"sd_{g}": most * rng.beta(0.5, 1, (*size, 1)) for g in SD}
        if ordinal:
            design = replace(design, predictors=(replace(design.mu, intercept=False),))
            post = make.posterior(design, values, family)
            cuts = np.sort(rng.normal(0, 3, (*size, 3)), axis=-1)
            drawn = post.draws.assign(thresholds=(("chain", "draw", "threshold"), cuts))
            return Posterior(spec_of(design, family), xr.DataTree.from_dict({"posterior": drawn}))
        values |= {
            p.name: p.link.inverse(rng.uniform(low, high, size), np) for p in family.declared
        }
        return make.posterior(design, values | {"Intercept": level}, family)

    return of


@pytest.mark.parametrize("scale", ["link", "response"])
@pytest.mark.parametrize(("name", "link"), EVERY, ids=lambda v: getattr(v, "__name__", v))
def test_shares_are_shares_whatever_the_parameters(name, link, scale, anywhere):
    """In every draw: within [0, 1]; parts add up to no more than the whole."""
    post = anywhere(FAMILIES[name](link=link()))
    if link.__name__ == "Inverse" and scale == "response":
        with pytest.raises(mb.ModelError, match="inverse link the mean is infinite"):
            icc(post, scale=scale, draws=True)
        return
    found, explained = icc(post, scale=scale, draws=True), r2(post, scale=scale, draws=True)
    for values in (*found.data_vars.values(), *explained.data_vars.values()):
        assert float(values.min()) >= 0
        assert float(values.max()) <= 1
        assert values.notnull().all()
    for kind in ("adjusted", "unadjusted"):
        parts = found[kind].sel(group=list(SD)).sum("group")
        # The quadrature's error, with sds of 5 over steep links.
        error = 1e-8 if scale == "link" else 0.01
        assert (parts <= found[kind].sel(group="all") + error).all()
    if scale == "link":
        assert (found["unadjusted"] <= found["adjusted"] + 1e-8).all()
    assert (explained["marginal"] <= explained["conditional"] + 1e-8).all()


def test_a_parameter_with_a_formula_counts_with_its_average_variance(make):
    """Gaussian with log(sigma) normal over rows and groups: E sigma^2 = exp(2 m + 2 v)."""
    from mixedbayes.model.coords import dims_of, model_coords

    rng, n = np.random.default_rng(1), 400
    data = pd.DataFrame({"x": rng.normal(size=n), "g": np.arange(n) % 8, "y": rng.normal(size=n)})
    model = mb.Model(["y ~ x + (1 | g)", "sigma ~ x + (1 | g)"], data)
    plain = {
        "Intercept": 1.0, "fixef": [0.5], "sd_g": [0.8], "sigma_Intercept": -0.2,
        "sigma_fixef": [0.3], "sd_sigma_g": [0.4],
    }  # fmt: skip
    dims, coords = dims_of(model.spec), model_coords(model.spec)
    table = {
        k: (("chain", "draw", *dims[k]), np.broadcast_to(v, (2, 2, *np.shape(v))))
        for k, v in plain.items()
    }
    used = {d: coords[d] for k in plain for d in dims[k]}
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(table, used)})
    post = Posterior(model.spec, tree)
    x = model.design.mu.X[:, 0]
    m, v = -0.2 + 0.3 * x.mean(), 0.3**2 * x.var(ddof=1) + 0.4**2
    expected = 0.8**2 / (0.8**2 + np.exp(2 * m + 2 * v))
    for scale in ("link", "response"):
        found = float(icc(post, scale=scale, draws=True)["adjusted"].sel(group="g")[0, 0])
        assert found == pytest.approx(expected, rel=1e-6)
