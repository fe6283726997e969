import numpy as np
import pytest
from scipy import special

from mixedbayes.predict.importance import smooth


@pytest.mark.parametrize("ties", [1.0, 0.3])
@pytest.mark.parametrize("size", [400, 4000, 30])
def test_largest_weights_that_are_all_the_same_have_no_tail(ties, size):
    ratio = np.sort(np.random.default_rng(1).normal(size=size))
    ratio[-int(np.ceil(ties * size)) :] = ratio[-1]
    found = smooth(ratio)
    assert found.pareto_k == -np.inf
    np.testing.assert_allclose(found.weights, special.softmax(ratio))


def test_too_few_draws_have_no_known_tail():
    ratio = np.random.default_rng(1).normal(size=7)
    assert np.isnan(smooth(ratio).pareto_k)
    assert smooth(np.ones(7)).pareto_k == -np.inf


def test_infinite_ratios_are_not_reliable():
    found = smooth(np.r_[np.zeros(999), np.inf])
    assert not found.reliable
    assert np.isfinite(found.weights).all()


def test_draws_that_are_ruled_out_have_no_weight():
    ratio = np.random.default_rng(1).normal(size=1000)
    ratio[:200] = -np.inf
    found = smooth(ratio)
    assert found.reliable
    assert (found.weights[:200] == 0).all()


def test_efficiency_sets_the_tail():
    ratio = np.random.default_rng(1).standard_t(3, size=2000)
    assert smooth(ratio).pareto_k != smooth(ratio, 0.3).pareto_k
