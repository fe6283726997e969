"""Links: inverses of one another, slopes against differences, NumPy against PyTensor, tails."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from scipy import special

from mixedbayes.families import links

ALL = [
    links.Identity(),
    links.Log(),
    links.Inverse(),
    links.Logit(),
    links.Probit(),
    links.Cloglog(),
    links.Softplus(),
]
SHARES = ALL[3:6]
ETA = np.array([0.05, 0.3, 0.9, 1.4])


@pytest.mark.parametrize("link", ALL, ids=str)
def test_link_undoes_inverse(link):
    np.testing.assert_allclose(link.link(link.inverse(ETA, np), np), ETA, rtol=1e-9)


@pytest.mark.parametrize("link", ALL, ids=str)
def test_slope_is_the_derivative(link):
    h = 1e-6
    found = (link.inverse(ETA + h, np) - link.inverse(ETA - h, np)) / (2 * h)
    np.testing.assert_allclose(link.slope(ETA, np), found, rtol=1e-7)


@pytest.mark.parametrize("link", ALL, ids=str)
def test_pytensor_gives_the_same_numbers(link):
    eta = pt.vector("eta")
    mu = link.inverse(eta, pt)
    outputs = [mu, link.link(mu, pt), link.slope(eta, pt)]
    found = pytensor.function([eta], outputs, mode="FAST_COMPILE")(ETA)
    np.testing.assert_allclose(found[0], link.inverse(ETA, np), rtol=1e-12)
    np.testing.assert_allclose(found[1], ETA, rtol=1e-8)
    np.testing.assert_allclose(found[2], link.slope(ETA, np), rtol=1e-12)


@pytest.mark.parametrize("link", SHARES, ids=str)
def test_log_odds_keep_their_digits_in_the_tails(link):
    eta = np.array([-30.0, -8.0, -1.0, 0.0, 1.0, 3.0])
    mu = link.inverse(eta, np)
    rest = {
        "logit": special.expit(-eta),
        "probit": special.ndtr(-eta),
        "cloglog": np.exp(-np.exp(eta)),
    }[link.name]
    np.testing.assert_allclose(link.log_odds(eta, np), np.log(mu) - np.log(rest), rtol=1e-12)
    x = pt.vector("x")
    found = pytensor.function([x], link.log_odds(x, pt), mode="FAST_COMPILE")(eta)
    np.testing.assert_allclose(found, link.log_odds(eta, np), rtol=1e-10)


@pytest.mark.parametrize("link", SHARES, ids=str)
def test_variance_is_that_of_the_tolerance(link):
    """The mean is the tolerance's distribution function: its variance by numbers."""
    x = np.linspace(-40, 40, 400_001)
    density = link.slope(x, np)
    mean = np.trapezoid(x * density, x)
    assert np.trapezoid((x - mean) ** 2 * density, x) == pytest.approx(link.variance, rel=1e-6)
