"""The distribution function of counts among many trials whose probability varies."""

import numpy as np
import pytest
from scipy import special, stats

from mixedbayes.families.registry import FAMILIES

FAMILY = FAMILIES["beta_binomial"]()


def below(k, n, mu, phi):
    given = {"phi": np.atleast_1d(np.asarray(phi, float))}
    return FAMILY.cdf(k, np.atleast_2d(np.asarray(mu, float)), given, trials=np.atleast_1d(n))


@pytest.mark.parametrize(("mu", "phi"), [
    (0.5, 8.0), (0.001, 3.0), (0.999, 40.0), (0.3, 1e-3), (0.02, 1e6), (0.7, 2e4), (1e-9, 0.5),
])  # fmt: skip
def test_it_is_the_sum_of_probabilities(mu, phi):
    """To the rounding of log Gamma at 40,000, some 1e-10."""
    n = 40_000
    y = np.arange(n + 1)
    a, b = mu * phi, phi - mu * phi
    rise = special.betaln(y + a, n - y + b)
    log_p = rise - np.log(n + 1) - special.betaln(n - y + 1, y + 1)
    p = np.exp(log_p - log_p.max())
    lower, upper = np.cumsum(p) / p.sum(), np.cumsum(p[::-1])[::-1] / p.sum()
    k = np.array([0, 1, 37, 800, 19_999, 20_000, 27_950, 28_050, 39_000, n - 1])
    found = below(k[None], n, np.full(len(k), mu), phi)[0]
    np.testing.assert_allclose(found, lower[k], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(1 - found, upper[k + 1], rtol=1e-8, atol=1e-9)


def test_few_trials_are_those_of_scipy():
    rng = np.random.default_rng(0)
    mu, phi, n = rng.uniform(size=(5, 6)), rng.gamma(1, 5, 5), np.array([1, 2, 3, 9, 50, 51])
    for y in (-1.0, 0.0, 0.5, 1.0, 4.0, 25.0, 50.0, 1e300):
        law = stats.betabinom(n, mu * phi[:, None], (1 - mu) * phi[:, None])
        np.testing.assert_allclose(below(y, n, mu, phi), law.cdf(y), rtol=1e-10, atol=1e-14)


def test_where_successes_are_certain_or_impossible():
    found = below(3.0, 10, [[0.0, 1.0]], 4.0)
    np.testing.assert_array_equal(found, [[1.0, 0.0]])
    np.testing.assert_array_equal(below(7.0, 10, [[0.0, 1.0]], 4.0), found)
