"""Chains of effects: dense matrices are the oracle."""

import numpy as np
from scipy import stats

from mixedbayes.numerics import markov

RNG = np.random.default_rng(3)
S, T = 4, 7
LINKS = RNG.uniform(-0.9, 0.99, (S, T - 1))
LINKS[0, 2], LINKS[1, 3], LINKS[2] = 0.0, 1.0 - 1e-15, 0.999999


def correlations(links):
    out = np.eye(T)
    for i in range(T):
        for j in range(i):
            out[i, j] = out[j, i] = np.prod(links[j:i])
    return out


def test_the_density_of_rows_is_that_of_dense_matrices_with_ties_gaps_and_no_rows():
    for at in ([5, 1, 1, 3, 1, 5], [6], [0], []):
        at = np.array(at, int)
        m = len(at)
        r, z, w = RNG.normal(size=(S, m)), RNG.normal(size=(S, m)), RNG.uniform(0.5, 2, m)
        variance = RNG.uniform(0.1, 2, S)
        found = markov.log_density(r, z, at, w, variance, LINKS)
        for s in range(S):
            V = correlations(LINKS[s])[np.ix_(at, at)] * np.outer(z[s], z[s])
            V += np.diag(variance[s] / w)
            expected = stats.multivariate_normal(cov=V).logpdf(r[s]) if m else 0.0
            np.testing.assert_allclose(found[s], expected, rtol=1e-9, atol=1e-12)


def test_variances_are_those_of_dense_matrices():
    told = RNG.uniform(0, 9, (S, 3, T)) * (RNG.random((S, 3, T)) < 0.6)
    told[:, 2] = 0.0
    found = markov.variances(told, LINKS)
    for s in range(S):
        R = correlations(LINKS[s])
        for j in range(3):
            root = np.sqrt(told[s, j])
            V = R @ (root[:, None] * np.linalg.inv(np.eye(T) + root[:, None] * R * root))
            expected = np.diag(R - (V * root) @ R)
            np.testing.assert_allclose(found[s, j], expected, rtol=1e-8)
    np.testing.assert_allclose(found[:, 2], 1.0, rtol=1e-14)


def test_the_density_beside_other_effects_is_that_of_dense_matrices():
    at = np.array([5, 1, 1, 3, 1, 5])
    r, z, w = RNG.normal(size=(S, 6)), RNG.normal(size=(S, 6)), RNG.uniform(0.5, 2, 6)
    X, variance = RNG.normal(size=(S, 6, 2)), RNG.uniform(0.1, 2, S)
    found = markov.log_density(r, z, at, w, variance, LINKS, X)
    for s in range(S):
        V = correlations(LINKS[s])[np.ix_(at, at)] * np.outer(z[s], z[s])
        V += np.diag(variance[s] / w) + X[s] @ X[s].T
        np.testing.assert_allclose(found[s], stats.multivariate_normal(cov=V).logpdf(r[s]), 1e-9)


def test_variances_beside_other_effects_are_those_of_dense_matrices():
    Z = RNG.normal(size=(S, 3, 2 * T, T)) * np.tile(np.eye(T), (2, 1))
    Z[:, 1, 3:] = 0.0
    X = 3 * RNG.normal(size=(S, 3, 2 * T, 2))
    X[:, 2] = 0.0
    both = np.concatenate([Z, X], axis=-1)
    gram = np.swapaxes(both, -1, -2) @ both
    told = np.diagonal(gram, axis1=-2, axis2=-1)[..., :T]
    own, others = markov.variances_beside(told, gram[..., :T, T:], gram[..., T:, T:], LINKS)
    for s in range(S):
        R = np.eye(T + 2)
        R[:T, :T] = correlations(LINKS[s])
        for j in range(3):
            A = both[s, j] @ R
            V = R - A.T @ np.linalg.solve(np.eye(2 * T) + both[s, j] @ A.T, A)
            np.testing.assert_allclose(own[s, j], np.diag(V)[:T], rtol=1e-8)
            np.testing.assert_allclose(others[s, j], np.diag(V)[T:], rtol=1e-8)
    np.testing.assert_allclose(others[:, 2], 1.0, rtol=1e-14)


def test_each_row_given_the_others():
    at = np.array([5, 1, 1, 3, 1, 5])
    r, z, w = RNG.normal(size=(S, 6)), RNG.normal(size=(S, 6)), RNG.uniform(0.5, 2, 6)
    variance = RNG.uniform(0.1, 2, S)
    for X in (None, RNG.normal(size=(S, 6, 2))):
        whole, each = markov.each_row(r, z, at, w, variance, LINKS, X)
        for i in range(6):
            k = np.delete(np.arange(6), i)
            others = markov.log_density(
                r[:, k], z[:, k], at[k], w[k], variance, LINKS, None if X is None else X[:, k]
            )
            np.testing.assert_allclose(each[:, i], whole - others, rtol=1e-9)
