"""Priors that the user places at zero, with covariates far from it: the search and its curvature.

The walk's coordinate is at the columns' means. There such a prior couples level and slopes.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import mixedbayes as mb
from mixedbayes.joint.density import JointDensity
from mixedbayes.joint.scoring import Scoring
from mixedbayes.joint.search import start

GIVEN = {
    "level": {"level": mb.Normal(0, 1.5)},
    "level with tails": {"level": mb.StudentT(3, 0, 2.5)},
    "slopes": {"fixef": mb.Normal(0, 1)},
    "both": {"level": mb.Normal(0, 1.5), "fixef": mb.Cauchy(0, 1)},
}


FAMILIES = [
    "bernoulli", "binomial", "poisson", "negative_binomial", "gaussian", "student_t", "lognormal",
    "gamma", "beta", "cumulative",
]  # fmt: skip


def density(joint, family, given, origin, *, groups="(1 | g)", formulas=()):
    """The joint density of a model whose column x lies around `origin`."""
    frame = joint.data(family)
    frame = frame.assign(x=frame.x + origin)
    level = "thresholds" if family == "cumulative" else "Intercept"
    priors = {level if name == "level" else name: prior for name, prior in given.items()}
    text = [f"{joint.families[family]} ~ x + {groups}", *formulas]
    spec = mb.Model(text, frame, family=family, priors=priors).spec
    return JointDensity.of(spec.design, spec.family, spec.priors)


@pytest.mark.parametrize("origin", [50, 2015, -1e5])
@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("family", FAMILIES)
def test_effects_and_coefficients_have_a_mode(joint, family, given, origin):
    exact = density(joint, family, GIVEN[given], origin)
    scoring, phi = Scoring(exact), start(exact.layout)
    found = scoring.conditional(phi)
    _, slope = exact.logp_grad(np.concatenate([phi, found.effects]))
    slope = slope[len(phi) :]
    assert slope @ found.factor.solve(slope) < 1e-5  # a gain that does not matter


@pytest.mark.parametrize("parameter", ["sigma", "shape", "phi"])
def test_formulas_of_further_parameters_too(joint, parameter):
    family = {"sigma": "lognormal", "shape": "gamma", "phi": "beta"}[parameter]
    given = {"level": mb.Normal(0, 1.5), parameter: {"Intercept": mb.Normal(0, 1.5)}}
    exact = density(joint, family, given, 2015, formulas=[f"{parameter} ~ x"])
    assert np.isfinite(Scoring(exact).conditional(start(exact.layout)).log_evidence)


@pytest.mark.parametrize("groups", ["(x | g)", "(1 | g) + (1 | k)"])
@pytest.mark.parametrize("given", ["level", "slopes", "both"])
def test_the_precision_is_the_curvature_of_the_density(joint, given, groups):
    """Of a normal log response the expected information is the observed one."""
    priors = {name: mb.Normal(1, 1.5) for name in GIVEN[given]}
    exact = density(joint, "lognormal", priors, 40, groups=groups)
    scoring, phi = Scoring(exact), start(exact.layout)
    at = scoring.conditional(phi)
    factor = scoring.factor(phi, at, sparse.csr_array(sparse.eye_array(len(at.effects))))
    inverse = np.array([factor.solve(e) for e in np.eye(len(at.effects))])

    def slope(e):
        return exact.logp_grad(np.concatenate([phi, e]))[1][len(phi) :]

    steps = 1e-4 * np.eye(len(at.effects))
    observed = np.array([slope(at.effects - s) - slope(at.effects + s) for s in steps]) / 2e-4
    np.testing.assert_allclose(observed @ inverse, np.eye(len(steps)), atol=1e-4)


def test_the_posterior_is_that_of_the_marginal_sampler():
    """A lognormal response is the normal one of its logarithm, whose slopes are integrated out."""
    rng = np.random.default_rng(3)
    d = pd.DataFrame({"g": np.arange(80) % 8, "year": rng.normal(2015, 3, 80)})
    d["log_y"] = 0.4 * (d.year - 2015) + rng.normal(size=8)[d.g] + 0.5 * rng.normal(size=80)
    priors = {"Intercept": mb.Normal(0, 300), "fixef": mb.Normal(0, 1)}
    settings = {"priors": priors, "seed": 1, "draws": 700, "chains": 2, "progress": False}
    right = "year + (1 | g)"
    joint = mb.fit(f"y ~ {right}", d.assign(y=np.exp(d.log_y)), family="lognormal", **settings)
    exact = mb.fit(f"log_y ~ {right}", d, **settings)
    a, b = (f.fixef().set_index("term") for f in (joint, exact))
    np.testing.assert_allclose(a["sd"], b["sd"], rtol=0.12)
    np.testing.assert_allclose((a["mean"] - b["mean"]) / b["sd"], 0, atol=0.2)
