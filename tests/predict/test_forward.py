"""From parameters to responses, for every simulation."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.predict.forward import effects, responses

RNG = np.random.default_rng(1)
DATA = pd.DataFrame(
    {
        "y": RNG.normal(size=12),
        "k": RNG.integers(0, 4, 12),
        "n": 5,
        "x": RNG.normal(size=12),
        "w": RNG.uniform(1, 2, 12),
        "g": np.arange(12) % 4,
        "h": np.arange(12) % 3,
    }
)


@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
def test_effects_have_the_covariance(lead):
    sd, root = np.full((*lead, 2), [0.5, 2.0]), np.linalg.cholesky([[1.0, 0.6], [0.6, 1.0]])
    u = np.broadcast_to(np.eye(2), (*lead, 2, 2))
    b = effects(u, sd, np.broadcast_to(root, (*lead, 2, 2)))
    cov = np.swapaxes(b, -1, -2) @ b
    np.testing.assert_allclose(cov, np.broadcast_to([[0.25, 0.6], [0.6, 4.0]], cov.shape))


@pytest.mark.parametrize(
    "formula",
    ["y ~ 0", "y ~ x + offset(w)", "y ~ x + (x | g) + (1 | h)", "y ~ 0 + x + (0 + x | g)"],
)
@pytest.mark.parametrize("rows", [slice(None), slice(2, 7), np.array([5, 0])])
def test_the_linear_predictor_is_that_of_dense_matrices(formula, rows):
    mu = mb.Model(formula, DATA).design.mu
    rng = np.random.default_rng(2)
    intercept, slopes = rng.normal(size=3), rng.normal(size=(3, len(mu.terms)))
    b = {g.name: rng.normal(size=(3, g.n_levels, len(g.terms))) for g in mu.groups}
    expected = intercept[:, None] + slopes @ mu.X.T
    for g in mu.groups:
        for t in range(len(g.terms)):
            expected = expected + b[g.name][:, :, t] @ (
                (g.refs == np.arange(g.n_levels)[:, None]) * g.Z[:, t]
            )
    expected = (expected + (0.0 if mu.offset is None else mu.offset))[:, rows]
    found = mu.eta(intercept, slopes, lambda g: b[g.name], rows)
    np.testing.assert_allclose(found, expected.T)
    one = mu.eta(intercept[1], slopes[1], lambda g: b[g.name][1], rows)
    np.testing.assert_allclose(one, expected[1])


@pytest.mark.parametrize("rows", [slice(None), np.array([7, 1])])
def test_responses_of_some_rows_have_their_trials(rows):
    data = DATA.assign(n=10 * DATA.index + 5)
    model = mb.Model("k | trials(n) ~ 1 + (1 | g)", data, family="binomial")
    trials = model.design.trials[rows]
    eta = np.full((300, len(trials)), 3.0)
    y = responses(model.family, model.design, eta, {}, np.random.default_rng(3), rows)
    np.testing.assert_allclose(y.mean(axis=0), trials / (1 + np.exp(-3)), rtol=0.05)
    assert (y <= trials).all()


def test_responses_have_their_weights():
    design = mb.Model("y | weights(w) ~ 1 + (1 | g)", DATA.assign(w=4.0 ** DATA["g"])).design
    eta, own, rng = np.zeros((2000, 4)), {"sigma": np.full(2000, 3.0)}, np.random.default_rng(4)
    y = responses(mb.Gaussian(), design, eta, own, rng, np.array([3, 2, 1, 0]))
    np.testing.assert_allclose(y.std(axis=0), 3 / 2.0 ** np.array([3, 2, 1, 0]), rtol=0.1)
