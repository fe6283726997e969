"""mo(x) in the compiled joint density: against PyMC's, gradients, and posteriors."""

import numpy as np
import pandas as pd
import pytest
from scipy import special

import mixedbayes as mb
from mixedbayes.joint.density import JointDensity
from mixedbayes.theta import simplex

LEVELS = ["low", "middle", "high", "top"]


def frame(rows=60):
    rng = np.random.default_rng(3)
    codes, g, z = np.arange(rows) % 4, np.arange(rows) % 6, rng.normal(1, 1, rows)
    eta = 0.4 * np.array([0, 0.2, 1.4, 1.6])[codes] + 0.3 * rng.normal(size=6)[g]
    return pd.DataFrame(
        {
            "count": rng.poisson(np.exp(eta)),
            "grade": np.digitize(eta + rng.logistic(size=rows), [-0.5, 1.0]),
            "income": pd.Categorical([LEVELS[k] for k in codes], LEVELS, ordered=True),
            "three": np.arange(rows) // 4 % 3,
            "z": z,
            "g": g,
        }
    )


CASES = {
    "poisson": ("count ~ mo(income) + z + (1 | g)", "poisson", None),
    "product": ("count ~ z*mo(income) + mo(three) + (z | g)", "poisson", None),
    "given": (
        "count ~ mo(income) + (1 | g)", "poisson",
        {"Intercept": mb.Normal(0, 2), "simo_income": mb.Dirichlet([2, 1, 3]),
         "fixef": mb.StudentT(3, 0, 1)},
    ),
    "no intercept": ("count ~ 0 + mo(income) + z", "poisson", None),
    "thresholds": ("grade ~ mo(income)*z + (1 | g)", "cumulative", None),
    "thresholds at zero": (
        "grade ~ mo(income) + z", "cumulative", {"thresholds": mb.Normal(0, 2)},
    ),
}  # fmt: skip


def density_of(case):
    formula, family, priors = CASES[case]
    model = mb.Model(formula, frame(), family=family, priors=priors)
    assert model.formulation.engine.name == "joint"
    return model, JointDensity.of(model.design, model.family, model.spec.priors)


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_those_of_differences(case):
    _, density = density_of(case)
    rng = np.random.default_rng(2)
    theta = 0.4 * rng.normal(size=density.ndim)
    value, gradient = density.logp_grad(theta)
    steps = 1e-5 * np.eye(len(theta))
    numeric = [
        (density.logp_grad(theta + s)[0] - density.logp_grad(theta - s)[0]) / 2e-5 for s in steps
    ]
    assert np.isfinite(value)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("case", ["poisson", "given"])
def test_the_density_is_pymcs(case):
    """At the same point, but for the Jacobians of the coordinates."""
    model, density = density_of(case)
    layout = density.layout
    logp = model.build(mb.Centered()).compile_logp(jacobian=False, mode="FAST_COMPILE")
    rng, differences = np.random.default_rng(4), []
    for _ in range(3):
        theta = 0.4 * rng.normal(size=density.ndim)
        found = {k: v[0] for k, v in layout.named(theta[None], density.coordinates).items()}
        b, zeta = simplex.divided(found["fixef"][:3])
        log = np.log(zeta)
        free = {
            "mo_income": b, "simo_income_simplex__": log[:-1] - log.mean(),
            "Intercept_at_means": theta[layout.coefficient_start],
            "sd_g_log__": np.log(found["sd_g"]), "ranef_g": found["ranef_g"],
        }  # fmt: skip
        if case == "poisson":
            free["fixef_z"] = found["fixef"][3]
        at = layout.share_starts[0]
        z = special.expit(theta[at : at + 2])
        # log sd; the shares by logits; effects are standardised here: sd^6
        jacobian = theta[0] + np.log(z * (1 - z)).sum() + np.log(1 - z[0]) + 6 * theta[0]
        differences.append(density.logp_grad(theta)[0] - jacobian - float(logp(free)))
    np.testing.assert_allclose(differences, 0, atol=1e-8)


def test_the_posterior_is_that_of_quadrature():
    """Two steps without group effects: a grid over intercept, average step and share."""
    data = frame()
    priors = {"Intercept": mb.Normal(0, 2), "fixef": mb.Normal(0, 1)}
    fit = mb.fit(
        "count ~ mo(three)", data, family="poisson", priors=priors, seed=2, draws=2000, chains=2,
        progress=False,
    )  # fmt: skip
    a, b, p = np.linspace(-1.5, 2, 90), np.linspace(-1.2, 1.2, 91), (np.arange(60) + 0.5) / 60
    A, B, P = np.meshgrid(a, b, p, indexing="ij")
    log = -0.5 * (A / 2) ** 2 - 0.5 * B**2
    for code, add in ((0, 0.0), (1, 2 * B * P), (2, 2 * B)):
        y = data["count"][data["three"] == code]
        log = log + y.sum() * (A + add) - len(y) * np.exp(A + add)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    table, shares = fit.fixef().set_index("term"), fit.parameters().set_index("element")
    for found, grid in ((table["mean"]["mo(three)"], B), (shares["mean"]["0 to 1"], P)):
        mean = float((weight * grid).sum())
        sd = np.sqrt(float((weight * grid**2).sum()) - mean**2)
        assert float(found) == pytest.approx(mean, abs=0.1 * sd)
