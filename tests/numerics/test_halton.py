"""Points of Halton's sequence are SciPy's."""

import numpy as np
import pytest
from scipy.stats import qmc

from mixedbayes.numerics.halton import halton


@pytest.mark.parametrize(("d", "n"), [(1, 1), (3, 50), (12, 203), (40, 7)])
def test_points_are_those_of_scipy(d, n):
    expected = qmc.Halton(d, rng=3).random(n)
    np.testing.assert_allclose(halton(d, n, seed=3), expected, rtol=1e-14)
