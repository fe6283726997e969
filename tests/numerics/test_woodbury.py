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


@pytest.mark.parametrize("factors", [(), (1,), (2, 1), (3,)])
def test_groups_together_are_the_same_as_one_by_one(factors):
    """Also where blocks of rows end, and each row given the others of its group."""
    rng = np.random.default_rng(3)
    sizes, draws = np.array([1, 4, 2, 9, 1, 3]), 5
    n, starts = sizes.sum(), np.r_[0, np.cumsum(sizes)[:-1]]
    r, w = rng.normal(size=(n, draws)), rng.uniform(0.5, 2, n)
    columns = [(rng.normal(size=(n, q)), rng.normal(size=(q, q, draws))) for q in factors]
    variance = rng.uniform(0.2, 3, draws)
    for block in (1, 4 * draws, 2**17):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(woodbury, "_BLOCK", block)
            whole, alone = woodbury.of_groups(r, columns, w, variance, starts, each=True)
        B = np.concatenate(
            [np.zeros((draws, n, 0)), *(np.einsum("nq,qds->snd", Z, L) for Z, L in columns)], axis=2
        )
        for g, (start, size) in enumerate(zip(starts, sizes, strict=True)):
            rows = slice(start, start + size)
            density, each = woodbury.each_row(r[rows].T, B[:, rows], w[rows], variance)
            np.testing.assert_allclose(whole[g], density, rtol=1e-10)
            np.testing.assert_allclose(alone[rows].T, each, rtol=1e-10)
            known = woodbury.given(r[rows][1:].T, B[:, rows][:, 1:], w[rows][1:], variance)
            np.testing.assert_allclose(each[:, 0], density - known.log_density, rtol=1e-9)
    assert woodbury.of_groups(r, columns, w, variance, starts)[1] is None
