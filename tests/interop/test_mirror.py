"""Priors of minus an effect, and of one minus a share."""

import numpy as np
import pytest

import mixedbayes as mb
from mixedbayes.interop import mirror

P = np.array([0.01, 0.3, 0.5, 0.9])


@pytest.mark.parametrize(
    "prior", [mb.Normal(1, 2), mb.StudentT(4, -1, 2), mb.Cauchy(1, 2), mb.Uniform(-1, 3)]
)
def test_the_prior_of_minus_an_effect_has_the_other_quantiles(prior):
    found = mirror.of_effect(prior).frozen().ppf(1 - P)
    np.testing.assert_allclose(found, -prior.frozen().ppf(P), rtol=1e-12)


def test_the_prior_of_the_rest_of_a_share_has_the_other_quantiles():
    prior = mb.Uniform(0.1, 0.8)
    found = mirror.of_share(prior).frozen().ppf(1 - P)
    np.testing.assert_allclose(found, 1 - prior.frozen().ppf(P), rtol=1e-12)


def test_priors_without_a_counterpart_are_refused():
    with pytest.raises(mb.ModelError, match="no prior of that is known which says what HalfNormal"):
        mirror.of_effect(mb.HalfNormal(1))
    with pytest.raises(mb.ModelError, match="no prior of that is known which says what Normal"):
        mirror.of_share(mb.Normal(0.5, 0.1))
