"""The sparse root of a precision against dense algebra."""

import numpy as np
import pytest
from scipy import sparse

from mixedbayes.theta.sparse_root import SparseRoot


@pytest.fixture(scope="module")
def S():
    A = sparse.random_array((120, 40), density=0.05, rng=np.random.default_rng(2))
    return (A.T @ A + sparse.eye_array(40)).toarray()


def test_it_whitens_colours_and_has_the_determinant(S):
    root, rng = SparseRoot.of(sparse.csc_array(S)), np.random.default_rng(0)
    x, z = rng.normal(size=40), rng.normal(size=(3, 2, 40))
    np.testing.assert_allclose(root.whiten(x) @ root.whiten(x), x @ np.linalg.solve(S, x))
    np.testing.assert_allclose(root.colour(root.whiten(x)), np.linalg.solve(S, x))
    square = np.einsum("abi,ij,abj->ab", root.colour(z), S, root.colour(z))
    np.testing.assert_allclose(square, (z**2).sum(axis=-1))
    assert 2 * root.log_det == pytest.approx(np.linalg.slogdet(S)[1])


@pytest.mark.parametrize("first", [0, 12])
def test_what_is_known_given_what_comes_later(S, first, monkeypatch):
    monkeypatch.setattr("mixedbayes.theta.sparse_root._TOGETHER", 4)
    root, own = SparseRoot.of(sparse.csc_array(S)), slice(first, first + 12)
    expected = S[own, own]
    if first:
        before = slice(0, first)
        expected = expected - S[own, before] @ np.linalg.solve(S[before, before], S[before, own])
    rows = np.arange(own.start, own.stop)
    np.testing.assert_allclose(root.schur(first, rows), expected, atol=1e-12)
    np.testing.assert_allclose(root.schur(first, rows[[0, 5]])[0, 1], expected[0, 5], atol=1e-12)
    blocks = [expected[i : i + 2, i : i + 2] for i in range(0, 12, 2)]
    np.testing.assert_allclose(root.given_later(own, 2), blocks, atol=1e-12)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (-np.eye(3), "not positive definite"),
        (np.array([[0.0, 1.0], [1.0, 0.0]]), "not positive definite"),
        (np.zeros((3, 3)), "singular|not positive"),
        (np.diag([1.0, np.nan, 1.0]), "no finite number"),
    ],
)
def test_what_has_no_root_is_said(matrix, message):
    with pytest.raises(np.linalg.LinAlgError, match=message):
        SparseRoot.of(sparse.csc_array(matrix))


def test_blocks_and_directions_agree_with_the_matrix_that_they_stand_for():
    rng, D = np.random.default_rng(2), 12
    K = sparse.csr_array(rng.normal(size=(20, D)) * (rng.random((20, D)) < 0.4))
    A = rng.normal(size=(D, D))
    given = K.T @ K + sparse.csr_array(A @ A.T + np.eye(D))
    blocks = np.repeat(np.arange(6), 2)
    root = SparseRoot.loose(given, K, blocks)
    S = A @ A.T + np.eye(D)
    np.testing.assert_allclose(root.matrix.toarray(), S * (blocks[:, None] == blocks))
    # with a direction for all but one coordinate L L' is nearly S, and whitens it
    L = np.linalg.inv(np.stack([root.whiten(e) for e in np.eye(D)], axis=1))
    np.testing.assert_allclose(L @ L.T, S, atol=0.2 * np.abs(S).max())
    assert root.log_det == pytest.approx(np.linalg.slogdet(L)[1])
    x = rng.normal(size=D)
    np.testing.assert_allclose(root.colour(x), np.linalg.inv(L).T @ x)
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        SparseRoot.loose(K.T @ K - sparse.eye_array(D), K, blocks)
