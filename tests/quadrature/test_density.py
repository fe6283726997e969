"""The density with effects integrated out, against the joint density integrated by brute force."""

import numpy as np
import pytest
from brute_force import by_brute_force, slopes

import mixedbayes as mb
from mixedbayes.families.registry import FAMILIES, family_from_names
from mixedbayes.quadrature.obstacle import effects_of_level, obstacle
from mixedbayes.quadrature.rule import Rule

NODES = {"von_mises": 121, "student_t": 81}  # of densities that decline slowly, or not at all


@pytest.mark.parametrize("family", [name for name, kind in FAMILIES.items() if not kind.columns])
def test_every_family(family, spec_of, densities):
    """Also those whose log density is not concave in the predictor."""
    spec = spec_of(family, "intercepts")
    if said := obstacle(spec.design, spec.family, spec.priors):
        assert (family, "kinks" in said) == ("asymmetric_laplace", True)
        return
    rule = Rule.product(NODES.get(family, 61), effects_of_level(spec.design))
    joint, density = densities(family, "intercepts", rule)
    theta = 0.2 * np.random.default_rng(1).normal(size=density.ndim)
    expected = by_brute_force(joint, theta)
    assert density.logp(theta) == pytest.approx(expected, rel=1e-8, abs=1e-8)
    gradient = density.logp_grad(theta)[1]
    np.testing.assert_allclose(gradient, slopes(density, theta), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("family", "effects", "further", "nodes", "error"),
    [
        ("negative_binomial", "(1 | g)", "shape ~ x", 61, 1e-8),
        ("zero_inflated_poisson", "(1 | g)", "zi ~ x", 61, 1e-8),
        ("zero_inflated_poisson", "(1 | g)", "zi ~ x + (1 | g)", 41, 1e-6),
        ("negative_binomial", "(1 | p | g)", "shape ~ x + (1 | p | g)", 31, 1e-6),
        ("beta", "z", "phi ~ x + (1 | g)", 41, 1e-8),
        ("cumulative", "(1 | g)", "disc ~ 0 + x", 61, 1e-8),
    ],
)
def test_further_parameters(family, effects, further, nodes, error, densities):
    """Columns of their own, and effects that are one vector with those on the mean."""
    q = (effects + further).count("|") - further.count("p |") - effects.count("p |")
    joint, density = densities(
        family, effects.replace("z", "I(x**2)"), Rule.product(nodes, q), further
    )
    theta = 0.2 * np.random.default_rng(1).normal(size=density.ndim)
    assert density.logp(theta) == pytest.approx(by_brute_force(joint, theta), abs=error)
    gradient = density.logp_grad(theta)[1]
    np.testing.assert_allclose(gradient, slopes(density, theta), rtol=1e-4, atol=1e-4)


def holds(joint, density, theta, error=1e-8):
    """The density and its gradient beside sums over grids, and differences."""
    expected = by_brute_force(joint, theta)
    assert density.logp(theta) == pytest.approx(expected, rel=error, abs=error)
    gradient = density.logp_grad(theta)[1]
    np.testing.assert_allclose(gradient, slopes(density, theta), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("link", ["probit", "cloglog"])
@pytest.mark.parametrize("family", [name for name, kind in FAMILIES.items() if kind().thresholds])
def test_ordered_categories_by_other_links(family, link, densities):
    joint, density = densities(family_from_names(family, link), "intercepts", Rule.product(61, 1))
    holds(joint, density, 0.2 * np.random.default_rng(1).normal(size=density.ndim))


@pytest.mark.parametrize("gap", [-25.0, 4.0])
def test_thresholds_far_apart_and_close_together(gap, densities):
    """A category that has hardly a probability, and one that has nearly all of it."""
    joint, density = densities("cumulative", "intercepts", Rule.product(61, 1))
    theta = np.zeros(density.ndim)
    theta[2] = gap
    holds(joint, density, theta)


@pytest.mark.parametrize("family", ["cumulative", "sratio"])
def test_a_prior_of_thresholds_is_at_columns_of_zero(family, densities):
    joint, density = densities(
        family, "intercepts", Rule.product(61, 1), priors={"thresholds": mb.Normal(1, 2)}
    )
    holds(joint, density, 0.2 * np.random.default_rng(1).normal(size=density.ndim))


def test_effects_on_each_threshold(densities):
    joint, density = densities("sratio", "cs(I(x**2)) + (1 | g)", Rule.product(61, 1))
    holds(joint, density, 0.2 * np.random.default_rng(1).normal(size=density.ndim))


def test_effects_on_the_discrimination(densities):
    """They multiply those on the mean: few nodes do where sds are small."""
    joint, density = densities("acat", "(1 | g)", Rule.product(25, 2), "disc ~ x + (1 | g)")
    theta = 0.2 * np.random.default_rng(1).normal(size=density.ndim)
    theta[:2] = -1.5
    holds(joint, density, theta)


def test_three_effects_of_a_level(densities):
    """With little variance the integral over three effects has many digits by few nodes."""
    _, few = densities("gamma", "(x | p | g)", Rule.product(7, 3), "shape ~ x + (1 | p | g)")
    theta = 0.1 * np.random.default_rng(1).normal(size=few.ndim)
    theta[:3] = -2.0
    assert few.logp(theta) == pytest.approx(few.by(Rule.product(15, 3)).logp(theta), abs=1e-4)
    np.testing.assert_allclose(few.logp_grad(theta)[1], slopes(few, theta), rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("effects", ["slopes", "separate slopes"])
def test_two_effects_of_a_level(effects, densities):
    joint, density = densities("poisson", effects, Rule.product(25, 2))
    theta = 0.2 * np.random.default_rng(1).normal(size=density.ndim)
    assert density.logp(theta) == pytest.approx(by_brute_force(joint, theta), abs=1e-5)
    gradient = density.logp_grad(theta)[1]
    np.testing.assert_allclose(gradient, slopes(density, theta), rtol=1e-5, atol=1e-5)
