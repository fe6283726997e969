"""Densities, quantiles and means are SciPy's, and whatever else is asked for comes from there."""

import copy
import pickle

import numpy as np
import pytest
from scipy import stats

from mixedbayes.numerics import univariate

LAWS = [
    univariate.Normal(3.0, 2.0),
    univariate.StudentT(1.0, 2.0, (3.0,)),
    univariate.StudentT(0.0, 1.0, (0.7,)),
    univariate.StudentT(0.0, 1.0, (4e4,)),
    univariate.Cauchy(1.0, 0.5),
    univariate.HalfNormal(0.0, 2.0),
    univariate.HalfCauchy(0.0, 2.0),
    univariate.Exponential(0.0, 4.0),
    univariate.Gamma(0.0, 0.1, (2.5,)),
    univariate.Gamma(0.0, 10.0, (0.3,)),
    univariate.InverseGamma(0.0, 2.0, (0.8,)),
    univariate.InverseGamma(0.0, 2.0, (3.0,)),
    univariate.Uniform(-1.0, 3.0),
    univariate.Beta(-1.0, 2.0, (1.5, 1.5)),
    univariate.Beta(0.0, 1.0, (0.4, 7.0)),
]


@pytest.fixture(params=LAWS, ids=lambda law: f"{law.scipy}{law.shapes}")
def both(request):
    law = request.param
    return law, getattr(stats, law.scipy)(*law.shapes, law.loc, law.scale)


def test_density(both):
    law, theirs = both
    x = np.array([[-np.inf, -7.0, -0.9, 0.01], [0.3, 0.99, 5.0, np.nan]])
    np.testing.assert_allclose(law.logpdf(x), theirs.logpdf(x), rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(law.pdf(0.3), theirs.pdf(0.3), rtol=1e-12)
    assert isinstance(law.logpdf(0.3), float)


def test_quantiles(both):
    law, theirs = both
    p = np.array([0.0, 1e-6, 0.025, 0.5, 0.975, 1.0, -0.1, 1.1, np.nan])
    np.testing.assert_allclose(law.ppf(p), theirs.ppf(p), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(law.median(), theirs.median(), rtol=1e-12)


def test_mean(both):
    law, theirs = both
    np.testing.assert_allclose(law.mean(), theirs.mean(), rtol=1e-12)


def test_the_rest_is_scipys_in_copies_as_well(both):
    law, theirs = both
    for one in (law, pickle.loads(pickle.dumps(law)), copy.deepcopy(law)):
        np.testing.assert_array_equal(one.cdf([0.2, 0.7]), theirs.cdf([0.2, 0.7]))
        drawn = one.rvs(size=3, random_state=np.random.default_rng(1))
        np.testing.assert_array_equal(drawn, theirs.rvs(3, np.random.default_rng(1)))
    with pytest.raises(AttributeError, match="densitie"):
        law.densitie  # noqa: B018
