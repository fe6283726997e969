"""Means and probabilities between bounds, against quadrature and sums of the density."""

from itertools import pairwise

import numpy as np
import pytest
from family_values import values_of
from masses_by_cdf import by_cdf
from scipy import integrate

from mixedbayes.families import ends, limited, within
from mixedbayes.families.registry import FAMILIES, with_limits


@pytest.fixture
def plain(monkeypatch):
    for module, name in ((within, "log_mass"), (ends, "beta_mass"), (limited, "log_mass")):
        monkeypatch.setattr(module, name, by_cdf)


def expected(family, low, high, mu, own, trials):
    """The mean by the density."""

    def density(y):
        y = np.atleast_1d(np.asarray(y, float))
        return np.exp(family.log_density(y, np.full((1, y.size), mu), own, trials=trials))[0]

    if family.discrete:
        k = np.arange(0.0, min(high, 9.0 if trials is not None else 400.0) + 1)
        k = k[k > low]
        return float(k @ density(k) / density(k).sum())
    atoms = [a for a in family.atoms if low < a <= high]
    whole, first = 0.0, 0.0
    for left, right in pairwise(PLACES):
        left, right = max(left, low), min(right, high)
        if left < right and family.supports(np.array([(left + right) / 2]))[0]:
            for p in (0, 1):
                part = integrate.quad(lambda y, p=p: y**p * density(y)[0], left, right, limit=200)
                whole, first = (whole + part[0], first) if p == 0 else (whole, first + part[0])
    whole += sum(density(a)[0] for a in atoms)
    return (first + sum(a * density(a)[0] for a in atoms)) / whole


PLACES = [-4000.0, -60.0, -6.0, -1.0, 0.0, 0.1, 0.35, 0.4966, 0.6, 0.8, 1.0, 3.0, 10, 60, 400, 4000]


@pytest.mark.parametrize("name", with_limits())
def test_means_between_bounds_are_those_of_the_density(name, plain):
    family = FAMILIES[name]()
    own = {key: values[:1] for key, values in values_of(family).items()}
    own |= {"nu": np.array([4.0])} if "nu" in own else {}
    trials = np.array([9]) if family.trials else None
    mu, unit = (0.4, 10.0) if family.counting or family.trials else (0.6, 1.0)
    mu = 3.0 if family.counting else mu
    for low, high in ((0.1 * unit, 0.6 * unit), (0.3 * unit, np.inf), (-np.inf, 0.7 * unit)):
        low, high = (np.ceil(low), np.floor(high)) if family.discrete else (low, high)
        found = within.mean_within(
            family, np.array([low]), np.array([high]), np.full((1, 1), mu), own, None, trials
        )
        near = expected(family, low, high, mu, own, trials)
        assert found[0, 0] == pytest.approx(near, rel=2e-7), (low, high)
