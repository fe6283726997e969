"""With default priors the posterior is the same whatever a covariate's origin."""

import numpy as np
import pandas as pd
import pytest
from family_values import needs_trials, values_of

import mixedbayes as mb
from mixedbayes.families.registry import FAMILIES
from mixedbayes.joint.density import JointDensity
from mixedbayes.marginal.density import MarginalDensity
from mixedbayes.marginal.setup import set_up

STRUCTURES = {
    "slopes": "y ~ x + (x | g)",
    "crossed": "y ~ x + (x | g) + (x | h)",
    "nested": "y ~ x + (x | h/g)",
    "slopes by factor": "y ~ x + (f*x | g)",
    "curves": "y ~ x + (x + I(x**2) | g)",
    "indicators": "y ~ x + (0 + f + x | g)",
    "products": "y ~ f*x*h + (1 | g)",
    "powers": "y ~ f*(x + I(x**2)) + (1 | g)",
    "no intercept": "y ~ 0 + f + x + (1 | g)",
    "no intercept, products": "y ~ 0 + f + f:x + (1 | g)",
}


def data(family):
    rng = np.random.default_rng(5)
    n = 80
    frame = pd.DataFrame({"x": rng.normal(size=n), "g": np.arange(n) % 8, "h": np.arange(n) % 4})
    frame["f"] = rng.choice(["a", "b"], n)
    eta = 0.3 + 0.5 * frame.x + rng.normal(0, 0.4, 8)[frame.g] * frame.x
    counts = rng.poisson(np.exp(eta))
    frame["n"] = 6
    known = {
        "gaussian": eta + rng.normal(0, 0.5, n),
        "student_t": eta + rng.standard_t(4, n),
        "lognormal": np.exp(eta + rng.normal(0, 0.5, n)),
        "gamma": np.exp(eta) * rng.gamma(3, 1 / 3, n),
        "beta": np.clip(1 / (1 + np.exp(-eta)) + rng.normal(0, 0.02, n), 0.05, 0.95),
        "bernoulli": (eta + rng.logistic(size=n) > 0).astype(int),
        "binomial": np.minimum(counts, 6),
        **dict.fromkeys(("cumulative", "sratio", "cratio", "acat"), np.minimum(counts, 3)),
        "poisson": counts,
        "negative_binomial": counts,
    }
    frame["y"] = known[family] if family in known else _simulated(FAMILIES[family](), eta, rng)
    return frame


def _simulated(family, eta, rng):
    values = {name: value[:1] for name, value in values_of(family).items()}
    mu = family.inverse(np.array(eta)[None], np)
    return family.reported(family.simulate(mu, values, rng, trials=np.full(len(eta), 6))[0])


def joint_density(formula, frame, family):
    model = mb.Model(formula, frame, family=family)
    return JointDensity.of(model.design, model.family, model.spec.priors)


def same_density(here, there, rng):
    """At the same coordinates, which are where the priors are, up to one constant."""
    assert here.ndim == there.ndim
    points = [0.3 * rng.normal(size=here.ndim) for _ in range(3)]
    a, b = (np.array([d.logp_grad(z)[0] for z in points]) for d in (here, there))
    np.testing.assert_allclose(np.diff(b), np.diff(a), rtol=1e-5, atol=1e-5)
    for z in points:
        first, second = here.logp_grad(z)[1], there.logp_grad(z)[1]
        np.testing.assert_allclose(second, first, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("origin", [10, 2000])
@pytest.mark.parametrize("family", [n for n, kind in FAMILIES.items() if not kind.columns])
def test_every_family(family, origin):
    frame = data(family)
    formula = STRUCTURES["slopes"].replace(
        "y ~", "y | trials(n) ~" if needs_trials(FAMILIES[family]()) else "y ~"
    )
    for product in (formula, formula.replace("~ x", "~ x*f")):
        here, there = (
            joint_density(product, d, family) for d in (frame, frame.assign(x=frame.x + origin))
        )
        same_density(here, there, np.random.default_rng(6))


@pytest.mark.parametrize("family", ["poisson", "gaussian"])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_every_structure(structure, family):
    frame = data(family)
    moved = frame.assign(x=frame.x + 100)
    if family == "poisson":
        densities = [joint_density(STRUCTURES[structure], d, family) for d in (frame, moved)]
    else:
        models = [mb.Model(STRUCTURES[structure], d) for d in (frame, moved)]
        setups = [set_up(m.design, m.spec.priors) for m in models]
        densities = [MarginalDensity(s.layout, s.problem) for s in setups]
    same_density(*densities, np.random.default_rng(7))


def test_a_formula_for_sigma():
    frame = data("gaussian")
    formula = ["y ~ x + (x | g)", "sigma ~ x + (x | h)"]
    here, there = (
        joint_density(formula, d, "gaussian") for d in (frame, frame.assign(x=frame.x + 50))
    )
    same_density(here, there, np.random.default_rng(8))


@pytest.mark.parametrize("formula", ["y ~ x + (x | g)", "y ~ x + (x + I(x**2) | g)"])
def test_a_prior_that_the_user_gives_stands_at_zero(formula):
    """And only the others are at the means."""
    frame = data("gaussian").assign(x=lambda d: d.x + 5)
    given = {"sd": {"g": {"Intercept": mb.HalfNormal(3)}}}
    priors = mb.Model(formula, frame, priors=given).spec.priors.mu
    assert "g" not in priors.placed or not priors.placed["g"].moves(0)
    assert ("g" in priors.placed) == ("I(x**2)" in formula)  # the slope at zero holds a curve
    whole = mb.Model(formula, frame, priors={"cor": mb.LKJ(3)}).spec.priors.mu
    assert not whole.placed
    slope = mb.Model("y ~ x + (x | g)", frame, priors={"sd": {"g": {"x": mb.HalfNormal(3)}}})
    assert slope.spec.priors.mu.placed["g"].moves(0)
    assert not slope.spec.priors.mu.placed["g"].moves(1)
