"""How many nodes are taken, and what is said of a finer rule."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.engines import quadrature
from mixedbayes.joint.search import start
from mixedbayes.lab import calibration
from mixedbayes.quadrature.density import QuadratureDensity
from mixedbayes.quadrature.evidence import integrated
from mixedbayes.quadrature.resolve import resolve, shift
from mixedbayes.quadrature.rule import Rule


def binary(sd, levels=60, rows=4):
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(levels), rows)
    x = rng.normal(size=len(g))
    y = rng.random(len(g)) < 1 / (1 + np.exp(-(0.3 + x + sd * rng.normal(size=levels)[g])))
    return pd.DataFrame({"y": y.astype(int), "x": x, "g": g})


def resolved(sd, nodes=None):
    spec = mb.Model("y ~ x + (1 | g)", binary(sd), family="bernoulli").spec
    given = spec.design, spec.family, spec.priors
    density = QuadratureDensity.of(*given, Rule.product(1, 1))
    first = np.concatenate([start(density.layout.joint), density.layout.joint.start()])
    return resolve(density, first, nodes, 1)


def test_larger_effects_need_more_nodes():
    few, many = resolved(0.5), resolved(6.0)
    assert few.nodes < many.nodes
    assert max(few.change, many.change) < 0.01
    eta = np.random.default_rng(0).normal(size=(200, few.white.ndim))
    assert shift(few, eta, 1) < 0.02


def test_too_few_nodes_are_seen():
    coarse = resolved(3.0, nodes=3)
    assert (coarse.nodes, coarse.change > 0.1) == (3, True)
    eta = np.random.default_rng(0).normal(size=(200, coarse.white.ndim))
    assert shift(coarse, eta, 1) > 0.1


def test_a_fit_says_what_a_finer_rule_would_change(monkeypatch):
    monkeypatch.setattr(quadrature, "MOVED", 0.0)
    fit = mb.fit(
        "y ~ x + (1 | g)", binary(1.0), family="bernoulli", formulation=mb.Quadrature(7),
        draws=100, seed=1, progress=False,
    )  # fmt: skip
    assert "integrated with 7 nodes" in fit.posterior.made.note
    assert "finer rule moves" in fit.posterior.made.note


@pytest.mark.parametrize("unit", [1e-6, 1e6, 1e9])
def test_the_mode_is_that_of_any_unit_of_a_predictor(unit):
    """As incomes in cents, or lengths in nanometres."""

    def mode(scale):
        data = binary(1.0)
        data["x"] *= scale
        spec = mb.Model("y ~ x + (x | g)", data, family="bernoulli").spec
        found = integrated(spec.design, spec.family, spec.priors, 5, 1).mode
        return found.theta[-1] * scale, np.sqrt(found.covariance[-1, -1]) * scale

    np.testing.assert_allclose(mode(unit), mode(1.0), rtol=0.02)


def test_wrong_numbers_of_nodes_are_refused():
    for nodes in (2, 101, 3.5, True):
        with pytest.raises(mb.ModelError, match=r"from 3 to 100"):
            mb.Quadrature(nodes)


def test_what_it_cannot_take_is_said():
    data = binary(1.0).assign(h=lambda d: np.arange(len(d)) % 7)
    for formula, said in {
        "y ~ x + (1 | g) + (1 | h)": "2 grouping factors",
        "y ~ x + (x + I(x**2) + I(x**3) | g)": "4 effects in each level",
        "y ~ x": "no grouping factors",
    }.items():
        with pytest.raises(mb.ModelError, match=said):
            mb.Model(formula, data, family="bernoulli", formulation=mb.Quadrature())


def of_two_modes(nu):
    """Two rows far apart in each level, known well: a level's effect is near one or the other."""
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 2), "y": 3.0 * rng.normal(size=24)})
    priors = {
        "Intercept": mb.Normal(0, 3), "sigma": mb.HalfNormal(0.2), "sd": mb.HalfNormal(20),
        "nu": nu,
    }  # fmt: skip
    return data, {"family": "student_t", "priors": priors}


def test_several_modes_are_left_to_the_joint_engine(monkeypatch):
    monkeypatch.setattr(quadrature, "FEWEST_NOT_CONCAVE", 10)
    data, given = of_two_modes(mb.Gamma(2, 2))
    settings = {"draws": 20, "tune": 50, "chains": 1, "seed": 1, "progress": False}
    with pytest.raises(mb.SamplingError, match=r"effects of g cannot be integrated out"):
        mb.fit("y ~ 1 + (1 | g)", data, formulation=mb.Quadrature(), **given, **settings)
    model = mb.Model("y ~ 1 + (1 | g)", data, **given)
    assert "Quadrature" in str(model.formulation)
    fit = model.fit(**settings)
    made = fit.posterior.made
    assert str(made.formulation) == "PartiallyCentered()"
    assert "several modes or long tails" in made.formulation.reason
    assert str(fit.model.formulation) == "PartiallyCentered()"
    assert "Quadrature" in str(model.formulation)
    kept = model.fit(**settings, effects="summary")
    assert "draws of all group effects are kept" in kept.note
    assert "ranef_g" in kept.idata["posterior"]
    with pytest.raises(mb.ModelError, match=r"no integral here: the effects of g .* several modes"):
        fit.log_evidence()


def test_calibration_chooses_as_fits_do(monkeypatch):
    monkeypatch.setattr(quadrature, "FEWEST_NOT_CONCAVE", 10)
    monkeypatch.setattr(calibration, "DRAWS", 60)
    monkeypatch.setattr(calibration, "LONGEST", 60)
    data, given = of_two_modes(mb.Gamma(8, 4))
    model = mb.Model("y ~ 1 + (1 | g)", data, **given)
    assert "Quadrature" in str(model.formulation)
    found = calibration.Calibrated(model.spec, model.formulation, 1)(0)
    assert "sd_g[Intercept]" in found.ranks


def test_nested_rules_that_miss_what_lies_far_from_the_mode_are_refused():
    """Also where their nodes were asked for: draws would be of another posterior."""
    rng = np.random.default_rng(1)
    a, b = np.repeat(np.arange(8), 9), np.repeat(np.arange(24), 3)
    eta = 0.3 + rng.normal(size=8)[a] + 2 * rng.normal(size=24)[b]
    data = pd.DataFrame({"y": rng.poisson(np.exp(eta)), "a": a, "b": b})
    given = {"family": "poisson", "priors": {"sd": mb.HalfNormal(10)}, "draws": 20, "chains": 1}
    said = r"effects of a and a:b cannot .* 3 nodes in each dimension .*formulation='auto'"
    with pytest.raises(mb.SamplingError, match=said):
        mb.fit("y ~ 1 + (1 | a/b)", data, formulation=mb.Quadrature(3), progress=False, **given)


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_the_mode_is_that_of_any_unit_of_the_response(unit):
    """As seconds counted in microseconds, where the predictor has the response's units."""

    def mode(scale):
        data = binary(1.0)
        rng = np.random.default_rng(5)
        effects = rng.normal(size=60)[data["g"]]
        data["y"] = scale * (0.3 + data["x"] + effects + rng.standard_t(4, size=len(data)))
        spec = mb.Model("y ~ x + (1 | g)", data, family="student_t").spec
        found = integrated(spec.design, spec.family, spec.priors, None, 1)
        return found.nodes, found.mode.converged, found.mode.theta[-2:] / scale

    (nodes, converged, coefficients), own = mode(unit), mode(1.0)
    assert (nodes, converged) == (own[0], True)
    np.testing.assert_allclose(coefficients, own[2], rtol=1e-4)
