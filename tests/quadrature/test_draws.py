"""Effects drawn given the other parameters, against their density by brute force."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixedbayes as mb
from mixedbayes.quadrature.draws import draw
from mixedbayes.quadrature.rule import Rule

S = 4000


def moments(joint, theta, j, width=6.0, n=81):
    """Mean and covariance of a level's standardised effects, of their density on a grid."""
    h = joint.layout.n_hyper
    (g,) = joint.layout.groups
    q = len(g.terms)
    whole = np.concatenate([theta[:h], np.zeros(joint.layout.n_effects), theta[h:]])
    x = np.linspace(-width, width, n)
    grid = np.stack(np.meshgrid(*[x] * q, indexing="ij"), -1).reshape(-1, q)
    values = np.empty(len(grid))
    for k, u in enumerate(grid):
        whole[h + j * q : h + (j + 1) * q] = u
        values[k] = joint.logp_grad(whole)[0]
    p = np.exp(values - values.max())
    p /= p.sum()
    mean = p @ grid
    return mean, (grid - mean).T @ ((grid - mean) * p[:, None])


@pytest.mark.parametrize(
    ("family", "effects", "further"),
    [
        ("bernoulli", "intercepts", ()),
        ("poisson", "slopes", ()),
        ("gamma", "separate slopes", ()),
        ("student_t", "intercepts", ()),
        ("negative_binomial", "(1 | p | g)", ("shape ~ (1 | p | g)",)),
    ],
)
def test_they_have_the_moments_of_their_density(family, effects, further, densities):
    joint, density = densities(
        family, effects, Rule.product(9, 1 if effects == "intercepts" else 2), *further
    )
    h = joint.layout.n_hyper
    theta = 0.3 * np.random.default_rng(2).normal(size=density.ndim)
    density = density.started(theta)
    whole = np.broadcast_to(theta, (S, len(theta)))
    b = draw(density, whole[:, :h], whole[:, h:], np.random.default_rng(1), 2)
    root = density.layout.roots(theta[None, :h])[0]
    u = np.linalg.solve(root, b.transpose(0, 2, 1)).transpose(0, 2, 1)
    for j in (0, 2):
        mean, cov = moments(joint, theta, j)
        own = u[:, j]
        error = 4 * np.sqrt(np.diag(cov) / S)
        np.testing.assert_array_less(np.abs(own.mean(axis=0) - mean), error)
        np.testing.assert_allclose(np.cov(own.T), np.squeeze(cov), atol=0.1)


def test_draws_given_one_point_are_independent(densities):
    joint, density = densities("bernoulli", "intercepts", Rule.product(9, 1))
    h = joint.layout.n_hyper
    whole = np.zeros((S, density.ndim))
    b = draw(density, whole[:, :h], whole[:, h:], np.random.default_rng(1), 2)[:, 0, 0]
    assert stats.pearsonr(b[1:], b[:-1]).pvalue > 0.001


def test_summaries_are_those_of_the_draws():
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(30), 4)
    data = pd.DataFrame({"x": rng.normal(1, 1, 120), "g": g})
    data["y"] = rng.poisson(np.exp(0.3 + 0.2 * data["x"] + rng.normal(0, 0.5, 30)[g]))
    model = mb.Model("y ~ x + (x | g)", data, family="poisson", formulation=mb.Quadrature(5))
    draws, kept = (
        model.fit(draws=250, seed=1, progress=False, effects=effects)
        for effects in ("draws", "summary")
    )
    assert "ranef_g" not in kept.idata["posterior"]
    for method in ("ranef", "coef"):
        one, other = (getattr(f, method)() for f in (draws, kept))
        np.testing.assert_allclose(one["mean"], other["mean"], atol=1e-6)
        np.testing.assert_allclose(one["sd"], other["sd"], rtol=1e-2)
