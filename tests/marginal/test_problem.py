"""Reading the data: digits are kept, rows do not matter afterwards, and mistakes are explained."""

import numpy as np
import pytest

from mixedbayes.errors import DataError, ModelError
from mixedbayes.marginal import crossproducts
from mixedbayes.marginal.columns import fit_column_map
from mixedbayes.marginal.kernel import value_and_grad
from mixedbayes.marginal.problem import build_problem
from mixedbayes.numerics import rows


def data(n=300, J=20, seed=0):
    rng = np.random.default_rng(seed)
    refs, x = rng.integers(0, J, n), rng.normal(size=n)
    y = rng.normal(size=J)[refs] + 0.5 * x + rng.normal(size=n)
    return y, np.column_stack([np.ones(n), x]), refs, J


def flat(result):
    logp, dL, dsigma, dv = result
    return np.concatenate([[logp], *(d.ravel() for d in dL), [dsigma], dv])


def evaluate(y, X, factors, L, mean, precision, sigma=0.8, v=None, **options):
    problem = build_problem(y, X, factors, prior_mean=mean, prior_precision=precision, **options)
    return flat(value_and_grad(problem, L, sigma, v))


def test_a_response_far_from_zero_loses_no_digits():
    y, X, refs, J = data()
    precision, L = np.diag([1e-2, 1.0]), [np.array([[0.7, 0], [0.3, 0.5]])]
    near = evaluate(y, X, [(refs, X, J)], L, np.zeros(2), precision)
    far = evaluate(y + 2.0**20, X, [(refs, X, J)], L, np.array([2.0**20, 0]), precision)
    np.testing.assert_allclose(far, near, rtol=1e-8)


def test_an_offset_far_from_zero_loses_no_digits():
    y, X, refs, J = data()
    L = [np.array([[0.7]])]
    args = ([(refs, X[:, :1], J)], L, np.zeros(2), np.eye(2))
    near = evaluate(y, X, *args)
    far = evaluate(y + 2.0**20, X, *args, offset=np.full(len(y), 2.0**20))
    np.testing.assert_allclose(far, near, rtol=1e-8)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_badly_scaled_columns(scale):
    """x in other units, with the prior and L in them too, is the same model."""
    y, X, refs, J = data()
    L, units = np.array([[0.7, 0], [0.3, 0.5]]), np.diag([1, scale])
    precision = np.diag([0.1, 1.0])
    near = evaluate(y, X, [(refs, X, J)], [L], np.array([0.2, 0.3]), precision)
    other = X @ units
    scaled = evaluate(
        y, other, [(refs, other, J)], [np.linalg.solve(units, L)],
        np.linalg.solve(units, np.array([0.2, 0.3])), units @ precision @ units,
    )  # fmt: skip
    near[2:5] = (units @ near[1:5].reshape(2, 2)).ravel()[1:]  # dL of the scaled L
    np.testing.assert_allclose(scaled, near, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("shift", [2000.0, 2.0**20])
def test_a_predictor_far_from_zero(shift):
    """x + shift, with the priors moved to match, is the same model."""
    y, X, refs, J = data()
    moved = X + np.array([0, shift])
    to = np.array([[1, -shift], [0, 1]])  # coefficients of the moved columns
    back = np.linalg.inv(to)
    precision, mean = np.diag([1.0, 1.0]), np.array([0.2, 0.3])
    L = [np.array([[0.7]])]
    near = evaluate(y, X, [(refs, X[:, :1], J)], L, mean, precision)
    far = evaluate(
        y, moved, [(refs, X[:, :1], J)], L, to @ mean, back.T @ precision @ back
    )  # fmt: skip
    np.testing.assert_allclose(far, near, rtol=1e-6 if shift > 1e4 else 1e-8)


def test_sampled_columns_far_from_zero():
    y, X, refs, J = data()
    args = ([(refs, X[:, :1], J)], [np.array([[0.7]])], np.zeros(1), np.eye(1) * 1e-12)
    near = evaluate(y, X[:, :1], *args, v=np.array([0.4]), X_sampled=X[:, 1:])
    far = evaluate(y, X[:, :1], *args, v=np.array([0.4]), X_sampled=X[:, 1:] + 2000)
    # the intercept's prior is all but flat, so it takes up the shift
    np.testing.assert_allclose(far, near, rtol=1e-6)


def test_the_number_of_rows_does_not_matter_afterwards():
    y, X, refs, J = data()
    few = build_problem(y, X, [(refs, X, J)], prior_mean=np.zeros(2), prior_precision=np.eye(2))
    repeat = np.tile(np.arange(len(y)), 10)
    many = build_problem(
        y[repeat], X[repeat], [(refs[repeat], X[repeat], J)],
        prior_mean=np.zeros(2), prior_precision=np.eye(2),
    )  # fmt: skip
    assert few.ints.size == many.ints.size
    assert few.floats.size == many.floats.size


def test_chunks_do_not_matter(monkeypatch):
    y, X, refs, J = data()
    rng = np.random.default_rng(3)
    factors = [(refs, X, J), (rng.integers(0, 7, len(y)), X[:, :1], 7)]
    options = {
        "weights": rng.uniform(1, 2, len(y)),
        "X_sampled": X[:, 1:],
        "sampled_factors": [(rng.integers(0, 3, len(y)), X[:, :1], 3)],
    }
    args = ([np.eye(2), np.eye(1)], np.zeros(1), np.eye(1))
    v = np.arange(4) / 10
    whole = evaluate(y, X[:, :1], factors, *args, v=v, **options)
    monkeypatch.setattr(rows.row_blocks, "__defaults__", (37,))
    monkeypatch.setattr(crossproducts, "BLOCK", 44)
    parts = evaluate(y, X[:, :1], factors, *args, v=v, **options)
    np.testing.assert_allclose(parts, whole, rtol=1e-10)


def test_flat_directions_are_the_limit_of_wide_priors():
    y, X, refs, J = data()
    args = ([(refs, X[:, :1], J)], [np.array([[0.7]])], np.zeros(2))
    width = 1e7
    flat_prior = evaluate(y, X, *args, np.diag([1.0, 0.0]))
    wide = evaluate(y, X, *args, np.diag([1.0, width**-2]))
    wide[0] += np.log(width)  # without |P0| of the flat direction
    np.testing.assert_allclose(flat_prior, wide, rtol=1e-8)


def test_collinear_columns_with_a_proper_prior():
    y, X, refs, J = data()
    twice = X[:, [0, 1, 1]]
    L = [np.array([[0.7]])]
    got = evaluate(y, twice, [(refs, X[:, :1], J)], L, np.zeros(3), np.eye(3))
    # the sum of two coefficients of variance 1 has variance 2
    expected = evaluate(y, X, [(refs, X[:, :1], J)], L, np.zeros(2), np.diag([1, 0.5]))
    np.testing.assert_allclose(got, expected, rtol=1e-7)


def test_column_map_is_exact_and_well_conditioned():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(2000, 5, 200), np.full(200, 3.0), 1e6 * rng.normal(size=200)])
    weights = rng.uniform(0.5, 2, 200)
    m = fit_column_map(X, weights)
    A = m.apply(X)
    np.testing.assert_allclose(A @ m.forward, X, rtol=1e-11)
    np.testing.assert_allclose(m.forward @ m.backward, np.eye(3), atol=1e-8)
    gram = A.T @ (weights[:, None] * A) / weights.sum()
    np.testing.assert_allclose(gram, np.eye(3), atol=1e-10)


def problem_of(**changes):
    y, X, refs, J = data(30, 5)
    arguments = {
        "y": y, "X": X, "factors": [(refs, X[:, :1], J)], "prior_mean": np.zeros(2),
        "prior_precision": np.eye(2),
    }  # fmt: skip
    return build_problem(**(arguments | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": np.ones(29)}, "weights has 29 rows, y has 30"),
        ({"weights": np.r_[0, np.ones(29)]}, "1 of 30 weights are not positive"),
        ({"y": np.r_[np.nan, np.ones(29)]}, "y has 1 values that are not finite"),
        ({"factors": [(np.full(30, 5), np.ones((30, 1)), 5)]}, "codes 5 to 5 for 5 levels"),
        ({"factors": [(np.zeros(29, int), np.ones((29, 1)), 5)]}, "codes for 29 rows of 30"),
    ],
)
def test_mistakes_in_the_data_are_explained(changes, message):
    with pytest.raises(DataError, match=message):
        problem_of(**changes)


@pytest.mark.parametrize(
    "precision",
    [np.array([[1.0, 2.0], [2.0, 1.0]]), np.diag([1.0, -1.0]), np.triu(np.ones((2, 2)))],
)
def test_a_prior_that_is_no_precision_is_refused(precision):
    with pytest.raises(ModelError, match="prior precision"):
        problem_of(prior_precision=precision)
