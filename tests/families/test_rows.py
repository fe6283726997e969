"""Every family's compiled rows beside its log density, whose derivatives they have."""

import numpy as np
import pytest

from mixedbayes.families.chosen import taken
from mixedbayes.families.fronts import CODES, bits_of
from mixedbayes.families.registry import FAMILIES
from mixedbayes.families.two_part import TwoPart
from mixedbayes.joint.data import compiled_of
from mixedbayes.joint.loop import loop_of

# Behind other links than its own a family with zeros is its component, and compiles as long.
CASES = [
    (name, link.name)
    for name, kind in FAMILIES.items()
    for link in (kind.mean_links[:1] if issubclass(kind, TwoPart) else kind.mean_links)
    if not kind.columns
]


@pytest.fixture(params=CASES, ids="{0[0]}-{0[1]}".format)
def compiled(request, make):
    """f(eta, parameters) -> log likelihood, slope (n,), derivatives, of rows with weights."""
    name, link = request.param
    family, design, eta = make.simulated(name, link, make.rng, weighted=True)
    rows = family.merged(family.rows(design))
    levels = family.thresholds  # after the numbers
    values = {k: v[:1] for k, v in make.parameters(name).items()}
    values = {k: values[k] for k in sorted(values, key=lambda k: k == levels)}
    loop = loop_of(*compiled_of(family), len(values) - (levels is not None))

    def f(eta, parameters, own=0):
        slope, d = np.empty(eta.size), np.zeros(parameters.size)
        y, size, extra = rows.y, rows.size, rows.extra
        total = loop(own, np.array(eta), y, size, extra, np.array(parameters), slope, d)
        return total + rows.constant, slope, d

    flat = np.concatenate([np.zeros(0), *(v.ravel() for v in values.values())])
    return family, design, eta[0], values, flat, f


def differences(f, x, h=1e-6):
    return [(f(x + e) - f(x - e)) / (2 * h) for e in h * np.eye(x.size)]


def test_the_sum_is_that_of_the_log_density(compiled):
    family, design, eta, values, flat, f = compiled
    expected = family.log_density(
        design.y,
        family.inverse(eta[None], np),
        values,
        weights=design.weights,
        trials=design.trials,
    )
    assert f(eta, flat)[0] == pytest.approx(expected.sum(), rel=1e-11)


def test_derivatives_are_those_of_differences(compiled):
    _, _, eta, _, flat, f = compiled
    _, slope, d = f(eta, flat)
    by_eta = differences(lambda e: f(e, flat)[0], eta)
    np.testing.assert_allclose(slope, by_eta, rtol=1e-6, atol=1e-6)
    by_parameter = differences(lambda p: f(eta, p)[0], flat)
    np.testing.assert_allclose(d, by_parameter, rtol=1e-6, atol=1e-6)


def test_a_formula_of_a_parameter_that_is_constant_changes_nothing(compiled):
    family, design, eta, values, flat, f = compiled
    total, slope, d = f(eta, flat)
    for k, p in enumerate(map(family.parameter, values)):
        if not p.formula:
            continue
        at = np.full(design.n, float(p.link.link(values[p.name][0], np)))
        own = CODES[type(p.link)] << bits_of(len(family.parameters)) * k
        stacked, slopes, rest = f(np.concatenate([eta, at]), np.delete(flat, k), own)
        assert stacked == pytest.approx(total, rel=1e-12)
        np.testing.assert_allclose(slopes[: design.n], slope, rtol=1e-10, atol=1e-12)
        by_predictor = d[k] * float(p.link.slope(at[:1], np)[0])
        assert slopes[design.n :].sum() == pytest.approx(by_predictor, rel=1e-10)
        np.testing.assert_allclose(rest, np.delete(d, k), rtol=1e-10, atol=1e-12)


def test_chosen_links_of_parameters_are_those_of_the_log_density(compiled):
    family, design, eta, values, flat, f = compiled
    mu, rng = family.inverse(eta[None], np), np.random.default_rng(3)
    for k, p in enumerate(map(family.parameter, values)):
        for kind in taken(p)[1:] if p.formula else ():
            link, own = kind(), CODES[kind] << bits_of(len(family.parameters)) * k
            at = float(link.link(values[p.name][0], np)) + rng.normal(0, 0.3, design.n)
            expected = family.log_density(
                design.y, mu, {**values, p.name: link.inverse(at[None], np)},
                weights=design.weights, trials=design.trials,
            )  # fmt: skip
            rest, stacked = np.delete(flat, k), np.concatenate([eta, at])
            total, slopes, _ = f(stacked, rest, own)
            assert total == pytest.approx(expected.sum(), rel=1e-11)
            found = differences(lambda e, own=own, rest=rest: f(e, rest, own)[0], stacked)
            np.testing.assert_allclose(slopes, found, rtol=1e-6, atol=1e-6)
