"""Draws and moments of the effects against the dense conditional normal."""

import numpy as np
import pytest
from dense_marginal import indicator_columns, sampled_columns
from scipy import stats
from scipy.linalg import block_diag

from mixedbayes.errors import ModelError, SamplingError
from mixedbayes.marginal import effects
from mixedbayes.marginal.effects import (
    Shift,
    conditional_moments,
    draw_effects,
    draw_population,
    effects_moments,
)
from mixedbayes.marginal.mixture import add_distribution

EXTRAS = ("weights", "offset", "sampled columns", "sampled factors")


def dense_conditional(c):
    """Mean and covariance of (b_1, ..., b_K, beta) given y, from the rows themselves."""
    n = len(c.y)
    to_b = [np.kron(np.eye(f[2]), L) for f, L in zip(c.factors, c.L, strict=True)]
    Z = [indicator_columns(*f) @ b for f, b in zip(c.factors, to_b, strict=True)]
    A = np.hstack([*Z, c.X])
    n_u = A.shape[1] - c.X.shape[1]
    w = c.options.get("weights", np.ones(n)) / c.sigma**2
    y = c.y - c.options.get("offset", 0)
    if c.v is not None:
        y = y - sampled_columns(c.options["X_sampled"], c.options["sampled_factors"], n) @ c.v
    P = block_diag(np.eye(n_u), c.prior_precision)
    prior = np.concatenate([np.zeros(n_u), c.prior_mean])
    cov = np.linalg.inv(A.T @ (w[:, None] * A) + P)
    mean = cov @ (A.T @ (w * y) + P @ prior)
    scale = block_diag(*to_b, np.eye(c.X.shape[1]))
    return scale @ mean, scale @ cov @ scale.T


def repeated(c, S):
    v = None if c.v is None else np.tile(c.v, (S, 1))
    return [np.tile(L, (S, 1, 1)) for L in c.L], np.full(S, c.sigma), v


@pytest.mark.parametrize("extras", [(), EXTRAS])
def test_draws_have_the_conditional_mean_and_covariance(case, structure, extras):
    c, S = case(structure, 3, *extras), 4_000
    problem = c.problem()
    beta, b = draw_effects(problem, *repeated(c, S), np.random.default_rng(1))
    assert [x.shape for x in b] == [(S, J, Z.shape[1]) for _, Z, J in c.factors]
    draws = np.hstack([*(x.reshape(S, -1) for x in b), beta])
    mean, cov = dense_conditional(c)
    sd = np.sqrt(np.diagonal(cov))
    z = (draws.mean(axis=0) - mean) / (sd / np.sqrt(S))
    assert np.abs(z).max() < 5
    # an entry of the sample covariance has variance (c_ii c_jj + c_ij^2) / S
    error = np.sqrt((np.outer(sd, sd) ** 2 + cov**2) / S)
    assert (np.abs(np.cov(draws.T) - cov) / error).max() < 5.5


@pytest.mark.parametrize("extras", [(), EXTRAS])
def test_moments_are_exact(case, structure, extras):
    c = case(structure, 4, *extras)
    mean, cov = conditional_moments(c.problem(), c.L, c.sigma, c.v)
    expected_mean, expected_cov = dense_conditional(c)
    at = 0
    for m, s, (_, Z, J) in zip(mean, cov, c.factors, strict=True):
        q = Z.shape[1]
        assert m.shape == (J, q)
        np.testing.assert_allclose(m.ravel(), expected_mean[at : at + J * q], rtol=1e-8, atol=1e-8)
        for g in range(J):
            block = slice(at + g * q, at + (g + 1) * q)
            np.testing.assert_allclose(s[g], expected_cov[block, block], rtol=1e-8, atol=1e-8)
        at += J * q


def test_draws_follow_their_own_parameters(case):
    """Each draw uses its own row of L, sigma and v."""
    c = case("nested and crossed", 6, *EXTRAS)
    problem = c.problem()
    L = [np.stack([f, 1e-9 * f]) for f in c.L]
    beta, b = draw_effects(
        problem, L, np.array([c.sigma, 2.0]), np.stack([c.v, c.v + 1]), np.random.default_rng(0)
    )
    assert all(np.abs(x[0]).max() > 1e-3 for x in b)
    assert all(np.abs(x[1]).max() < 1e-6 for x in b)
    assert not np.array_equal(beta[0], beta[1])


def test_the_same_seed_gives_the_same_draws(case):
    c = case("crossed vectors", 6)
    problem = c.problem()
    first, second = (
        draw_effects(problem, *repeated(c, 50), np.random.default_rng(9)) for _ in range(2)
    )
    np.testing.assert_array_equal(first[0], second[0])
    for a, b in zip(first[1], second[1], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["vector of two", "nested and crossed vectors"])
def test_population_effects_alone(case, name):
    c, S = case(name, 3), 4_000
    beta = draw_population(c.problem(), *repeated(c, S), np.random.default_rng(2))
    mean, cov = dense_conditional(c)
    p = c.X.shape[1]
    sd = np.sqrt(np.diagonal(cov)[-p:])
    assert (np.abs(beta.mean(axis=0) - mean[-p:]) / (sd / np.sqrt(S))).max() < 4.5
    np.testing.assert_allclose(beta.std(axis=0), sd, rtol=0.06)


@pytest.mark.parametrize("name", ["scalar", "vector of two", "nested and crossed vectors"])
def test_summaries_are_those_of_the_mixture(case, name):
    """Against a large sample of the mixture of conditional normals."""
    c, S, per = case(name, 5, "sampled columns"), 40, 1_500
    problem = c.problem()
    rng = np.random.default_rng(0)
    scale = np.exp(0.4 * rng.normal(size=S))
    L = [f * scale[:, None, None] for f in c.L]
    sigma, v = c.sigma * np.exp(0.2 * rng.normal(size=S)), c.v + 0.3 * rng.normal(size=(S, 2))
    probs = (0.025, 0.5, 0.9)
    summary, _ = effects_moments(problem, L, sigma, v, probs=probs)
    every = np.repeat(np.arange(S), per)
    _, b = draw_effects(problem, [x[every] for x in L], sigma[every], v[every], rng)
    for got, draws in zip(summary, b, strict=True):
        error = draws.std(axis=0)
        assert (np.abs(got.mean - draws.mean(axis=0)) / error).max() < 0.025
        assert np.abs(got.sd / error - 1).max() < 0.025
        expected = np.quantile(draws, probs, axis=0)
        assert (np.abs(got.quantiles - expected) / error).max() < 0.06


def test_summaries_of_one_normal_are_exact(case):
    c = case("crossed vectors", 5)
    problem = c.problem()
    mean, cov = conditional_moments(problem, c.L, c.sigma)
    summary, _ = effects_moments(problem, *repeated(c, 3), probs=(0.025,))
    for got, m, s in zip(summary, mean, cov, strict=True):
        sd = np.sqrt(np.einsum("gii->gi", s))
        np.testing.assert_allclose(got.mean, m, rtol=1e-8)
        np.testing.assert_allclose(got.sd, sd, rtol=1e-8)
        assert (np.abs(got.quantiles[0] - m + 1.959963984540054 * sd) / sd).max() < 1e-5


@pytest.mark.parametrize("extras", [(), EXTRAS])
def test_shifted_summaries_of_one_normal_are_exact(case, structure, extras):
    """Against the dense conditional normal of effects and population effects together."""
    c = case(structure, 5, *extras)
    problem, rng = c.problem(), np.random.default_rng(0)
    mean, cov = dense_conditional(c)
    p, at = c.X.shape[1], 0
    L, sigma, v = repeated(c, 3)
    shifts = [
        Shift(rng.normal(size=(q, p)), np.ones((3, q)) * k) for k, q in enumerate(problem.widths)
    ]
    _, summary = effects_moments(problem, L, sigma, v, probs=(0.9,), shifts=shifts)
    for got, shift, J, q in zip(summary, shifts, problem.levels, problem.widths, strict=True):
        A = np.zeros((J * q, mean.size))
        A[:, at : at + J * q] = np.eye(J * q)
        A[:, mean.size - p :] = np.tile(shift.map, (J, 1))
        m = (A @ mean).reshape(J, q) + shift.constant[0]
        sd = np.sqrt(np.diagonal(A @ cov @ A.T)).reshape(J, q)
        np.testing.assert_allclose(got.mean, m, rtol=1e-7, atol=1e-7)
        np.testing.assert_allclose(got.sd, sd, rtol=1e-7)
        assert (np.abs(got.quantiles[0] - m - 1.2815515655446004 * sd) / sd).max() < 1e-5
        at += J * q


def test_an_effect_without_variance_is_zero(case):
    c = case("vector of two", 2)
    problem = c.problem()
    L = [np.zeros((5, 2, 2))]
    beta, b = draw_effects(problem, L, np.ones(5), None, np.random.default_rng(0))
    assert np.isfinite(beta).all()
    assert not b[0].any()
    summary = effects_moments(problem, L, np.ones(5))[0][0]
    assert not summary.mean.any()
    assert not summary.sd.any()
    assert not summary.quantiles.any()


def test_mistakes_are_explained(case):
    problem = case("scalar", 1).problem()
    rng = np.random.default_rng(0)
    with pytest.raises(ModelError, match=r"L\[0\] has shape \(3, 1, 1\), not \(2, 1, 1\)"):
        draw_effects(problem, [np.ones((3, 1, 1))], np.ones(2), None, rng)
    with pytest.raises(ModelError, match=r"v has shape \(2, 1\), not \(2, 0\)"):
        draw_effects(problem, [np.ones((2, 1, 1))], np.ones(2), np.ones((2, 1)), rng)
    with pytest.raises(SamplingError, match="for 1 of 2 draws"):
        draw_effects(problem, [np.ones((2, 1, 1))], np.array([1.0, np.nan]), None, rng)
    with pytest.raises(ModelError, match="between 0 and 1"):
        effects_moments(problem, [np.ones((2, 1, 1))], np.ones(2), probs=(0.0,))


@pytest.mark.parametrize("name", ["vector of two", "scalar", "nested and crossed vectors"])
def test_draws_are_the_same_in_one_thread_and_in_many(case, name, monkeypatch):
    c = case(name, 6)
    problem, found = c.problem(), []
    monkeypatch.setattr(effects, "_BLOCK", 7 * problem.header.n_effects)
    for cores in (1, 3):
        monkeypatch.setattr(effects, "available_cores", lambda n=cores: n)
        found.append(draw_effects(problem, *repeated(c, 50), np.random.default_rng(9)))
    (beta, b), (other, same) = found
    np.testing.assert_array_equal(beta, other)
    for x, y in zip(b, same, strict=True):
        np.testing.assert_array_equal(x, y)
        assert len(np.unique(x)) == x.size  # no block repeats another's numbers


@pytest.mark.parametrize("name", ["vector of two", "scalar", "nested and crossed vectors"])
def test_maps_multiply_the_effects(case, name):
    c, rng = case(name, 6), np.random.default_rng(4)
    problem = c.problem()
    maps = [rng.normal(size=(q, q)) for q in problem.widths]
    maps[1:2] = [None] * len(maps[1:2])
    (beta, b), (other, mapped) = (
        draw_effects(problem, *repeated(c, 9), np.random.default_rng(9), given)
        for given in ((), maps)
    )
    np.testing.assert_array_equal(beta, other)
    for x, y, T in zip(b, mapped, maps, strict=True):
        np.testing.assert_allclose(y, x if T is None else x @ T.T, rtol=1e-12)
    (raw, _), (moved, _) = (
        effects_moments(problem, *repeated(c, 3), maps=given) for given in ((), maps)
    )
    for x, y, T in zip(raw, moved, maps, strict=True):
        np.testing.assert_allclose(y.mean, x.mean if T is None else x.mean @ T.T, rtol=1e-12)


def test_an_expansion_alone_says_what_a_step_on_the_distribution_function_says(case, monkeypatch):
    """Where the mixture is close to a normal distribution."""
    c, S = case("vector of two", 5), 40
    problem, rng = c.problem(), np.random.default_rng(0)
    L = [f * np.exp(0.02 * rng.normal(size=S))[:, None, None] for f in c.L]
    sigma, found = c.sigma * np.exp(0.02 * rng.normal(size=S)), []
    for limit in (1.0, 0.0):
        monkeypatch.setattr(effects, "_NORMAL", limit)
        found.append(effects_moments(problem, L, sigma)[0][0])
    assert not np.array_equal(found[0].quantiles, found[1].quantiles)
    assert (np.abs(found[0].quantiles - found[1].quantiles) / found[0].sd).max() < 2e-5


def test_distribution_functions_are_summed():
    rng = np.random.default_rng(1)
    mean, sd, at = rng.normal(size=200), rng.uniform(0.1, 2, 200), 3 * rng.normal(size=200)
    sd[3], at[3], at[4] = 0.0, mean[3] + 1, mean[4] + 50 * sd[4]
    below, density = np.ones(200, np.float32), np.zeros(200, np.float32)
    add_distribution(mean, sd, at, below, density)
    z = (at - mean) / np.where(sd > 0, sd, 1e-30)
    np.testing.assert_allclose(below, 1 + stats.norm.cdf(z), atol=3e-7)
    some = sd > 0
    expected = stats.norm.pdf(z[some]) / sd[some]
    np.testing.assert_allclose(density[some], expected, rtol=1e-6, atol=1e-30)
    assert below[3] == 2
