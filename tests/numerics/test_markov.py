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
