"""Special functions of compiled likelihoods, against SciPy's."""

import numpy as np
import pytest
from scipy import special

from mixedbayes.numerics.special import rising


@pytest.mark.parametrize("k", [0, 1, 2.5, 3, 24, 25, 400])
@pytest.mark.parametrize("x", [1e-12, 1e-7, 0.3, 5.0, 8e4, 2e5])
def test_rising_powers(x, k):
    """By a product, by gamma functions, by their series."""
    value, slope = rising(float(x), float(k))
    at = x * (1 + 1e-5 * np.array([-1, 1]))
    log = special.loggamma(x + k) - special.loggamma(x) - k * np.log(x)
    assert value == pytest.approx(log, rel=1e-9, abs=1e-8)
    ups = special.loggamma(at + k) - special.loggamma(at)
    assert slope == pytest.approx((ups[1] - ups[0]) / (2e-5 * x), rel=1e-4, abs=1e-7)
