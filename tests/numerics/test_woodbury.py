"""Woodbury's identity beside the dense covariance."""

import numpy as np
import pytest
from scipy import sparse, stats

from mixedbayes.numerics import woodbury


@pytest.mark.parametrize("k", [0, 1, 3])
@pytest.mark.parametrize("m", [1, 5])
def test_effects_given_rows_and_the_density_of_the_rows(m, k):
    rng = np.random.default_rng(1)
    r, B, w = rng.normal(size=(2, m)), rng.normal(size=(2, m, k)), rng.uniform(0.5, 2, m)
    variance = np.array([0.3, 4.0])
    found = woodbury.given(r, B, w, variance)
    for s in range(2):
        V = B[s] @ B[s].T + np.diag(variance[s] / w)
        density = stats.multivariate_normal(np.zeros(m), V).logpdf(r[s])
        assert found.log_density[s] == pytest.approx(density)
        np.testing.assert_allclose(found.mean[s], B[s].T @ np.linalg.solve(V, r[s]))
        cov = np.eye(k) - B[s].T @ np.linalg.solve(V, B[s])
        root = found.root[s]
        np.testing.assert_allclose(np.linalg.inv(root @ root.T), cov, atol=1e-12)
        assert np.array_equal(root, np.tril(root))


def test_rows_without_information_count_nothing():
    rng = np.random.default_rng(2)
    B, A, w = rng.normal(size=(6, 2)), rng.normal(size=(6, 3)), rng.uniform(0.5, 2, 6)
    w[4] = 0.0
    found = woodbury.solve(w, sparse.csc_matrix(B), A)
    some = np.flatnonzero(w)
    V = B[some] @ B[some].T + np.diag(1 / w[some])
    np.testing.assert_allclose(found[some], np.linalg.solve(V, A[some]))
    assert not found[4].any()
