"""ARMA(1,1) correlations: known limits, roots by every way, and the numbers back."""

import numpy as np
import pytest
from scipy import signal

from mixedbayes.distributions import LKJ, Uniform
from mixedbayes.terms.arma11 import AutoregressiveMovingAverage
from mixedbayes.terms.autoregressive import Autoregressive
from mixedbayes.terms.registry import COVARIANCES, RESIDUALS

AT = {
    "each": range(6),
    "with gaps": (0, 1, 3, 4, 8),
    "steps of two": (1, 3, 5, 7),
    "odd": (0, 2, 5),
}
Z = np.array([[0.7, -0.3], [-0.5, 0.4], [0.2, 0.6], [0.9, -0.85]])


def placed(at):
    return AutoregressiveMovingAverage().placed(at, "visit")


def test_it_is_one_of_residuals_alone():
    assert RESIDUALS["arma11"].symbols == ("rho", "theta")
    assert "arma11" not in COVARIANCES


def test_the_correlations_are_those_of_the_process():
    """Of e_t = rho e_(t - 1) + a_t + theta a_(t - 1), by its response to one shock."""
    for rho, theta in Z:
        psi = signal.lfilter([1, theta], [1, -rho], np.eye(1, 2000)[0])
        lags = np.array([psi[: len(psi) - h] @ psi[h:] for h in range(6)])
        R = placed(range(6)).matrix(np.array([rho, theta]), 6)
        np.testing.assert_allclose(R[0], lags / lags[0], 1e-9, 1e-12)


def test_limits():
    at = (0, 1, 2, 5)
    plain = Autoregressive().placed(at, "visit")
    R = placed(at).matrix(np.array([0.6, 0.0]), 4)
    np.testing.assert_allclose(R, plain.matrix(np.array([0.6]), 4), atol=1e-14)
    np.testing.assert_allclose(placed(at).matrix(np.array([0.6, -0.6]), 4), np.eye(4), atol=1e-14)


@pytest.mark.parametrize("at", AT.values(), ids=AT)
def test_roots_are_those_of_the_matrix(at):
    own, k = placed(at), len(at)
    R = own.matrix(Z, k)
    W = own.root(Z, k)
    np.testing.assert_allclose(W @ W.transpose(0, 2, 1), R, atol=1e-12)
    np.testing.assert_allclose(own.among(Z, np.array([0, 2]), k), R[:, [0, 2]][:, :, [0, 2]])
    for z, root in zip(Z, W, strict=True):
        work = np.zeros((3, 2))
        work[0] = z
        found = np.full((k, k), np.nan)
        own.fill(work, 0, own.positions(k), found)
        np.testing.assert_allclose(found, root, atol=1e-12)


@pytest.mark.parametrize("at", AT.values(), ids=AT)
def test_slopes_are_differences(at):
    own, k, rng = placed(at), len(at), np.random.default_rng(0)
    positions, dW = own.positions(k), np.tril(rng.normal(size=(k, k)))

    def value(z):
        return float((own.root(z, k) * dW).sum())

    for z in Z:
        work = np.array([z, [1.5, 2.0], [0.0, 0.0]])
        own.slopes(work, 0, positions, own.root(z, k), dW.copy())
        steps = 1e-6 * np.eye(2)
        expected = [(value(z + s) - value(z - s)) / 2e-6 for s in steps]
        np.testing.assert_allclose(work[2], np.array(expected) * work[1], 1e-5, 1e-7)


@pytest.mark.parametrize("at", AT.values(), ids=AT)
def test_numbers_follow_from_the_correlations(at):
    own, k = placed(at), len(at)
    back = own.inverse(own.matrix(Z, k))
    np.testing.assert_allclose(own.matrix(back, k), own.matrix(Z, k), atol=1e-8)
    if at == AT["each"]:
        np.testing.assert_allclose(back, Z, atol=1e-8)


def test_priors():
    own = placed(range(4))
    assert not own.refusal(LKJ(2))
    assert not own.refusal(Uniform(-1, 1))
    assert len(own.parameters(4, LKJ(2))) == 2
    assert own.labels(4) == ("rho", "theta")
