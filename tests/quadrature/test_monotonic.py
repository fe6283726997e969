"""mo(x) beside integrated effects: the steps move the linear predictor alone."""

import numpy as np
import pandas as pd
import pytest
from brute_force import by_brute_force, slopes

import mixedbayes as mb
from mixedbayes.quadrature.density import QuadratureDensity
from mixedbayes.quadrature.draws import draw_all
from mixedbayes.quadrature.rule import Rule

CASES = {
    "intercepts": ("poisson", "mo(step) + (1 | g)", None),
    "products": ("bernoulli", "mo(step) + x:mo(step) + (x | g)", None),
    "at zero": (
        "poisson", "mo(step) + (1 | g)",
        {"Intercept": mb.Normal(0, 2), "simo_step": mb.Dirichlet([2, 1])},
    ),
    "thresholds": ("cumulative", "mo(step) + (1 | g)", None),
    "thresholds at zero": ("sratio", "mo(step) + (1 | g)", {"thresholds": mb.Normal(1, 2)}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_value_and_slopes(case, densities):
    family, effects, priors = CASES[case]
    q = 2 if "(x |" in effects else 1
    joint, density = densities(family, effects, Rule.product(31, q), priors=priors)
    theta = 0.3 * np.random.default_rng(1).normal(size=density.ndim)
    assert density.logp(theta) == pytest.approx(by_brute_force(joint, theta), abs=1e-6)
    gradient = density.logp_grad(theta)[1]
    np.testing.assert_allclose(gradient, slopes(density, theta), rtol=1e-4, atol=1e-4)


def frame(levels=110, rows=5):
    rng = np.random.default_rng(4)
    g, k = np.repeat(np.arange(levels), rows), rng.integers(0, 4, levels * rows)
    eta = 0.3 * np.array([0, 0.3, 1.6, 2.0])[k] + 0.5 * rng.normal(size=levels)[g]
    eta = eta + 0.4 * rng.normal(size=10)[g % 10]
    columns = {f"over{j}": (k > j).astype(float) for j in range(3)}
    return pd.DataFrame({"y": rng.poisson(np.exp(eta)), "k": k, "g": g, "a": g % 10, **columns})


@pytest.mark.parametrize("effects", ["(1 | g)", "(1 | a/g)"])
def test_steps_are_coefficients_of_columns(effects):
    """Likelihood, its modes and draws of effects are those of the model with such columns."""
    data, made = frame(), []
    for text in ("mo(k)", "over0 + over1 + over2"):
        spec = mb.Model(f"y ~ {text} + {effects}", data, family="poisson").spec
        rule = Rule.product(9, 1)
        made.append(QuadratureDensity.of(spec.design, spec.family, spec.priors, rule))
    one, other = made
    h = other.layout.joint.n_hyper
    theta = np.concatenate([np.full(h, -0.5), [0.4, -0.8], [0.2, 0.3]])  # sds, shares, 0, average
    steps = one.layout.joint.steps(theta[None, :-2])[0] @ theta[-1:]
    plain = np.concatenate([theta[:h], theta[-2:-1], steps])
    for x, y in zip(one.groups(theta), other.groups(plain), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-12)
    drawn = [
        draw_all(d, t[None, :n], t[None, n:], np.random.default_rng(1), 1)
        for d, t, n in ((one, theta, h + 2), (other, plain, h))
    ]
    for x, y in zip(*drawn, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-10)
    fine = one.by(Rule.product(31, 1))
    np.testing.assert_allclose(fine.logp_grad(theta)[1], slopes(fine, theta), rtol=1e-4, atol=1e-3)


def test_the_posterior_is_that_of_all_effects():
    """It is chosen, by itself, and agrees with the joint engine."""
    data = frame()
    fits = [
        mb.fit("y ~ mo(k) + (1 | g)", data, family="poisson", draws=500, seed=1, progress=False,
               formulation=f)
        for f in ("auto", mb.PartiallyCentered())
    ]  # fmt: skip
    assert str(fits[0].formulation) == "Quadrature()"
    assert fits[0].idata.posterior.attrs["inference_method"] == "HMC by a polynomial"
    one, other = (f.idata.posterior for f in fits)
    for name in ("Intercept", "fixef", "simo_k", "sd_g", "ranef_g"):
        sd = other[name].std(("chain", "draw"))
        mean = [p[name].mean(("chain", "draw")) for p in (one, other)]
        assert float(np.abs((mean[0] - mean[1]) / sd).max()) < 0.25, name
        ratio = one[name].std(("chain", "draw")) / sd
        assert float(np.abs(np.log(ratio)).max()) < 0.2, name
