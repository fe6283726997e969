"""The stand-in for the gradient: right near the mode, refused where it is not."""

from dataclasses import replace

import numpy as np
import pytest

import mixedbayes as mb
from mixedbayes.marginal import surrogate as module
from mixedbayes.marginal.density import MarginalDensity, Surrogate
from mixedbayes.marginal.mode import find_mode, whiten
from mixedbayes.marginal.setup import set_up
from mixedbayes.marginal.surrogate import (
    ERROR,
    MOST_COORDINATES,
    dear,
    derivatives,
    fit_surrogate,
    proposals_pay,
    surrogate_pays,
)


def whitened(formula, name, **priors):
    """The density in the units of its curvature, and its setup."""
    model = mb.Model(formula, mb.load_data(name), **priors)
    setup = set_up(model.spec.design, model.spec.priors)
    density = MarginalDensity(setup.layout, setup.problem)
    return whiten(density, find_mode(density)), setup


@pytest.fixture(scope="module")
def gpa():
    return whitened("gpa ~ occasion + (1 | student)", "gpa")


def test_derivatives_are_those_of_the_monomials():
    rng = np.random.default_rng(1)
    terms, point = rng.integers(0, 4, (30, 4)), rng.normal(size=3)

    def monomials(x):
        return np.append(x, 1.0)[terms].prod(axis=1)

    step = 1e-6 * np.eye(3)
    expected = [(monomials(point + e) - monomials(point - e)) / 2e-6 for e in step]
    np.testing.assert_allclose(derivatives(terms, point[None])[0], expected, atol=1e-7)


def test_gradient_is_the_surrogates_within_its_radius_and_the_value_always_exact(gpa):
    density, _ = gpa
    rng = np.random.default_rng(2)
    terms = rng.integers(0, density.ndim + 1, (12, 4))
    any_polynomial = Surrogate(terms, rng.normal(size=12), radius=2.0, non_normality=0.0)
    walked = replace(density, surrogate=any_polynomial)
    for point in (np.array([0.3, -1.2]), np.array([1.9, 0.5])):
        value, gradient = walked.logp_grad(point)
        np.testing.assert_allclose(
            gradient, derivatives(terms, point[None])[0] @ any_polynomial.coefficients
        )
        assert value == walked.logp(point) == density.logp_grad(point)[0]
    outside = np.array([1.9, 0.7])
    np.testing.assert_array_equal(walked.logp_grad(outside)[1], density.logp_grad(outside)[1])


@pytest.mark.parametrize(
    ("formula", "name", "non_normality"),
    [
        ("gpa ~ occasion + (1 | student)", "gpa", (0.03, 0.15)),
        ("diameter ~ 1 + (1 | plate) + (1 | sample)", "penicillin", (0.3, 1.5)),
    ],
)
def test_it_is_close_to_gradients_that_it_has_not_seen(formula, name, non_normality):
    density, _ = whitened(formula, name)
    found = fit_surrogate(density, cores=2)
    walked = replace(density, surrogate=found)
    points = np.random.default_rng(99).standard_normal((200, density.ndim))
    points = points[np.linalg.norm(points, axis=1) < 2]
    exact = np.array([density.logp_grad(x)[1] for x in points])
    close = np.array([walked.logp_grad(x)[1] for x in points])
    assert np.sqrt(np.mean((close - exact) ** 2)) < 0.1
    assert np.sqrt(np.mean((close - exact) ** 2)) < 0.3 * np.sqrt(np.mean((points + exact) ** 2))
    assert non_normality[0] < found.non_normality < non_normality[1]


def test_it_is_refused_where_the_posterior_is_far_from_normal():
    density, _ = whitened("score ~ Machine + (Machine | Worker)", "machines")  # six workers
    assert fit_surrogate(density, cores=1) is None
    found = fit_surrogate(density, cores=1, error=1e3)
    assert fit_surrogate(density, cores=1, error=0.99 * found.error) is None
    assert found.error > ERROR


def test_it_is_refused_where_the_density_vanishes(gpa, monkeypatch):
    density, _ = gpa
    monkeypatch.setattr(module, "_SPREAD", 1e4)
    assert fit_surrogate(density, cores=1) is None


def test_it_does_not_pay_for_quick_gradients_nor_many_coordinates(gpa):
    density, setup = gpa
    assert surrogate_pays(setup.problem, density)
    quick, few = whitened("Reaction ~ Days + (Days | Subject)", "sleepstudy")
    assert not surrogate_pays(few.problem, quick)
    model = mb.Model("diameter ~ 1 + (1 | plate) + (1 | sample)", mb.load_data("penicillin"))
    left = set_up(model.spec.design, model.spec.priors, 3)  # the samples' effects stay in NUTS
    assert not surrogate_pays(left.problem, MarginalDensity(left.layout, left.problem))
    # proposals need no gradient that takes long, but few coordinates
    assert proposals_pay(few.problem, quick)
    assert not dear(few.problem, quick)
    assert not proposals_pay(left.problem, MarginalDensity(left.layout, left.problem))
    many, ten = whitened("Reaction ~ Days + I(Days**2) + I(Days**3) + (Days + I(Days**2) + "
                         "I(Days**3) | Subject)", "sleepstudy")  # fmt: skip
    assert many.ndim == 11
    assert not proposals_pay(ten.problem, many)


def test_of_many_coordinates_it_is_of_degree_three():
    d = MOST_COORDINATES + 2
    rng = np.random.default_rng(4)
    skew = 0.05 * rng.normal(size=d)

    class Skewed:
        ndim = d

        def logp_grad(self, z):
            return -0.5 * z @ z + skew @ z**3, -z + 3 * skew * z**2

    found = fit_surrogate(Skewed(), 1)
    assert (found.terms[:, 3] == d).all()
    z = rng.normal(size=(5, d))
    np.testing.assert_allclose(
        derivatives(found.terms, z) @ found.coefficients, -z + 3 * skew * z**2, atol=1e-8
    )
