"""Mode, curvature and whitened density; evidence by quadrature against exact references."""

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from mixedbayes.data.load import load_data
from mixedbayes.distributions import LKJ, Exponential, Flat, StudentT, Uniform
from mixedbayes.errors import ModelError
from mixedbayes.marginal.density import MarginalDensity
from mixedbayes.marginal.mode import find_mode, initial_points, whiten
from mixedbayes.marginal.parameters import Layout
from mixedbayes.marginal.problem import build_problem
from mixedbayes.priors.factor import FactorParameters

REFERENCE = Path(__file__).parents[1] / "reference"


def density_of(y, X, groups, mean, sd, rate, *, eta=2.0, prior=None, sampled=(), coefficients=()):
    """`groups` by name: labels and Z; those in `sampled` keep their effects as coordinates."""
    codes = {name: (*pd.factorize(labels), Z) for name, (labels, Z) in groups.items()}
    prior = prior or Exponential(rate)
    factors, rows = {False: [], True: []}, {False: [], True: []}
    for name, (refs, levels, Z) in codes.items():
        terms = tuple(f"t{i}" for i in range(Z.shape[1]))
        blocks = (tuple(range(len(terms))),)
        J = len(levels) if name in sampled else 0
        is_sampled = name in sampled
        factors[is_sampled].append(
            FactorParameters(name, terms, blocks, (prior,) * len(terms), LKJ(eta), J)
        )
        rows[is_sampled].append((refs, Z, len(levels)))
    k = X.shape[1] - len(coefficients)
    problem = build_problem(
        y,
        X[:, :k],
        rows[False],
        prior_mean=np.array(mean, float)[:k],
        prior_precision=np.diag(np.array(sd, float)[:k] ** -2.0),
        X_sampled=X[:, k:],
        sampled_factors=rows[True],
    )
    layout = Layout((*factors[False], *factors[True]), Exponential(rate), tuple(coefficients))
    return MarginalDensity(layout, problem)


def sleepstudy(slopes=True, **options):
    data = load_data("sleepstudy")
    X = np.column_stack([np.ones(len(data)), data["Days"]])
    groups = {"Subject": (data["Subject"], X if slopes else X[:, :1])}
    y = data["Reaction"].to_numpy(float)
    return density_of(y, X, groups, [300, 0], [250, 50], 0.02, **options)


def penicillin():
    data = load_data("penicillin")
    X = np.ones((len(data), 1))
    groups = {"plate": (data["plate"], X), "sample": (data["sample"], X)}
    return density_of(data["diameter"].to_numpy(float), X, groups, [23], [10], 0.5)


def dyestuff(name="dyestuff", mean=1500, sd=250, rate=0.02, **options):
    data = load_data(name)
    X = np.ones((len(data), 1))
    groups = {"Batch": (data["Batch"], X)}
    return density_of(data["Yield"].to_numpy(float), X, groups, [mean], [sd], rate, **options)


def gpa():
    data = load_data("gpa")
    X = np.column_stack([np.ones(len(data)), data["occasion"]])
    groups = {"student": (data["student"], X[:, :1])}
    return density_of(data["gpa"].to_numpy(float), X, groups, [2.5, 0], [2.5, 1], 1.0)


CASES = {
    "correlated slopes": sleepstudy,
    "intercept": lambda: sleepstudy(slopes=False),
    "crossed": penicillin,
    "zero variance": lambda: dyestuff("dyestuff2", 5, 10, 0.2),
    "sampled coefficient": lambda: sleepstudy(coefficients=[("Days", StudentT(3, 0, 50))]),
    "interval": lambda: dyestuff(prior=Uniform(0, 100)),
    "narrow interval": lambda: dyestuff(prior=Uniform(0, 2)),
}


@pytest.fixture(scope="module", params=CASES)
def found(request):
    density = CASES[request.param]()
    return density, find_mode(density)


def test_mode_is_where_another_optimiser_ends(found):
    density, mode = found
    assert mode.converged
    assert np.abs(mode.units.factor.T @ density.logp_grad(mode.theta)[1]).max() < 1e-4
    for start in initial_points(mode, 2, np.random.default_rng(1)):
        other = optimize.minimize(
            lambda t: -density.logp(t),
            start,
            method="Nelder-Mead",
            options={"maxiter": 4000, "xatol": 1e-7, "fatol": 1e-10},
        )
        assert -other.fun <= mode.logp + 1e-7
        assert -other.fun == pytest.approx(mode.logp, abs=1e-4)


def test_curvature_is_that_of_the_log_density(found):
    """In eta the density falls like that of a standard normal, by differences of values alone."""
    density, mode = found
    white = whiten(density, mode)
    assert white.logp(np.zeros(white.ndim)) == pytest.approx(mode.logp + mode.units.log_det)
    h = 1e-2
    for i, j in itertools.combinations_with_replacement(range(white.ndim), 2):
        ei, ej = np.eye(white.ndim)[i] * h, np.eye(white.ndim)[j] * h
        second = sum(
            s * t * white.logp(s * ei + t * ej) for s, t in itertools.product((1, -1), repeat=2)
        ) / (4 * h * h)
        assert second == pytest.approx(-1.0 if i == j else 0.0, abs=0.02)


def test_whitened_gradient_and_coordinates(found):
    density, mode = found
    white, rng = whiten(density, mode), np.random.default_rng(2)
    eta = rng.normal(size=(3, white.ndim))
    theta = mode.to_theta(eta)
    np.testing.assert_allclose(mode.to_eta(theta), eta, atol=1e-9)
    for e, t in zip(eta, theta, strict=True):
        assert white.logp(e) == pytest.approx(density.logp(t) + mode.units.log_det, abs=1e-9)
        steps = 1e-5 * np.eye(white.ndim)
        slopes = [(white.logp(e + s) - white.logp(e - s)) / 2e-5 for s in steps]
        np.testing.assert_allclose(white.logp_grad(e)[1], slopes, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(white.constrained(e).sigma, density.constrained(t).sigma)


def quadrature(density, mode, points, width):
    """Nodes theta, log weights: trapezoids in the mode's own units, exact for normal densities."""
    grid, step = np.linspace(-width, width, points, retstep=True)
    white = whiten(density, mode)
    eta = np.stack(np.meshgrid(*[grid] * white.ndim, indexing="ij"), -1).reshape(-1, white.ndim)
    log_weights = np.array([white.logp(e) for e in eta]) + white.ndim * np.log(step)
    return mode.to_theta(eta), log_weights


@pytest.mark.parametrize(
    ("case", "density", "points", "width", "tolerance"),
    [
        ("sleepstudy_intercept", lambda: sleepstudy(slopes=False), 61, 12, 1e-6),
        ("dyestuff", dyestuff, 101, 12, 1e-3),
        ("gpa_intercept", gpa, 41, 10, 1e-6),
        ("penicillin_crossed", penicillin, 25, 8, 1e-4),
        ("sleepstudy_days_subject", sleepstudy, 15, 7, 1e-3),
    ],
)
def test_density_integrates_to_the_exact_evidence(case, density, points, width, tolerance):
    density = density()
    reference = json.loads((REFERENCE / f"exact_{case}.json").read_text())
    theta, log_weights = quadrature(density, find_mode(density), points, width)
    top = log_weights.max()
    evidence = top + np.log(np.exp(log_weights - top).sum())
    assert evidence == pytest.approx(reference["log_marginal_likelihood"], abs=tolerance)
    sigma = density.layout.constrained(theta).sigma
    weights = np.exp(log_weights - evidence)
    [exact] = [p for p in reference["parameters"] if p["variable"] == "sigma"]
    assert weights @ sigma == pytest.approx(exact["mean"], rel=1e-3)
    assert np.sqrt(weights @ sigma**2 - (weights @ sigma) ** 2) == pytest.approx(
        exact["sd"], rel=1e-2
    )


def test_laplace_is_near_the_evidence_where_the_posterior_is_nearly_normal():
    density = gpa()
    reference = json.loads((REFERENCE / "exact_gpa_intercept.json").read_text())
    assert find_mode(density).laplace_log_evidence == pytest.approx(
        reference["log_marginal_likelihood"], abs=0.01
    )


def test_few_evaluations():
    assert find_mode(penicillin()).evaluations < 40


def test_starting_points_are_wider_than_the_posterior_and_usable():
    density = sleepstudy()
    mode = find_mode(density)
    theta = initial_points(mode, 400, np.random.default_rng(3))
    assert np.all(np.isfinite([density.logp(t) for t in theta]))
    eta = mode.to_eta(theta)
    assert np.all(eta.std(axis=0) > 1.5)
    np.testing.assert_array_equal(theta, initial_points(mode, 400, np.random.default_rng(3)))


def test_sampled_effects_have_scales_of_their_own():
    density = sleepstudy(sampled=("Subject",))
    mode = find_mode(density)
    assert mode.converged
    assert mode.units.factor.shape == (4, 4)
    assert mode.units.scales.shape == (36,)
    assert np.all((mode.units.scales > 0) & (mode.units.scales <= 1))
    white = whiten(density, mode)
    eta = np.random.default_rng(4).normal(size=white.ndim)
    steps = 1e-5 * np.eye(white.ndim)
    slopes = [(white.logp(eta + s) - white.logp(eta - s)) / 2e-5 for s in steps]
    np.testing.assert_allclose(white.logp_grad(eta)[1], slopes, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_mode_moves_with_the_scale_of_the_response(scale):
    data = load_data("sleepstudy")
    X = np.column_stack([np.ones(len(data)), data["Days"]])
    y = data["Reaction"].to_numpy(float) * scale
    density = density_of(
        y, X, {"g": (data["Subject"], X)}, [300 * scale, 0], [250 * scale, 50 * scale], 0.02 / scale
    )
    mode = find_mode(density)
    assert mode.converged
    expected = find_mode(sleepstudy()).theta + np.log(scale) * np.array([1, 1, 0, 1])
    np.testing.assert_allclose(mode.theta, expected, atol=1e-4)


def test_flat_prior_on_a_variance_that_the_data_do_not_bound_is_reported_not_raised():
    data = pd.DataFrame({"y": [1.0, 2.0, 4.0, 3.0], "g": ["a", "a", "b", "b"]})
    X = np.ones((4, 1))
    density = density_of(data["y"].to_numpy(), X, {"g": (data["g"], X)}, [0], [10], 1, prior=Flat())
    mode = find_mode(density)
    assert np.all(np.isfinite(mode.theta))
    assert np.all(np.isfinite(mode.covariance))


def test_density_without_a_finite_point_is_an_error():
    density = sleepstudy()
    with pytest.raises(ModelError, match="4 sampled parameters"):
        find_mode(density, np.array([0.0, 0.0, 0.0, 1e5]))
