import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hand_made import hand_made
from scipy import special, stats

import mixedbayes as mb
from mixedbayes.checks import group_density
from mixedbayes.checks.group_density import by_group, integrated
from mixedbayes.checks.log_likelihood import log_likelihood
from mixedbayes.results.posterior import Posterior

RNG = np.random.default_rng(5)
N, DRAWS = 48, 3
DATA = pd.DataFrame(
    {
        "y": RNG.normal(size=N),
        "count": RNG.poisson(4, N),
        "yes": RNG.integers(0, 2, N),
        "of": RNG.integers(6, 9, N),
        "x": RNG.normal(size=N),
        "a": np.repeat(np.arange(6), 8),
        "b": np.tile(np.repeat([0, 1], 4), 6),
        "c": RNG.integers(0, 4, N),
    }
)


def posterior(formula, family):
    return hand_made(formula, DATA, family, DRAWS, RNG)


def by_hand(post, target, density):
    """(S, J) by brute force: a fine grid over the effects of each level."""
    g, design = post.design.mu.group(target), post.design
    q = len(g.terms)
    nodes = np.linspace(-8, 8, 2001 if q == 1 else 201)
    u = np.stack(np.meshgrid(*[nodes] * q), axis=-1).reshape(-1, q)
    w = np.prod(stats.norm.pdf(u), axis=1)
    L = np.linalg.cholesky(post.cov(target))
    out = np.empty((post.n_draws, g.n_levels))
    for s in range(post.n_draws):
        eta = post.intercept()[s] + design.mu.X @ post.fixef()[s]
        for other in design.mu.groups:
            if other is not g:
                eta = eta + np.sum(other.Z * post.ranef(other.name)[s][other.refs], axis=1)
        for j in range(g.n_levels):
            rows = np.flatnonzero(g.refs == j)
            b = u @ L[s].T
            terms = density(rows, eta[rows] + b @ g.Z[rows].T, s).sum(axis=1)
            out[s, j] = special.logsumexp(terms, b=w / w.sum())
    return out


def poisson(rows, eta, s):
    return stats.poisson.logpmf(DATA["count"].to_numpy()[rows], np.exp(eta))


def bernoulli(rows, eta, s):
    return stats.bernoulli.logpmf(DATA["yes"].to_numpy()[rows], special.expit(eta))


CASES = [
    ("count ~ x + (1 | a)", "poisson", "a", poisson),
    ("count ~ x + (x | a)", "poisson", "a", poisson),
    ("yes ~ x + (x || a)", "bernoulli", "a", bernoulli),
    ("yes ~ 1 + (1 | a) + (1 | c)", "bernoulli", "c", bernoulli),
    ("count ~ 1 + (1 | a/b)", "poisson", "a:b", poisson),
]


@pytest.mark.parametrize(("formula", "family", "target", "density"), CASES)
def test_quadrature_agrees_with_a_fine_grid(formula, family, target, density):
    post = posterior(formula, family)
    found = by_group(post, post.design.mu.group(target))
    np.testing.assert_allclose(found, by_hand(post, target, density), atol=2e-4)


@pytest.mark.parametrize("formula", ["y ~ x + (x | a)", "y ~ x + (1 | a) + (1 | c)"])
def test_quadrature_agrees_with_the_closed_form(formula, monkeypatch):
    post = posterior(formula, "gaussian")
    g = post.design.mu.group("a")
    exact = by_group(post, g)
    monkeypatch.setattr(Posterior, "closed_form", False)
    np.testing.assert_allclose(by_group(post, g), exact, atol=1e-6)


def test_a_link_that_is_not_the_identity_has_no_closed_form():
    data = DATA.assign(y=np.exp(DATA["y"]))
    spec = mb.Model("y ~ 1 + (1 | a)", data, family=mb.Gaussian(link=mb.Log())).spec
    post = Posterior(spec, xr.DataTree())
    assert not post.closed_form


def test_some_levels_are_those_of_all():
    post = posterior("count ~ x + (1 | a)", "poisson")
    g = post.design.mu.group("a")
    np.testing.assert_array_equal(by_group(post, g, np.array([4, 1])), by_group(post, g)[:, [4, 1]])


def nested_by_hand(post, density):
    """(S, J) of a, by grids over its effect and, given that, over those of a:b."""
    a, inner = post.design.mu.groups
    u = np.linspace(-8, 8, 401)
    w = stats.norm.pdf(u) / stats.norm.pdf(u).sum()
    out = np.empty((post.n_draws, a.n_levels))
    for s in range(post.n_draws):
        eta = post.intercept()[s] + post.design.mu.X @ post.fixef()[s]
        for j in range(a.n_levels):
            total = np.zeros(len(u))
            for level in np.unique(inner.refs[a.refs == j]):
                rows = np.flatnonzero(inner.refs == level)
                b = post.sd("a")[s, 0] * u[:, None] + post.sd("a:b")[s, 0] * u
                terms = density(rows, eta[rows] + b[..., None], s).sum(axis=2)
                total += special.logsumexp(terms, b=w, axis=1)
            out[s, j] = special.logsumexp(total, b=w)
    return out


@pytest.mark.parametrize(
    ("formula", "family", "density"),
    [
        ("count ~ x + (1 | a/b)", "poisson", poisson),
        ("yes ~ 1 + (1 | a/b)", "bernoulli", bernoulli),
    ],
)
def test_nested_effects_are_integrated_out_together(formula, family, density):
    post = posterior(formula, family)
    found = integrated(post, post.design.mu.group("a"))
    np.testing.assert_allclose(found.log_density, nested_by_hand(post, density), atol=0.05)
    assert found.log_density.shape == (DRAWS, 6)


@pytest.mark.parametrize(
    "formula", ["y ~ x + (x + of + count | a)", "y ~ x + (x | a/b)", "y ~ 1 + (1 | a/b) + (1 | c)"]
)
def test_proposals_agree_with_the_closed_form(formula, monkeypatch):
    post = posterior(formula, "gaussian")
    g = post.design.mu.group("a")
    exact = by_group(post, g)
    monkeypatch.setattr(Posterior, "closed_form", False)
    found = integrated(post, g)
    np.testing.assert_allclose(found.log_density, exact, atol=0.3)
    assert abs(np.mean(found.log_density - exact)) < 0.05
    assert np.median(found.pareto_k) < 0.7  # of 96 weights each
    np.testing.assert_array_equal(by_group(post, g, np.array([4, 1])), found.log_density[:, [4, 1]])


def test_effects_on_another_parameter_are_integrated_out_too():
    """Of the mean and of log sigma: a grid over both effects of a level."""
    post = posterior(["y ~ x + (1 | a)", "sigma ~ 1 + (1 | a)"], "gaussian")
    g, design = post.design.mu.group("a"), post.design
    found = integrated(post, g)
    u = np.linspace(-8, 8, 801)
    w = stats.norm.pdf(u) / stats.norm.pdf(u).sum()
    for s in range(DRAWS):
        for j in range(2):
            rows = np.flatnonzero(g.refs == j)
            mean = post.intercept()[s] + design.mu.X[rows] @ post.fixef()[s]
            mean = mean + post.sd("a")[s, 0] * u[:, None, None]
            sd = np.exp(post.intercept("sigma")[s] + post.sd("a", "sigma")[s, 0] * u[:, None])
            terms = stats.norm.logpdf(design.y[rows], mean, sd).sum(axis=2)
            expected = special.logsumexp(terms, b=np.outer(w, w))
            assert found.log_density[s, j] == pytest.approx(expected, abs=0.1)


def test_too_many_effects_are_refused_with_what_to_do(monkeypatch):
    post = posterior("count ~ 1 + (1 | a/b)", "poisson")
    monkeypatch.setattr(group_density, "MOST_EFFECTS", 2)
    message = r"a level of a has up to 3 effects.*2 are the most.*use target='a:b'"
    with pytest.raises(mb.ModelError, match=message):
        log_likelihood(post, "a")
