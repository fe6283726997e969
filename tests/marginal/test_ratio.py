"""The likelihood as functions of the ratio of two sds: that of the sparse kernel is the oracle."""

import numpy as np
import pytest
from scipy import sparse

from mixedbayes.marginal.kernel import sparse_kernel
from mixedbayes.marginal.ratio import ratio_likelihood
from mixedbayes.marginal.sparse.problem import build_sparse_problem
from mixedbayes.marginal.sparse.products import Effects


def problem_of(kind, seed=0, slope=1.0, heavy=1.0, known=1.0):
    rng = np.random.default_rng(seed)
    n, J, p = 90, 30, 3
    refs, Z = rng.integers(0, J, n), slope * rng.normal(1, 0.2, (n, 1))
    near = sparse.diags_array([2.1 * np.ones(J), -np.ones(J - 1), -np.ones(J - 1)],
                              offsets=[0, 1, -1], format="csc")  # fmt: skip
    whole = np.linalg.inv(0.3 ** np.abs(np.subtract.outer(np.arange(J), np.arange(J))) + 0.2)
    K = {"sparse": near, "dense": sparse.csc_array(whole), "plain": None, "members": near}[kind]
    K = None if K is None else K * known
    log_det = 0.0 if K is None else np.linalg.slogdet(K.toarray())[1]
    pieces = [(refs, Z)]
    if kind == "members":
        pieces.append((rng.integers(0, J, n), rng.uniform(0, 1, (n, 1))))
    X = np.column_stack([np.ones(n), rng.normal(5, 1, (n, p - 1))])
    y = rng.normal(size=n) + 0.8 * rng.normal(size=J)[refs] + X @ [3.0, 1, -2]
    weights, offset = heavy * rng.uniform(0.5, 2, n), rng.normal(size=n)
    term = Effects(pieces, J, K, log_det)
    problem = build_sparse_problem(
        y, X, [term], weights=weights, offset=offset, prior_mean=np.array([1.0, 0, 0]),
        prior_precision=np.diag([0.1, 0.0, 0.4]),
    )  # fmt: skip
    return problem, (term, y, X, weights, offset)


@pytest.mark.parametrize("kind", ["sparse", "dense", "plain", "members"])
def test_value_and_gradient_are_those_of_the_sparse_kernel(kind):
    problem, (term, *rows) = problem_of(kind)
    found = ratio_likelihood(problem, [term], *rows)
    kernel, rng = sparse_kernel(), np.random.default_rng(1)
    logs = [-900.0, -20.0, -6.001, -5.999, -2.0, 0.0, 3.999, 4.001, 7.0, *rng.uniform(-8, 4, 40)]
    for t in logs:
        sigma = float(np.exp(rng.normal(0, 1)))
        for sign in (1.0, -1.0):
            x = np.array([sign * sigma * np.exp(t), sigma])
            grad, expected = np.full(2, 7.0), np.full(2, 7.0)
            value = kernel(x, expected, problem.ints, problem.floats)
            own = found.function(x, grad, found.ints, found.floats)
            assert own == pytest.approx(value, rel=1e-10, abs=1e-8)
            assert found.function(x, np.empty(0), found.ints, found.floats) == own
            if t > -700:
                np.testing.assert_allclose(grad, expected, rtol=2e-8, atol=1e-7)
    for x in ([0.0, 1.3], [1.0, 0.0], [1.0, -1.0], [np.inf, 1.0]):
        x = np.array(x)
        value = kernel(x, np.zeros(2), problem.ints, problem.floats)
        own = found.function(x, np.zeros(2), found.ints, found.floats)
        assert own == pytest.approx(value, rel=1e-10)


@pytest.mark.parametrize("kind", ["sparse", "dense", "plain", "members"])
@pytest.mark.parametrize(
    "scale", [{"slope": 2000.0}, {"heavy": 1e8}, {"known": 1e-7}, {"slope": 1e-4}, {"heavy": 1e-9}]
)
def test_units_of_slopes_weights_and_known_matrices_do_not_matter(kind, scale):
    problem, (term, *rows) = problem_of(kind, **scale)
    found, kernel = ratio_likelihood(problem, [term], *rows), sparse_kernel()
    known = 1.0 if kind == "plain" else scale.get("known", 1.0)
    sigma = scale.get("heavy", 1.0) ** 0.5
    unit = known**0.5 / (scale.get("slope", 1.0) * sigma)
    for t in np.linspace(-8, 5, 40):
        x = np.array([sigma * unit * np.exp(t), sigma])
        grad, expected = np.zeros(2), np.zeros(2)
        value = kernel(x, expected, problem.ints, problem.floats)
        own = found.function(x, grad, found.ints, found.floats)
        assert own == pytest.approx(value, rel=1e-9, abs=1e-7)
        np.testing.assert_allclose(grad * x, expected * x, rtol=2e-7, atol=1e-6)


def test_models_of_more_than_a_ratio_have_none():
    problem, (term, y, X, weights, offset) = problem_of("plain")
    assert ratio_likelihood(problem, [term, term], y, X, weights, offset) is None
    more = build_sparse_problem(
        y, X, [term], prior_mean=np.zeros(3), prior_precision=np.eye(3), X_sampled=X[:, 1:] ** 2
    )
    assert ratio_likelihood(more, [term], y, X, None, None) is None
