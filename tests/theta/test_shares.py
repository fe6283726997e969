"""Two log sds as their ratio and a total: exact changes of coordinates."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.marginal.density import MarginalDensity
from mixedbayes.marginal.mode import find_mode, share_variance, transform_tails, whiten
from mixedbayes.marginal.setup import set_up
from mixedbayes.theta.shares import ShareTransform


def test_coordinates_are_found_again_and_keep_volumes():
    share, t = ShareTransform(2, 0, 0.3), np.random.default_rng(0).normal(0, 3, (5, 4))
    t[0, 2], t[1, 2] = -400.0, 50.0
    theta = share.theta(t)
    np.testing.assert_allclose(share.t(theta), t, atol=1e-10)
    np.testing.assert_array_equal(theta[:, [1, 3]], t[:, [1, 3]])
    np.testing.assert_allclose(theta[:, 2] - theta[:, 0], t[:, 2], atol=1e-10)
    step = 1e-5 * np.eye(4)
    for point in t[2:]:
        J = [(share.theta(point + h) - share.theta(point - h)) / 2e-5 for h in step]
        assert np.linalg.det(J) == pytest.approx(1, abs=1e-7)


@pytest.fixture(scope="module")
def setup():
    """Levels of one row, related a little: sigma and the sd can hardly be told apart."""
    rng, J = np.random.default_rng(4), 150
    A = mb.Relation(0.3 ** np.abs(np.subtract.outer(np.arange(J), np.arange(J))), np.arange(J))
    y = np.linalg.cholesky(A.matrix) @ rng.normal(size=J) + rng.normal(size=J)
    spec = mb.Model("y ~ (1 | gr(g, cov=A))", pd.DataFrame({"y": y, "g": np.arange(J)}),
                    known={"A": A}).spec  # fmt: skip
    return set_up(spec.design, spec.priors)


def test_the_density_in_shares_is_that_of_theta(setup):
    plain = MarginalDensity(setup.layout, setup.problem)
    mode = find_mode(plain)
    shared, there = share_variance(plain, mode)
    assert shared.share is not None
    np.testing.assert_allclose(shared.share.theta(there.theta), mode.theta, atol=0.02)
    cor = there.covariance[0, 1] / np.sqrt(np.prod(np.diag(there.covariance)))
    assert abs(cor) < 0.1
    bent, at = transform_tails(shared, there)
    for density in (shared, bent, whiten(bent, at)):
        rng = np.random.default_rng(1)
        for t in rng.normal(0, 0.7, (4, 2)):
            value, gradient = density.logp_grad(t)
            slopes = [(density.logp(t + h) - density.logp(t - h)) / 2e-5 for h in 1e-5 * np.eye(2)]
            np.testing.assert_allclose(gradient, slopes, rtol=2e-5, atol=2e-5)
            c = density.constrained(t)
            if density is shared:
                theta = shared.share.theta(t)
                assert value == pytest.approx(plain.logp(theta), rel=1e-10)
                np.testing.assert_allclose(c.sigma, np.exp(theta[1]))


def test_well_known_sds_keep_their_coordinates():
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(30), 8)
    d = pd.DataFrame({"y": rng.normal(size=30)[g] + rng.normal(size=240), "g": g})
    spec = mb.Model("y ~ (1 | g)", d).spec
    own = set_up(spec.design, spec.priors)
    density = MarginalDensity(own.layout, own.problem)
    mode = find_mode(density)
    assert share_variance(density, mode) == (density, mode)
