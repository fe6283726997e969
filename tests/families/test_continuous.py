"""Continuous families beside numbers computed elsewhere: R's survreg, and the far tails."""

import numpy as np
import pytest
from scipy import special

from mixedbayes.families.registry import FAMILIES

# survreg(Surv(time, !censored) ~ age + sex + disease) of the kidney data (R 4.2.2, survival 3.5-3):
# intercept, age, female, GN; the scale; and log likelihoods of four rows that are not censored.
KIDNEY = np.array([[8, 28, 0, 0], [23, 48, 1, 1], [22, 32, 0, 0], [511, 55, 1, 1]], float)
SURVREG = {
    "weibull": (
        [3.714427322734527, -0.001907486348886403, 1.6079177715074349, -0.049330984204402434],
        0.9668404906321734,
        [-3.876331661296472, -5.338399864329224, -4.197938032764888, -8.11668120019159],
    ),
    "exponential": (
        [3.705537702030458, -0.0019109106746703162, 1.611782458433339, -0.05802443103104124],
        1.0,
        [-3.859539108408777, -5.298634932412588, -4.2194110612649505, -8.105283736647882],
    ),
}


@pytest.mark.parametrize("name", SURVREG)
def test_log_densities_of_times_are_survregs(name):
    """survreg's predictor is the logarithm of the scale; ours, that of the mean."""
    family = FAMILIES[name]()
    b, scale, expected = SURVREG[name]
    eta = b[0] + KIDNEY[:, 1:] @ b[1:] + special.gammaln(1 + scale)
    p = {"shape": np.array([1 / scale])} if family.parameters else {}
    found = family.log_density(KIDNEY[:, 0], family.inverse(eta[None], np), p)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
