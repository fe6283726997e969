import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

import mixedbayes as mb
from mixedbayes import names
from mixedbayes.checks.log_likelihood import log_likelihood
from mixedbayes.model.coords import dims_of, model_coords
from mixedbayes.results.posterior import Posterior

RNG = np.random.default_rng(5)
N = 60
DATA = pd.DataFrame(
    {
        "y": RNG.normal(size=N),
        "x": RNG.normal(size=N),
        "w": RNG.uniform(0.5, 2, N),
        "a": np.repeat(np.arange(6), 10),
        "b": np.tile(np.repeat([0, 1], 5), 6),
        "c": RNG.integers(0, 4, N),
    }
)


def posterior(formula, draws=3):
    """A model and a hand-made posterior of a few draws."""
    spec = mb.Model(formula, DATA).spec
    shape, values = dims_of(spec), {}
    coords = model_coords(spec)
    for name, dims in shape.items():
        size = (1, draws, *(len(coords[d]) for d in dims))
        values[name] = ((names.CHAIN, names.DRAW, *dims), RNG.gamma(2, 0.5, size))
    for g in spec.design.mu.groups:
        if g.correlated:
            dims, q = shape[names.cor(g.name)], len(g.terms)
            cor = np.broadcast_to(np.where(np.eye(q), 1.0, 0.4), (1, draws, q, q))
            values[names.cor(g.name)] = ((names.CHAIN, names.DRAW, *dims), cor)
    used = {d for _, (dims, _) in values.items() for d in dims}
    tree = {"posterior": xr.Dataset(values, {d: v for d, v in coords.items() if d in used})}
    return Posterior(spec, xr.DataTree.from_dict(tree))


def dense(post, s, integrated):
    """Mean (n,) and covariance (n, n) of y given draw s, some factors integrated."""
    d = post.design
    mean = post.intercept()[s] + d.mu.X @ post.fixef()[s]
    w = np.ones(d.n) if d.weights is None else d.weights
    cov = np.diag(post.parameters()["sigma"][s] ** 2 / w)
    for g in d.mu.groups:
        Z = np.zeros((d.n, g.n_levels, len(g.terms)))
        Z[np.arange(d.n), g.refs] = g.Z
        if g.name in integrated:
            cov += np.einsum("igt,tu,jgu->ij", Z, post.cov(g.name)[s], Z)
        else:
            mean = mean + np.einsum("igt,gt->i", Z, post.ranef(g.name)[s])
    return mean, cov


CASES = [
    ("y ~ x + (x | a)", "a", {"a"}),
    ("y | weights(w) ~ x + (x || a)", "a", {"a"}),
    ("y ~ x + (1 | a) + (1 | c)", "a", {"a"}),
    ("y ~ x + (1 | a) + (1 | c)", "c", {"c"}),
    ("y ~ 0 + x + (1 | a/b)", "a", {"a", "a:b"}),
    ("y ~ 1 + (1 | a/b)", "a:b", {"a:b"}),
]


@pytest.mark.parametrize(("formula", "target", "integrated"), CASES)
def test_groups_have_their_effects_integrated(formula, target, integrated):
    post = posterior(formula)
    found = log_likelihood(post, target)["y"]
    g = post.design.mu.group(target)
    assert found.dims == ("chain", "draw", names.group_dim(target))
    for s in range(post.n_draws):
        mean, cov = dense(post, s, integrated)
        for j in range(g.n_levels):
            rows = np.flatnonzero(g.refs == j)
            expected = stats.multivariate_normal(mean[rows], cov[np.ix_(rows, rows)]).logpdf(
                post.design.y[rows]
            )
            assert float(found[0, s, j]) == pytest.approx(expected, rel=1e-9)


def test_observations_are_conditional_on_the_group_effects():
    post = posterior("y | weights(w) ~ x + (x | a)")
    found = log_likelihood(post)["y"]
    for s in range(post.n_draws):
        mean, cov = dense(post, s, set())
        expected = stats.norm.logpdf(post.design.y, mean, np.sqrt(np.diag(cov)))
        np.testing.assert_allclose(found[0, s], expected)


def test_an_unknown_target_lists_the_known():
    post = posterior("y ~ x + (x | a)")
    with pytest.raises(mb.ModelError, match="use one of 'observation', 'a'"):
        log_likelihood(post, "b")


def test_too_large_an_array_is_refused_before_it_is_made(monkeypatch):
    post = posterior("y ~ x + (x | a)")
    monkeypatch.setattr("mixedbayes.checks.log_likelihood.MAX_BYTES", 100)
    with pytest.raises(mb.ModelError, match="60 observations x 3 draws"):
        log_likelihood(post)
