"""The density with effects integrated out, against the joint density integrated by brute force."""

import numpy as np
import pytest

from mixedbayes.families.registry import FAMILIES
from mixedbayes.quadrature.obstacle import obstacle
from mixedbayes.quadrature.rule import Rule


def by_brute_force(joint, theta, K=201):
    """log of the integral over the effects: they are independent given all others."""
    h, n = joint.layout.n_hyper, joint.layout.n_effects
    (g,) = joint.layout.groups
    q = len(g.terms)
    whole = np.concatenate([theta[:h], np.zeros(n), theta[h:]])
    at_zero = joint.logp_grad(whole)[0]
    x = np.linspace(-9, 9, K if q == 1 else 121)
    grid = np.stack(np.meshgrid(*[x] * q, indexing="ij"), -1).reshape(-1, q)
    total = at_zero
    for j in range(g.n_levels):
        own = slice(h + j * q, h + (j + 1) * q)
        values = np.empty(len(grid))
        for k, u in enumerate(grid):
            whole[own] = u
            values[k] = joint.logp_grad(whole)[0]
        whole[own] = 0
        top = values.max()
        total += top - at_zero + np.log(np.exp(values - top).sum() * (x[1] - x[0]) ** q)
    return total


def slopes(density, theta):
    steps = 1e-5 * np.eye(density.ndim)
    return [(density.logp(theta + e) - density.logp(theta - e)) / 2e-5 for e in steps]


@pytest.mark.parametrize("family", [name for name, kind in FAMILIES.items() if not kind.columns])
def test_every_family(family, spec_of, densities):
    spec = spec_of(family, "intercepts")
    if said := obstacle(spec.design, spec.family, spec.priors):
        assert "vector of parameters" in said or "several modes" in said or "formula" in said
        return
    joint, density = densities(family, "intercepts", Rule.product(61, 1))
    theta = 0.2 * np.random.default_rng(1).normal(size=density.ndim)
    expected = by_brute_force(joint, theta)
    assert density.logp(theta) == pytest.approx(expected, abs=1e-7)
    gradient = density.logp_grad(theta)[1]
    np.testing.assert_allclose(gradient, slopes(density, theta), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("effects", ["slopes", "separate slopes"])
def test_two_effects_of_a_level(effects, densities):
    joint, density = densities("poisson", effects, Rule.product(25, 2))
    theta = 0.2 * np.random.default_rng(1).normal(size=density.ndim)
    assert density.logp(theta) == pytest.approx(by_brute_force(joint, theta), abs=1e-5)
    gradient = density.logp_grad(theta)[1]
    np.testing.assert_allclose(gradient, slopes(density, theta), rtol=1e-5, atol=1e-5)
