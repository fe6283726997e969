"""Leverages against dense algebra, and sigma's coefficients at their marginal mode."""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

import mixedbayes as mb
from mixedbayes.joint.leverage import leverages, scores
from mixedbayes.joint.prior_precision import prior_precision
from mixedbayes.joint.scoring import Scoring
from mixedbayes.joint.search import start

FORMULAS = [
    ["y ~ x + (x | g)", "sigma ~ x"],
    ["y ~ x + (1 | g)", "sigma ~ x + (1 | h)"],
    ["y ~ x + (1 | g) + (1 | h)", "sigma ~ x"],
    ["y ~ x", "sigma ~ x"],
    ["y ~ 0 + (1 | g)", "sigma ~ x"],
]


def scoring_of(formulas, joint, family="gaussian"):
    rng, n = np.random.default_rng(2), 48
    g, h, x = np.arange(n) % 8, np.arange(n) % 12, rng.normal(size=n)
    y = 3 + x + rng.normal(size=8)[g] + rng.normal(size=n) * np.exp(0.3 * x)
    y = y if family == "gaussian" else np.exp(y / 3)
    data = pd.DataFrame({"y": y, "x": x, "g": g.astype(str), "h": h.astype(str)})
    return Scoring(joint.density_of(mb.Model(formulas, data, family=family)))


def around(scoring, phi, e):
    """Columns of the mean (n, N), information (n,), predictors, and the leverages."""
    columns = scoring.columns(phi)
    w, factor, leverage, _ = scoring._around(columns, e)
    A = np.column_stack([columns.eta(one) for one in np.eye(len(e))])
    n = scoring.density.data.n_mean
    found = leverages(columns.own[:n], columns.refs[:n], columns.others(n), factor, w[:n])
    np.testing.assert_array_equal(found, leverage)
    return A[:n], w[:n], scoring.offset + A @ e, columns.parameters, leverage


def precision(scoring, A, w):
    own = prior_precision(scoring.layout, np.zeros(A.shape[1] - scoring.layout.n_effects), [])
    prior = np.eye(A.shape[1])
    prior[-len(own) :, -len(own) :] = own
    return A.T @ (w[:, None] * A) + prior


@pytest.mark.parametrize("formulas", FORMULAS, ids=str)
@pytest.mark.parametrize("family", ["gaussian", "gamma"])
def test_leverages_and_scores_are_those_of_dense_algebra(formulas, family, joint):
    formulas = [
        f.replace("sigma", {"gaussian": "sigma", "gamma": "shape"}[family]) for f in formulas
    ]
    scoring = scoring_of(formulas, joint, family)
    phi = start(scoring.density.layout)
    e = scoring.start + 0.1 * np.random.default_rng(3).normal(size=len(scoring.start))
    A, w, eta, parameters, leverage = around(scoring, phi, e)
    H = precision(scoring, A, w)
    np.testing.assert_allclose(leverage, w * np.sum(A * np.linalg.solve(H, A.T).T, axis=1))

    def minus_half_log_det(eta):
        w = scoring.layout.information(eta[None], parameters)[0, : len(A)]
        return -0.5 * np.linalg.slogdet(precision(scoring, A, w))[1]

    steps = 1e-5 * np.eye(len(eta))[len(A) :]
    expected = [(minus_half_log_det(eta + s) - minus_half_log_det(eta - s)) / 2e-5 for s in steps]
    found = scores(scoring.layout, eta, parameters, leverage)
    np.testing.assert_allclose(found[len(A) :], expected, atol=1e-7)
    assert (found[: len(A)] == 0).all()


def test_sigma_is_that_of_restricted_maximum_likelihood(joint):
    """Without group effects and with wide priors: the highest point of REML, by dense algebra."""
    rng, n = np.random.default_rng(4), 40
    x = rng.normal(size=(n, 5))
    data = pd.DataFrame(x, columns=list("abcde")).assign(
        y=x.sum(axis=1) + rng.normal(size=n) * np.exp(0.5 * x[:, 0])
    )
    wide = {"Intercept": mb.Normal(0, 1e3), "fixef": mb.Normal(0, 1e3)}
    model = mb.Model(["y ~ a + b + c + d + e", "sigma ~ a"], data, priors={**wide, "sigma": wide})
    density = joint.density_of(model)
    found = Scoring(density).conditional(np.zeros(0)).effects[-2:]
    X, y = np.column_stack([np.ones(n), x]), data["y"].to_numpy()
    S = X[:, :2]  # given priors are those at zero

    def minus_restricted(gamma):
        w = np.exp(-2 * S @ gamma)
        H = X.T @ (w[:, None] * X)
        r = y - X @ np.linalg.solve(H, X.T @ (w * y))
        return (S @ gamma).sum() + 0.5 * w @ r**2 + 0.5 * np.linalg.slogdet(H)[1]

    expected = optimize.minimize(minus_restricted, np.zeros(2), tol=1e-10).x
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_of_effects_correlated_across_parameters_the_further_ones_are_given(joint):
    """Precision of the mean's effects b given sigma's: their block of the inverse covariance."""
    scoring = scoring_of(["y ~ x + (x | p | g) + (1 | h)", "sigma ~ x + (1 | p | g)"], joint)
    layout, rng = scoring.layout, np.random.default_rng(3)
    phi = start(scoring.density.layout) + 0.5 * rng.normal(size=layout.n_hyper)
    e = scoring.start + 0.1 * rng.normal(size=len(scoring.start))
    w, _, found, _ = scoring._around(scoring.columns(phi), e)
    sds, Ws, _ = layout.hyper(phi)
    k = [g.name for g in layout.groups].index("g")
    n, other = scoring.density.data.n_mean, 1 - k
    S = sds[k][:, None] * Ws[k]
    assert layout.groups[k].terms == ("mu Intercept", "mu x", "sigma Intercept")
    given = np.linalg.inv(S @ S.T)[:2, :2]
    J, n_other = layout.groups[k].n_levels, layout.groups[other].n_levels
    A = np.zeros((n, 2 * J + n_other))
    own = layout.sampled[k]
    for i in range(n):
        A[i, 2 * own.refs[i, 0] + np.arange(2)] = own.Z[i, 0, :2]
        A[i, 2 * J + layout.sampled[other].refs[i, 0]] = 1.0
    A = np.column_stack([A, scoring.X[:n]])
    P = np.zeros((A.shape[1],) * 2)
    P[: 2 * J, : 2 * J] = np.kron(np.eye(J), given)
    P[2 * J : -scoring.X.shape[1], 2 * J : -scoring.X.shape[1]] = (
        np.eye(n_other) / sds[other][0] ** 2
    )
    p = scoring.X.shape[1]
    P[-p:, -p:] = prior_precision(layout, e[layout.n_effects :], np.zeros(0))
    w = w[:n]
    H = A.T @ (w[:, None] * A) + P
    expected = w * np.sum(A * np.linalg.solve(H, A.T).T, axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-8)
