"""Against ArviZ's, which smooths one target after another."""

import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy import special

from mixedbayes.numerics import psis

RNG = np.random.default_rng(8)


def ratios(draws):
    """Light and heavy tails, large and small scales, some ties."""
    normal = RNG.normal(size=(6, draws)) * np.array([[0.01], [0.3], [1.0], [3.0], [10.0], [0.5]])
    normal[5] = np.round(normal[5], 1)
    heavy = np.log(RNG.pareto(0.8, (2, draws)) + 1)
    bounded = -np.log(RNG.uniform(0.2, 1, (2, draws)))
    far = RNG.normal(size=(1, draws)) + 600
    return np.concatenate([normal, heavy, bounded, far])


@pytest.mark.parametrize(("draws", "efficiency"), [(4000, 1.0), (1000, 0.4), (100, 1.0)])
def test_weights_and_shape_are_those_of_arviz(draws, efficiency):
    given = ratios(draws)
    elpd, k = psis.leave_one_out(-given, efficiency)
    for unit, row in enumerate(given):
        expected, shape = array_stats.psislw(-row, r_eff=efficiency)
        weights, own = psis.log_weights(row, efficiency)
        np.testing.assert_allclose(weights, expected, rtol=0, atol=1e-10)
        assert k[unit] == pytest.approx(float(shape), abs=1e-10, nan_ok=True)
        assert own == pytest.approx(k[unit], nan_ok=True)
        scored = special.logsumexp(-row, b=np.exp(expected))
        assert elpd[unit] == pytest.approx(float(scored), rel=1e-12, abs=1e-10)


def test_ratios_without_a_tail():
    elpd, k = psis.leave_one_out(np.full((2, 400), -3.0))
    np.testing.assert_allclose(elpd, -3.0)
    assert (k == -np.inf).all()


def test_one_draw_that_excludes_a_unit_leaves_equal_weights():
    density = np.log(RNG.uniform(0.1, 1, (2, 400)))
    density[1, 7] = -np.inf
    elpd, k = psis.leave_one_out(density)
    assert k[0] < 1
    assert k[1] == np.inf
    assert elpd[1] == pytest.approx(special.logsumexp(density[1]) - np.log(400))
    weights, own = psis.log_weights(-density[1])
    assert own == np.inf
    np.testing.assert_allclose(np.exp(weights), 1 / 400)
