"""Averages over effects on several parameters, against products of many nodes."""

import numpy as np
import pytest
from scipy import special, stats

import mixedbayes as mb
from mixedbayes.families.negative_binomial import sum_of_counts
from mixedbayes.predict.quadrature import Rowwise, Spread

ETA, OTHER = np.array([[0.3], [1.2]]), np.array([[-0.5], [0.7]])  # (S, r)
SD, OWN, L = np.full((2, 1), 0.6), np.full((2, 1), 0.5), np.array([[0.4], [-0.3]])
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(90)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def brute(function):
    """E of function(eta, other): eta moves by SD z, the other predictor by L z + OWN v."""
    z, v = NODES[:, None], NODES[None, :]
    pairs = zip(ETA[:, 0], OTHER[:, 0], L[:, 0], strict=True)
    values = [function(a + 0.6 * z, b + c * z + 0.5 * v) for a, b, c in pairs]
    return np.array([[WEIGHTS @ value @ WEIGHTS] for value in values])


def over(family, name, mixing, **parameters):
    """The mean's effects first and the other's after them, or, where nothing is affine, last."""
    link, whole = family.parameter_link(name), np.sqrt(OWN**2 + L**2)
    first, then = Spread("mu", SD, {}), Spread(name, OWN, {"mu": L})
    if not mixing:
        first = Spread(name, whole, {})
        then = Spread("mu", SD * OWN / whole, {name: SD * L / whole})
    own = {**parameters, name: link.inverse(OTHER, np)}
    return Rowwise(family, ETA, {name: OTHER}, own, None, None, None, [first, then], mixing)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize(("name", "kind"), [("zi", "ZeroInflated"), ("hu", "Hurdle")])
def test_shares_of_zeros_are_averaged_with_the_mean(name, kind, affine):
    family = getattr(mb.families, f"{kind}Poisson")()

    def above(eta, share):
        mu, rest = np.exp(eta), 1 - special.expit(share)
        return rest * stats.poisson.sf(3, mu) / (1 if name == "zi" else -np.expm1(-mu))

    found = over(family, name, family.mixing if affine else ()).mean(lambda h, at: at.cdf(3, h), 3)
    np.testing.assert_allclose(1 - found, brute(above), atol=1e-9)


def test_a_shape_is_averaged_with_the_mean():
    family = mb.families.NegativeBinomial()

    def below(eta, log_shape):
        a = np.exp(log_shape)
        return stats.nbinom.cdf(3, a, a / (a + np.exp(eta)))

    found = over(family, "shape", ()).mean(lambda h, at: at.cdf(3, h), 3)
    np.testing.assert_allclose(found, brute(below), atol=1e-7)


def test_an_effect_on_a_share_alone_is_its_mean():
    family, spread = mb.families.ZeroInflatedPoisson(), [Spread("zi", OWN, {})]
    own = over(family, "zi", ("zi",)).parameters
    alone = Rowwise(family, ETA, {"zi": OTHER}, own, None, None, None, spread, ("zi",))
    rest = (special.expit(-OTHER - 0.5 * NODES) @ WEIGHTS)[:, None]
    np.testing.assert_allclose(alone.mean(lambda h, at: at.mean(h)), np.exp(ETA) * rest, rtol=1e-9)


@pytest.mark.parametrize("shape", [1e-6, 0.7, 30.0])
def test_few_counts_are_summed(shape):
    mu, k = np.array([[1e-300, 0.5, 60.0, 1e4]]), np.array([[0.0, 3.0, 60.0, 60.0]])
    found = sum_of_counts(k, mu, np.array([[shape]]))
    np.testing.assert_allclose(found, stats.nbinom.cdf(k, shape, shape / (shape + mu)), rtol=1e-9)
