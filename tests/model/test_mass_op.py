"""Masses of ranges in PyTensor: values and gradients."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from masses_by_cdf import by_cdf
from pytensor.gradient import NullTypeGradError
from scipy import special

from mixedbayes.families.registry import FAMILIES
from mixedbayes.model import mass_op

T = np.array([0.2, 0.1, -0.3])
CASES = {  # family -> a, b, size, parameters
    "asymmetric_laplace": (
        [0.1, -np.inf, 0.4], [0.5, 0.3, np.inf], 1.0, {"sigma": 0.9, "quantile": 0.3},
    ),
    "zero_inflated_binomial": ([1.0, -np.inf, 5.0], [3.0, 3.0, np.inf], 9.0, {"zi": 0.3}),
}  # fmt: skip


def by_differences(family):
    """In the place of the compiled loop, whose compilation takes seconds; one parameter."""

    def loop(t, a, b, size, own, value, d_t, d):
        def masses(t, own):
            zi = {"zi": special.expit(own)[None]}
            return by_cdf(family, a, b, special.expit(t)[None], zi, None, size.astype(int))[0]

        e = 1e-5
        value[:] = masses(t, own)
        d_t[:] = (masses(t + e, own) - masses(t - e, own)) / (2 * e)
        d[:] = (masses(t, own + e) - masses(t, own - e)) / (2 * e)

    return loop


@pytest.mark.parametrize("name", CASES)
def test_masses_are_those_of_the_distribution_function_with_their_gradient(name, monkeypatch):
    family = FAMILIES[name]()
    a, b, size, own = CASES[name]
    a, b, size = np.array(a), np.array(b), np.full(3, size)
    if family.row_density.odds:
        monkeypatch.setattr(mass_op, "_slopes", by_differences)

    def expected(t, *values):
        parameters = {k: np.array([v]) for k, v in zip(own, values, strict=True)}
        mu = family.row_density.scale().inverse(t, np)[None]
        trials = size.astype(int) if family.trials else None
        return by_cdf(family, a, b, mu, parameters, None, trials)[0]

    t, scalars = pt.dvector("t"), [pt.dscalar(name) for name in own]
    found = mass_op.log_mass(family, t, scalars, a, b, size)
    slopes = pytensor.grad(found.sum(), [t, *scalars])
    function = pytensor.function([t, *scalars], [found, *slopes], mode="FAST_COMPILE")
    point = list(own.values())
    value, d_t, *d = function(T, *point)
    np.testing.assert_allclose(value, expected(T, *point), rtol=1e-12)
    e = 1e-5
    by_t = (expected(T + e, *point) - expected(T - e, *point)) / (2 * e)
    np.testing.assert_allclose(d_t, by_t, rtol=1e-7, atol=1e-9)
    for k, slope in enumerate(d):
        ends = [[p + s * e * (j == k) for j, p in enumerate(point)] for s in (1, -1)]
        change = (expected(T, *ends[0]) - expected(T, *ends[1])).sum() / (2 * e)
        assert float(slope) == pytest.approx(change, rel=1e-7)


def test_second_derivatives_are_refused_and_shapes_are_known():
    family = FAMILIES["asymmetric_laplace"]()
    t, sigma = pt.dvector("t"), pt.dscalar("sigma")
    found = mass_op.log_mass(family, t, [sigma, 0.5], -np.ones(3), np.ones(3), np.ones(3))
    shape = pytensor.function([t, sigma], found.shape, mode="FAST_COMPILE")
    assert shape(T, 0.9).tolist() == [3]
    slope = pytensor.grad(found.sum(), sigma)
    with pytest.raises(NullTypeGradError, match="second derivatives are not available"):
        pytensor.grad(slope, sigma)
