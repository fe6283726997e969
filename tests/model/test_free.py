"""Free variables of every formulation, computed from the named parameters."""

import numpy as np
import pandas as pd
import pytest
from pymc.model.transform.conditioning import remove_value_transforms

import mixedbayes as mb
from mixedbayes.model.coords import dims_of
from mixedbayes.model.free import free_variables, spherical
from mixedbayes.model.log_prior import log_priors

EFFECTS = [mb.NonCentered(), mb.Centered(), "auto"]
STUDENT = mb.StudentT(3, 9, 1)
KINDS = {"fixef": {"x": mb.StudentT(3, 0, 1)}, "sd": {"g": {"x": mb.HalfNormal(2)}}}
OTHERS = {
    "Intercept": mb.Cauchy(9, 2), "fixef": mb.Uniform(-9, 9), "sigma": mb.InverseGamma(3, 2),
    "sd": {"g": {"Intercept": mb.Gamma(2, 1), "x": mb.HalfStudentT(3, 1)}}, "cor": mb.LKJ(1),
}  # fmt: skip
STEPS = {"simo_count": mb.Dirichlet([2, 1, 3]), "fixef": {"mo(count):z": mb.StudentT(3, 0, 1)}}
CASES = {
    "intercepts": ("gaussian", "y ~ x + (1 | g)", None),
    "no predictors": ("gaussian", "y ~ 1 + (1 | g) + (1 | h)", None),
    "no intercept": ("gaussian", "y ~ 0 + x + (0 + x | g)", None),
    "correlated": ("gaussian", "y ~ x + z + (x + z | g) + (1 | h)", None),
    "two blocks": ("poisson", "count ~ x + (x | g) + (0 + z + x:z | g) + offset(z)", None),
    "rows that count several times": ("poisson", "count | weights(w) ~ x + (1 | g)", None),
    "uncorrelated": ("binomial", "count | trials(n) ~ x + (x || g)", None),
    "priors of several kinds": ("gaussian", "y ~ x + z + (x | g)", KINDS),
    "priors that do not integrate": ("gaussian", "y ~ x + (x | g)", {"fixef": STUDENT}),
    "student priors of a count": ("poisson", "count ~ x + (1 | g)", {"fixef": STUDENT}),
    "an intercept given at zero": ("gaussian", "y ~ x + (1 | g)", {"Intercept": STUDENT}),
    "a uniform intercept": ("poisson", "count ~ x + (1 | g)", {"Intercept": mb.Uniform(-9, 9)}),
    "products": ("gaussian", "y ~ x*z + I(x**2) + (x*z | g)", None),
    "products, not integrated": ("gaussian", "y ~ x*z + (x | g)", {"fixef": {"z": STUDENT}}),
    "steps": ("gaussian", "y ~ mo(count) + x + (1 | g)", None),
    "steps in a product": ("gaussian", "y ~ mo(count)*z + (x | g)", STEPS),
    "steps of a count": ("poisson", "count ~ mo(w) + (1 | g)", None),
    "thresholds": ("cumulative", "count ~ x + (x | g)", None),
    "thresholds given at zero": ("cumulative", "count ~ x", {"thresholds": mb.Normal(0, 2)}),
    "priors of other kinds": ("gaussian", "y ~ x + (x | g)", OTHERS),
    "across parameters": (
        "gaussian", ["y ~ x + (x | p | g) + (0 + z | g)", "sigma ~ z + (z | p | g)"], None,
    ),
    "across, given": (
        "gaussian", ["y ~ x + (x | p | g)", "sigma ~ z + (1 | p | g)"],
        {"cor": mb.LKJ(1), "sd": {"g": {"x": mb.HalfNormal(2)}}},
    ),
    "a formula for sigma": ("gaussian", ["y ~ x + (x | g)", "sigma ~ z + (z | g) + (1 | h)"], None),
}  # fmt: skip


def frame(rows=36):
    rng = np.random.default_rng(4)
    return pd.DataFrame(
        {
            "y": rng.normal(9, 2, rows),
            "count": rng.permutation(np.arange(rows) % 4),
            "n": 5,
            "w": rng.integers(1, 9, rows),
            "x": rng.normal(20, 3, rows),
            "z": rng.normal(size=rows),
            "g": np.arange(rows) % 6,
            "h": [f"{k}" for k in rng.permutation(np.arange(rows) % 4)],
        }
    )


def model_of(case):
    family, formula, priors = CASES[case]
    return mb.Model(formula, frame(), family=family, priors=priors)


def formulations(model):
    """With one factor "auto" is one of the others."""
    own = EFFECTS if len(model.formulation.groups) > 1 else EFFECTS[:2]
    return own + ([mb.Marginal()] if model.formulation.engine.name == "marginal" else [])


def named_draws(model):
    """(1, 3, ...) draws of the contract's parameters; no two correlations of a draw alike."""
    with np.errstate(over="ignore"):  # of means that the default priors of counts allow
        tree = model.prior_predictive(draws=3, seed=2)["prior"].to_dataset()
    return {name: tree[name].to_numpy() for name in dims_of(model.spec)}


@pytest.mark.parametrize("case", CASES)
def test_every_formulation_gives_the_named_parameters_and_their_priors_back(case):
    """Its deterministic variables and log priors, computed by PyMC from the derived free ones."""
    model = model_of(case)
    draws = named_draws(model)
    free, log_prior = (
        {name: d.function(*(draws[of] for of in d.of)) for name, d in derived.items()}
        for derived in (free_variables(model.spec), log_priors(model.spec))
    )
    for formulation in formulations(model):
        pymc = remove_value_transforms(model.build(formulation))
        names = [v.name for v in pymc.free_RVs]
        assert set(names) <= set(draws) | set(free)
        values = {name: draws.get(name, free.get(name)) for name in names}
        known = [v for v in pymc.deterministics if v.name in draws]
        with_prior = [v for v in pymc.free_RVs if v.name in log_prior]
        if formulation != mb.Marginal():  # which has no prior for what it integrates
            others = {name for name in names if name not in log_prior}
            assert len(with_prior) == len(log_prior)
            assert all("ranef" in name for name in others)
        inputs = [pymc.rvs_to_values[v] for v in pymc.free_RVs]
        function = pymc.compile_fn(
            [*pymc.replace_rvs_by_values(known), *pymc.logp(vars=with_prior, sum=False)],
            inputs=inputs, mode="FAST_COMPILE", point_fn=False, on_unused_input="ignore",
        )  # fmt: skip
        expected = [draws[v.name] for v in known] + [log_prior[v.name] for v in with_prior]
        for s in range(3):
            found = function(*(values[v.name][0, s] for v in pymc.free_RVs))
            for theirs, ours in zip(found, expected, strict=True):
                near = 1e-9 * abs(ours[0, s]).max()
                assert np.shape(theirs) == ours[0, s].shape
                np.testing.assert_allclose(theirs, ours[0, s], rtol=1e-7, atol=near)


@pytest.mark.parametrize("case", CASES)
def test_dimensions_are_those_of_the_models(case):
    model = model_of(case)
    free, known = free_variables(model.spec), {}
    for formulation in formulations(model):
        built = model.build(formulation)
        own = (v.name for v in (*built.free_RVs, *built.deterministics))
        known |= {name: built.named_vars_to_dims.get(name, ()) for name in own}
    contract = dims_of(model.spec)
    assert set(free) <= set(known)
    for name in free:
        unnamed = f"{name}_dim_0"
        assert tuple(d for d in free[name].dims if d != unnamed) == tuple(known[name]), name
        assert name not in contract


def test_edges_of_the_parameters_have_finite_variables():
    """Sds of zero, and correlations of one, as draws rounded to them have."""
    model = model_of("correlated")
    rng = np.random.default_rng(1)
    one = np.array([1.0, -1.0, 1.0])
    cor = np.stack([np.outer(one, one), np.eye(3)])
    sd = np.array([[0.5, 2.0, 0.1], [0.0, 1.0, 3.0]])
    u = rng.normal(size=(2, 6, 1))
    b = u * sd[:, None] * one
    found = spherical(b, sd, cor)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[0, :, 0], u[0, :, 0])
    np.testing.assert_array_equal(found[1, :, 0], 0)
    np.testing.assert_allclose(found[1, :, 1], -u[1, :, 0])
    partial = free_variables(model.spec)["partial_cor_g"].function(cor)
    assert ((partial > 0) & (partial < 1)).all()
    np.testing.assert_allclose(partial[0, 0], 0.0, atol=1e-12)
    np.testing.assert_allclose(partial[1], 0.5)
